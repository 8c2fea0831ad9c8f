"""Figures of the chapter on deployment: how long answers take, under which load, and a stream's course."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from wesadlib.plots import NEUTRAL, STATE_COLORS, closed

_COLORS = {"in this process": NEUTRAL, "over HTTP": "black"}

#: Where the labels of p50, p95 and p99 go, in points: the last two lie close together.
_LABEL_SHIFTS = ((8, -6), (8, -12), (-8, 5))


def plot_latency(latency: pd.DataFrame, quantiles: Mapping[str, float]) -> Figure:
    """Share of answers that are there after so many milliseconds, over HTTP and without a server.

    Parameters
    ----------
    latency : DataFrame
        ``where milliseconds``, a row a request; `where` is "over HTTP" or "in this process".
    quantiles : mapping of str to float
        p50, p95 and p99 in milliseconds, marked on the curve of the answers over HTTP.
    """
    figure, axes = plt.subplots(figsize=(7, 3.2))
    for where, color in _COLORS.items():
        times = np.sort(latency.loc[latency["where"] == where, "milliseconds"])
        axes.step(times, np.arange(1, len(times) + 1) / len(times), where="post", color=color, linewidth=2)
    # The curves may lie on each other, so their names stand where no curve is: below, at the right.
    for name, height in zip(_COLORS, (0.16, 0.06), strict=True):
        axes.text(0.98, height, name, transform=axes.transAxes, ha="right", color=_COLORS[name], weight="bold")
    for (name, value), (across, up) in zip(quantiles.items(), _LABEL_SHIFTS, strict=True):
        height, side = float(name.removeprefix("p")) / 100, "right" if across < 0 else "left"
        axes.plot(value, height, "o", color=_COLORS["over HTTP"], markersize=5)
        axes.annotate(f"{name} {value:.0f} ms", (value, height), (across, up), textcoords="offset points", ha=side)
    axes.set_xlim(right=1.18 * latency["milliseconds"].max())
    axes.set_xlim(left=0)
    axes.set_xlabel("time to the answer, ms")
    axes.set_ylabel("answered by then")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1.12)
    return closed(figure)


def plot_stream(course: pd.DataFrame, onset_s: float, min_confidence: float) -> Figure:
    """Probability of stress in the course of a stream.

    Parameters
    ----------
    course : DataFrame
        ``time_s probability status abstained``, a row a prediction; NaN where the window was rejected.
    onset_s : float
        When stress begins.
    min_confidence : float
        Between one less this and this the model abstains.
    """
    figure, axes = plt.subplots(figsize=(7, 3.2))
    color = STATE_COLORS["stress"]
    minutes = course["time_s"] / 60
    axes.axhspan(1 - min_confidence, min_confidence, color="#EEEEEE", zorder=0)
    axes.plot(minutes, course["probability"], color=color, linewidth=1.5, alpha=0.5)
    told = (course["status"] == "ok") & ~course["abstained"]
    held_back = (course["status"] == "ok") & course["abstained"]
    rejected = course["status"] == "rejected"
    axes.plot(minutes[told], course.loc[told, "probability"], "o", color=color, markersize=5)
    axes.plot(minutes[held_back], course.loc[held_back, "probability"], "o", color=color, mfc="white", markersize=5)
    axes.plot(minutes[rejected], np.full(rejected.sum(), 0.02), "x", color=NEUTRAL, markersize=6)
    axes.axvline(onset_s / 60, color=NEUTRAL, linestyle="--", linewidth=1)
    axes.text(onset_s / 60, 1.04, "stress begins", ha="center", color=NEUTRAL)
    axes.set_xlabel("time in the recording, min")
    axes.set_ylabel("probability of stress")
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.5, 1])
    return closed(figure)


def plot_load(rates: pd.DataFrame) -> Figure:
    """What comes of rising rates: time to the answer, answers, failures, and how many windows are computed together.

    Parameters
    ----------
    rates : DataFrame
        ``rate saturated p50_ms p95_ms p99_ms requests requests_per_s errors batch_windows``, a row a rate.
    """
    figure, panels = plt.subplots(2, 2, figsize=(7.5, 5), sharex=True, layout="constrained")
    (times, answered), (failed, together) = panels
    _plot_times(times, rates)
    for axes, values, top, label in (
        (answered, rates["requests_per_s"], rates["rate"], "answered a second"),
        (failed, 100 * rates["errors"] / rates["requests"], [1.0], "failed, %"),
        (together, rates["batch_windows"], [1.0], "windows in a batch"),
    ):
        axes.plot(rates["rate"], values, "o-", color="black", linewidth=2, markersize=4)
        axes.set_ylabel(label)
        axes.set_ylim(0, 1.1 * np.nanmax([*values, *top]))
    answered.plot(rates["rate"], rates["rate"], ":", color=NEUTRAL, linewidth=1, zorder=0)
    for axes in panels.flat:
        for rate in rates.loc[rates["saturated"], "rate"]:
            axes.axvline(rate, color=STATE_COLORS["stress"], linestyle="--", linewidth=1)
    for rate in rates.loc[rates["saturated"], "rate"]:
        times.annotate(
            "too many", (rate, 0.03), (-4, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="right", va="bottom", color=STATE_COLORS["stress"],
        )  # fmt: skip
    for axes in (failed, together):
        axes.set_xlabel("requests asked for a second")
    return closed(figure)


def _plot_times(axes: Axes, rates: pd.DataFrame) -> None:
    for name, shade, up in (("p50", "#999999", -9), ("p95", "#555555", 0), ("p99", "black", 9)):
        times = rates[f"{name}_ms"]
        axes.plot(rates["rate"], times, "o-", color=shade, linewidth=2, markersize=4)
        if np.isfinite(times.iloc[0]):
            axes.annotate(
                name, (rates["rate"].iloc[0], times.iloc[0]), (-8, up), textcoords="offset points",
                ha="right", va="center", color=shade, weight="bold",
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(y=0.15)
    axes.set_xlim(left=0.6 * rates["rate"].min())
    axes.set_xticks(list(rates["rate"]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter("")
    axes.set_ylabel("time to the answer, ms")
