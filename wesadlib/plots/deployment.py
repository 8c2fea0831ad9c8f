"""Figures of the chapter on deployment: how long answers take, under which load, and a stream's course."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from wesadlib.plots import NEUTRAL, STATE_COLORS, draw_answers, subplots, write_beside

_COLORS = {"in this process": NEUTRAL, "over HTTP": "black"}

#: Where the labels of p50, p95 and p99 go, in points: the last two lie close together.
_LABEL_SHIFTS = ((8, -6), (8, -12), (-8, 5))


def plot_latency(latency: pd.DataFrame, quantiles: Mapping[str, float]) -> Figure:
    """Share of answers that are there after so many milliseconds, over HTTP and without a server.

    `latency` is ``where milliseconds``, a row a request; the `quantiles` p50, p95 and p99 are marked on the curve of
    the answers over HTTP.
    """
    figure, axes = subplots(height=3.2)
    # The curves may lie on each other, so their names stand where no curve is: below, at the right.
    for (where, color), height in zip(_COLORS.items(), (0.16, 0.06), strict=True):
        times = np.sort(latency.loc[latency["where"] == where, "milliseconds"])
        axes.step(times, np.arange(1, len(times) + 1) / len(times), where="post", color=color, linewidth=2)
        axes.text(0.98, height, where, transform=axes.transAxes, ha="right", color=color, weight="bold")
    for (name, value), shift in zip(quantiles.items(), _LABEL_SHIFTS, strict=True):
        point = (value, float(name.removeprefix("p")) / 100)
        axes.plot(*point, "o", color=_COLORS["over HTTP"], markersize=5)
        write_beside(axes, f"{name} {value:.0f} ms", point, shift, ha="right" if shift[0] < 0 else "left")
    axes.set(xlabel="time to the answer, ms", ylabel="answered by then", ylim=(0, 1.12))
    axes.set_xlim(0, 1.18 * latency["milliseconds"].max())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def plot_stream(course: pd.DataFrame, onset_s: float, min_confidence: float) -> Figure:
    """Probability of stress in the course of a stream, ``time_s probability status abstained``.

    Stress begins at `onset_s`; between one less `min_confidence` and this the model abstains.
    """
    figure, axes = subplots(height=3.2)
    kinds = np.where(course["abstained"], "abstained", "answered")
    kinds = course["status"].where(course["status"] == "rejected", kinds)
    draw_answers(axes, course["time_s"] / 60, course["probability"], kinds, STATE_COLORS["stress"], min_confidence)
    if (kinds == "rejected").any():
        axes.text(0.01, 0.12, "ticks: refused for quality", transform=axes.transAxes, color=NEUTRAL, fontsize=9)
    axes.axvline(onset_s / 60, color=NEUTRAL, linestyle="--", linewidth=1)
    axes.text(onset_s / 60, 1.07, "stress begins", ha="center", color=NEUTRAL)
    axes.set(xlabel="time in the recording, min", ylabel="probability of stress")
    return figure


def plot_load(rates: pd.DataFrame) -> Figure:
    """What comes of rising rates: time to the answer, answers, how many windows are computed together, and failures.

    Failures have a panel where there are any.

    `rates` is ``rate saturated p50_ms p95_ms p99_ms requests requests_per_s errors batch_windows``, a row a rate.
    """
    lines = [(rates["requests_per_s"], rates["rate"], "answered a second")]
    lines.append((rates["batch_windows"], [1.0], "windows in a batch"))
    if rates["errors"].any():
        lines.append((100 * rates["errors"] / rates["requests"], [1.0], "failed, %"))
    figure, panels = subplots(1, 1 + len(lines), height=2.8, sharex=True)
    times, answered = panels[:2]
    _plot_times(times, rates)
    for axes, (values, top, label) in zip(panels[1:], lines, strict=True):
        axes.plot(rates["rate"], values, "o-", color="black", linewidth=2, markersize=4)
        axes.set(ylabel=label, ylim=(0, 1.1 * np.nanmax([*values, *top])))
    answered.plot(rates["rate"], rates["rate"], ":", color=NEUTRAL, linewidth=1, zorder=0)
    color = STATE_COLORS["stress"]
    for rate in rates.loc[rates["saturated"], "rate"]:
        for axes in panels:
            axes.axvline(rate, color=color, linestyle="--", linewidth=1)
        place = {"xycoords": ("data", "axes fraction"), "ha": "right", "va": "bottom"}
        write_beside(times, "too many", (rate, 0.03), (-4, 0), color=color, **place)
    figure.supxlabel("requests sent per second", fontsize=10)
    return figure


def plot_soak(rows: pd.DataFrame) -> Figure:
    """What all processes of a server hold in the course of time: `rows` is ``time_s replicas rss_mb files threads``."""
    labels = {"replicas": "replicas", "rss_mb": "memory, MB", "files": "open files", "threads": "threads"}
    figure, panels = subplots(2, 2, height=4.0, sharex=True)
    for axes, (name, label) in zip(panels.flat, labels.items(), strict=True):
        axes.step(rows["time_s"] / 60, rows[name], where="post", color="black", linewidth=1.5)
        axes.set(ylabel=label, ylim=(0, 1.15 * max(rows[name].max(), 1)))
    for axes in panels[-1]:
        axes.set_xlabel("time, min")
    return figure


def _plot_times(axes: Axes, rates: pd.DataFrame) -> None:
    for name, shade, up in (("p50", "#999999", -9), ("p95", "#555555", 0), ("p99", "black", 9)):
        times = rates[f"{name}_ms"]
        axes.plot(rates["rate"], times, "o-", color=shade, linewidth=2, markersize=4)
        if np.isfinite(times.iloc[0]):
            text = {"xycoords": "axes fraction", "ha": "left", "va": "top", "color": shade, "weight": "bold"}
            write_beside(axes, name, (0.05, 0.85), (0, 1.4 * up), **text)
    axes.set(xscale="log", yscale="log", ylabel="time to the answer, ms")
    axes.margins(y=0.15)
    axes.set_xticks(rates["rate"].iloc[[0, len(rates) // 2, -1]])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter("")
