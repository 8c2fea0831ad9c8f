"""Figures of the chapter on signal quality: windows refused, what a cut-off costs, faults caught."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from wesadlib.data.devices import write_channel, write_unit
from wesadlib.plots import BLUE, NEUTRAL, RED, STATE_COLORS, subplots, write_names

_SENSOR_COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def plot_examples(windows: xr.Dataset, examples: pd.DataFrame) -> Figure:
    """The middle 20 s of the windows with the worst scores, each beside the best of the same person and channel."""
    figure, panels = subplots(len(examples), 2, height=1.7 * len(examples) + 0.6, sharex=True, squeeze=False)
    middle = windows.attrs["window_s"] / 2
    for row, example in zip(panels, examples.itertuples(), strict=True):
        verdict = f"{'accepted' if example.accepted else 'refused'}: {example.rule} {example.score:.2f}"
        for axes, position, what in zip(row, (example.window, example.best), (verdict, "the best"), strict=True):
            window = windows.isel(window=position).sel(channel=example.channel)
            shown = window["signal"].sel(time=slice(middle - 10, middle + 10))
            axes.plot(shown["time"], shown, color=STATE_COLORS[str(window["label"].values)], linewidth=0.9)
            axes.set_title(f"{window['subject'].values}, {window['label'].values}, {what}", fontsize=9)
        row[0].set_ylabel(f"{write_channel(example.channel)}, {write_unit(str(window['units'].values))}", fontsize=9)
    figure.supxlabel("time in the window, s", fontsize=10)
    return figure


def plot_cutoffs(sweep: pd.DataFrame, cutoff: float, rule: str) -> Figure:
    """Share of windows refused against a rule's cut-off, a line a state; marked: the cut-off in force."""
    figure, axes = subplots(height=3.2)
    for label, rows in sweep.groupby("label", sort=False):
        axes.plot(rows["cutoff"], 100 * rows["refused"], color=STATE_COLORS[label], linewidth=2)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    write_names(axes, sweep["label"], (0.02, 0.95), (0, -0.1), va="top", bbox=box)
    axes.axvline(cutoff, color=NEUTRAL, linewidth=1, linestyle="--")
    # A line that hugs zero would say nothing.
    top = max(105 * sweep["refused"].max(), 1)
    axes.text(cutoff, 1.01 * top, "in use", color=NEUTRAL, fontsize=9, ha="center", va="bottom")
    axes.set(xlim=(0, 1), ylim=(0, top), xlabel=f"cut-off on {rule}", ylabel="windows refused, %")
    return figure


def plot_faults(summary: pd.DataFrame) -> Figure:
    """How often each fault is caught, against its strength: a panel a fault, a line a sensor."""
    faults, sensors = list(summary.groupby("fault", sort=False)), list(summary["sensor"].unique())
    figure, panels = subplots(-(-len(faults) // 2), 2, height=6.6, sharex=True, sharey=True, squeeze=False)
    colors = dict(zip(sensors, _SENSOR_COLORS, strict=False))
    for axes, (fault, part) in zip(panels.flat, faults, strict=False):
        for order, (sensor, rows) in enumerate(part.groupby("sensor", sort=False)):
            # Marks that coincide stand side by side, and lines on each other are thinner the higher they lie, else
            # only the last would be seen.
            strength, above = rows["strength"] + 0.02 * (order - (len(sensors) - 1) / 2), len(sensors) - 1 - order
            axes.plot(strength, 100 * rows["caught"], "o-", color=colors[sensor], ms=4, lw=1 + 0.8 * above)
        axes.set_title(fault, fontsize=10)
        axes.set(xticks=np.linspace(0, 1, 5), ylim=(-6, 106), yticks=(0, 50, 100))
    for axes in panels[-1]:
        axes.set_xlabel("strength of the fault")
    figure.supylabel("refused, %", fontsize=10)
    handles = [plt.Line2D([], [], color=colors[s], marker="o", markersize=4) for s in sensors]
    names = [write_channel(s) if "_" in s else "whole device" for s in sensors]
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=9, handlelength=1.2, columnspacing=1.2)
    return figure
