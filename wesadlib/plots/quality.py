"""Figures of the chapter on signal quality: windows refused, what a cut-off costs, faults caught."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, STATE_COLORS, closed

_SENSOR_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def plot_examples(windows: xr.Dataset, examples: pd.DataFrame, shown_s: float = 20.0) -> Figure:
    """The windows with the worst scores, each beside the best of the same person and channel.

    Parameters
    ----------
    windows : Dataset
        With ``signal`` and the coordinates of windows.
    examples : DataFrame
        From :func:`~wesadlib.quality.coverage.pick_examples`.
    shown_s : float
        How much of each to show, from its middle.
    """
    figure, panels = plt.subplots(len(examples), 2, figsize=(7, 1.7 * len(examples) + 0.6), sharex=True, squeeze=False)
    middle = windows.attrs["window_s"] / 2
    for row, example in zip(panels, examples.itertuples(), strict=True):
        unit = str(windows["units"].sel(channel=example.channel).values)
        for axes, position in zip(row, (example.window, example.best), strict=True):
            window = windows.isel(window=position)
            shown = window["signal"].sel(
                channel=example.channel, time=slice(middle - shown_s / 2, middle + shown_s / 2)
            )
            axes.plot(shown["time"], shown, color=STATE_COLORS[str(window["label"].values)], linewidth=0.9)
            what = f"{window['subject'].values}, {window['label'].values}"
            if position == example.window:
                verdict = "accepted" if example.accepted else "refused"
                what += f", {verdict}: {example.rule} {example.score:.2f}"
            else:
                what += ", the best"
            axes.set_title(what, fontsize=9)
        row[0].set_ylabel(f"{example.channel.replace('_', ' ')}, {unit}", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("time in the window, s")
    return closed(figure)


def plot_cutoffs(sweep: pd.DataFrame, cutoff: float, rule: str) -> Figure:
    """Share of windows refused against a rule's cut-off, a line a state.

    Parameters
    ----------
    sweep : DataFrame
        From :func:`~wesadlib.quality.coverage.sweep_cutoff`.
    cutoff : float
        The one in force.
    rule : str
        Its name and channel, for the axis.
    """
    figure, axes = plt.subplots(figsize=(7, 3.2))
    for label, rows in sweep.groupby("label", sort=False):
        axes.plot(rows["cutoff"], 100 * rows["refused"], color=STATE_COLORS[label], linewidth=2)
    for position, label in enumerate(dict.fromkeys(sweep["label"])):
        axes.text(
            0.02,
            0.95 - 0.1 * position,
            label,
            transform=axes.transAxes,
            color=STATE_COLORS[label],
            fontweight="bold",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.axvline(cutoff, color=NEUTRAL, linewidth=1, linestyle="--")
    axes.text(cutoff, 101, "in force", color=NEUTRAL, fontsize=9, ha="center", va="bottom")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"cut-off on {rule}")
    axes.set_ylabel("windows refused, %")
    return closed(figure)


def plot_faults(summary: pd.DataFrame) -> Figure:
    """How often each fault is caught, against its strength: a panel a fault, a line a sensor.

    Parameters
    ----------
    summary : DataFrame
        From :func:`~wesadlib.quality.trials.summarise_faults`.
    """
    faults = list(dict.fromkeys(summary["fault"]))
    sensors = list(dict.fromkeys(summary["sensor"]))
    columns = 2
    figure, panels = plt.subplots(
        -(-len(faults) // columns), columns, figsize=(7, 6.6), sharex=True, sharey=True, squeeze=False
    )
    colors = dict(zip(sensors, _SENSOR_COLORS, strict=False))
    for axes, fault in zip(panels.flat, faults, strict=False):
        for offset, (sensor, rows) in enumerate(summary[summary["fault"] == fault].groupby("sensor", sort=False)):
            # Lines that coincide are drawn a little apart, else only the last would be seen.
            axes.plot(
                rows["strength"],
                100 * rows["caught"] - 1.6 * offset,
                "o-",
                color=colors[sensor],
                markersize=3.5,
                linewidth=1.5,
            )
        axes.set_title(fault, fontsize=10)
        axes.set_xticks(np.linspace(0, 1, 5))
        axes.set_ylim(-12, 106)
        axes.set_yticks((0, 50, 100))
    for axes in panels[-1]:
        axes.set_xlabel("strength of the fault")
    for axes in panels[:, 0]:
        axes.set_ylabel("caught, %")
    handles = [plt.Line2D([], [], color=colors[s], marker="o", markersize=4) for s in sensors]
    names = [s.replace("_", " ") if "_" in s else f"{s} (whole device)" for s in sensors]
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=9, handlelength=1.2, columnspacing=1.2)
    return closed(figure)
