"""Figures of the chapter on drift: the naive test, the null distribution, the rate of false alarms, shifts noticed."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wesadlib.data.devices import write_channel
from wesadlib.plots import BLUE, NEUTRAL, RED, color_cells, name_rows, subplots

_KIND_LABELS = {
    "gain": "gain: factor",
    "offset": "offset: in the sensor's standard deviations",
    "noise": "noise: in the sensor's standard deviations",
    "population": "other people: every feature higher, in standard deviations between people",
    "prevalence": "prevalence: share of each person's windows that is stress",
}


def plot_naive(alarms: pd.DataFrame) -> Figure:
    """How many people without drift a test on windows raises the alarm for, a bar a stricter demand."""
    counts = alarms.groupby("least_distance")["alarm"].agg(["sum", "size"])
    names = ["any significant feature", *(f"and a distance above {least:g}" for least in counts.index[1:])]
    figure, axes = subplots(height=2.4)
    bars = axes.barh(range(len(counts)), counts["sum"], color=RED, height=0.65)
    axes.bar_label(bars, [f"{alarmed} of {people}" for alarmed, people in counts.itertuples(index=False)], padding=4)
    axes.set_xlim(0, 1.15 * max(counts["size"], default=1))
    name_rows(axes, names[: len(counts)], fontsize=10)
    axes.set_xlabel("people without drift for whom a test that counts windows raises the alarm")
    return figure


def plot_nulls(nulls: pd.DataFrame, people: int, threshold: float | None) -> Figure:
    """Statistic of unshifted batches against how many people they hold, with the threshold of batches of `people`."""
    figure, axes = subplots(height=3.0)
    for size, rows in nulls.groupby("people"):
        spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(rows))
        axes.plot(size + spread, rows["distance"], "o", color=BLUE, markersize=3.5, alpha=0.5, markeredgewidth=0)
        axes.hlines(rows["distance"].median(), size - 0.32, size + 0.32, color="black", linewidth=1.5)
    if threshold is not None:
        axes.hlines(threshold, people - 0.42, people + 0.42, color=RED, linewidth=2)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        text = {"color": RED, "va": "center", "fontsize": 9, "fontweight": "bold", "bbox": box}
        axes.text(people + 0.46, threshold, "alarm above", **text)
    sizes = sorted(set(nulls["people"]))
    axes.set(xlim=(min(sizes, default=1) - 0.6, max([*sizes, people]) + 0.9), ylim=(0, 1.02), xticks=sizes)
    axes.set(xlabel="people in an unshifted batch", ylabel="largest distance to the rest")
    return figure


def plot_rate(rates: pd.DataFrame) -> Figure:
    """Rate of false alarms observed on left-out batches against the rate claimed, where it falls if that is true."""
    figure, axes = subplots(height=3.4)
    axes.fill_between(rates["claimed"], rates["low"], rates["high"], color=NEUTRAL, alpha=0.18, linewidth=0)
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle="--")
    end = rates["claimed"].max() * 1.06
    axes.set(xlim=(0, end), ylim=(0, max(end, rates[["observed", "high"]].max(axis=None) * 1.03)))
    axes.text(0.02, 0.95, "dashed: as claimed", color=NEUTRAL, transform=axes.transAxes, va="top")
    if rates["observed"].notna().any():
        axes.plot(rates["claimed"], rates["observed"], "o-", color=BLUE, linewidth=2)
        axes.text(0.02, 0.85, "observed", color=BLUE, fontweight="bold", transform=axes.transAxes, va="top")
    axes.set(xlabel="rate of false alarms claimed", ylabel="share of unshifted batches that raise the alarm")
    return figure


def plot_shifts(shifts: pd.DataFrame) -> Figure:
    """Which shifts are noticed, or distances where no batch could be judged: a panel a kind, by sensor and size."""
    column, text, full, shown = "noticed", "{:.0f} %", 100, "share of batches that raise the alarm"
    if shifts["noticed"].isna().all():
        column, text, full, shown = "distance", "{:.2f}", 1, "median distance (there is no threshold)"
    panels = {kind: rows for kind, rows in shifts.groupby("kind", sort=False) if kind != "none"}
    heights = [rows["sensor"].nunique() + 1.1 for rows in panels.values()]
    figure, axes = subplots(len(panels), height=0.36 * sum(heights) + 0.6, height_ratios=heights, squeeze=False)
    for panel, (kind, rows) in zip(axes[:, 0], panels.items(), strict=True):
        table = rows.pivot_table(index="sensor", columns="size", values=column, sort=False, dropna=False)
        table = full * table.sort_index(axis=1).rename(index=write_channel, columns="{:g}".format)
        color_cells(panel, table, text, cmap="Blues", vmin=0, vmax=1.25 * full)
        panel.set_title(_KIND_LABELS.get(kind, kind), fontsize=10)
    figure.supxlabel(f"in the cells: {shown}", fontsize=10)
    return figure
