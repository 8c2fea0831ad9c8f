"""Figures of the chapter on deployment: how long answers take, under which load, and a stream's course."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from wesadlib.plots import NEUTRAL, RED, STATE_COLORS, draw_answers, subplots, write_beside


def plot_latency(latency: pd.DataFrame, quantiles: Mapping[str, float]) -> Figure:
    """Share of answers (``where milliseconds``) that are there after so many milliseconds, and quantiles over HTTP."""
    figure, axes = subplots(height=3.2)
    # The curves may lie on each other, so their names stand where no curve is: below, at the right.
    for where, color, height in (("in this process", NEUTRAL, 0.16), ("over HTTP", "black", 0.06)):
        axes.ecdf(latency.loc[latency["where"] == where, "milliseconds"], color=color, linewidth=2)
        axes.text(0.98, height, where, transform=axes.transAxes, ha="right", color=color, weight="bold")
    # Labels of p95 and p99, which lie close together, stand to both sides.
    for (name, value), shift in zip(quantiles.items(), ((8, -6), (8, -12), (-8, 5)), strict=True):
        point = (value, float(name.removeprefix("p")) / 100)
        axes.plot(*point, "o", color="black", markersize=5)
        write_beside(axes, f"{name} {value:.0f} ms", point, shift, ha="right" if shift[0] < 0 else "left")
    axes.set(xlabel="time to the answer, ms", ylabel="answered by then", ylim=(0, 1.12))
    axes.set_xlim(0, 1.18 * latency["milliseconds"].max())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def plot_stream(course: pd.DataFrame, onset_s: float, min_confidence: float) -> Figure:
    """Probability of stress in the course of a stream, ``time_s probability status abstained``; it begins at a time."""
    figure, axes = subplots(height=3.2)
    status = course["status"].mask(course["status"] != "rejected", "answered").mask(course["abstained"], "abstained")
    draw_answers(axes, course["time_s"] / 60, course["probability"], status, STATE_COLORS["stress"], min_confidence)
    if (status == "rejected").any():
        axes.text(0.01, 0.12, "ticks: refused for quality", transform=axes.transAxes, color=NEUTRAL, fontsize=9)
    axes.axvline(onset_s / 60, color=NEUTRAL, linestyle="--", linewidth=1)
    axes.text(onset_s / 60, 1.07, "stress begins", ha="center", color=NEUTRAL)
    axes.set(xlabel="time in the recording, min", ylabel="probability of stress")
    return figure


def plot_load(rates: pd.DataFrame) -> Figure:
    """What comes of rising rates, a row each: times to the answer, answers, windows in a batch, failures if any."""
    sent = rates["rate"]
    lines = {"answered a second": rates["requests_per_s"], "windows in a batch": rates["batch_windows"]}
    if rates["errors"].any():
        lines["failed, %"] = 100 * rates["errors"] / rates["requests"]
    figure, (times, *others) = subplots(1, 1 + len(lines), height=2.8, sharex=True)
    for name, shade, height in (("p50", "#999999", 0.77), ("p95", "#555555", 0.85), ("p99", "black", 0.93)):
        times.plot(sent, rates[f"{name}_ms"], "o-", color=shade, linewidth=2, markersize=4)
        times.text(0.05, height, name, transform=times.transAxes, va="top", color=shade, weight="bold")
    times.set(xscale="log", yscale="log", ylabel="time to the answer, ms", xticks=sent.iloc[[0, len(sent) // 2, -1]])
    times.margins(y=0.15)
    for axis in (times.xaxis, times.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    for axes, (label, values) in zip(others, lines.items(), strict=True):
        axes.plot(sent, values, "o-", color="black", linewidth=2, markersize=4)
        axes.set(ylabel=label, ylim=(0, 1.1 * np.nanmax([*values, 1])))
    others[0].plot(sent, sent, ":", color=NEUTRAL, linewidth=1, zorder=0)
    others[0].set_ylim(top=1.1 * sent.max())
    for rate in rates.loc[rates["saturated"], "rate"]:
        for axes in (times, *others):
            axes.axvline(rate, color=RED, linestyle="--", linewidth=1)
        place = {"xycoords": ("data", "axes fraction"), "ha": "right", "va": "bottom"}
        write_beside(times, "too many", (rate, 0.03), (-4, 0), color=RED, **place)
    figure.supxlabel("requests sent per second", fontsize=10)
    return figure


def plot_soak(rows: pd.DataFrame) -> Figure:
    """What all processes of a server hold in the course of time: `rows` is ``time_s replicas rss_mb files threads``."""
    labels = {"replicas": "replicas", "rss_mb": "memory, MB", "files": "open files", "threads": "threads"}
    figure, panels = subplots(2, 2, height=4.0, sharex=True)
    for axes, (name, label) in zip(panels.flat, labels.items(), strict=True):
        axes.step(rows["time_s"] / 60, rows[name], where="post", color="black", linewidth=1.5)
        axes.set(ylabel=label, ylim=(0, 1.15 * max(rows[name].max(), 1)))
    figure.supxlabel("time, min", fontsize=10)
    return figure
