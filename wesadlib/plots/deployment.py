"""Figures of the chapter on deployment: how long answers take."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from wesadlib.plots import NEUTRAL, closed

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
