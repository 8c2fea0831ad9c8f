"""Figures of the network's chapter."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from wesadlib.data.devices import write_channel, write_unit
from wesadlib.plots import NEUTRAL, RED, STATE_COLORS, bare_rows, subplots, write_beside

FIXED, LEARNED = "#EFEFEF", "#E1EDF6"
TRAIN, VALIDATION = "#444444", "#CC79A7"


def plot_architecture(blocks: pd.DataFrame, *, levels: bool, states: Sequence[str]) -> Figure:
    """Draw a network from top to bottom: a box a block, wider with more feature maps, and what leaves it."""
    figure, axes = subplots(height=0.68 * len(blocks) + 0.3)
    half = 1.25 + 0.75 * (blocks["maps"] / blocks["maps"].max()) ** 0.5
    write = partial(axes.text, va="center", fontsize=9)
    for row, (block, width) in enumerate(zip(blocks.itertuples(), half, strict=True)):
        box = FancyBboxPatch((-width, -row - 0.32), 2 * width, 0.64, boxstyle="round,pad=0,rounding_size=0.08")
        box.set(facecolor=LEARNED if block.parameters else FIXED, edgecolor=NEUTRAL, linewidth=0.8)
        axes.add_patch(box)
        write(0, -row + 0.13, block.block, ha="center", weight="bold", fontsize=10)
        write(0, -row - 0.14, _explain(block, states), ha="center")
        write(3.1, -row, f"{block.maps} × {block.samples}" if block.samples > 1 else block.maps, ha="right")
        write(4.3, -row, f"{block.parameters:,}", ha="right")
        if block.block.startswith("residual"):
            # Round the box, from the arrow that enters it to the arrow that leaves it.
            corner = width + 0.12
            axes.plot([0, corner, corner], -row + np.array([0.48, 0.48, -0.4]), color=NEUTRAL, linewidth=0.9, zorder=0)
            _draw_arrow(axes, (corner, -row - 0.4), (0.04, -row - 0.4), color=NEUTRAL, linewidth=0.9, mutation_scale=8)
        if row:
            axes.annotate("", (0, -row + 0.32), (0, -row + 0.68), arrowprops={"arrowstyle": "-|>", "color": NEUTRAL})
    write(3.1, 0.75, "maps × samples", ha="right", color=NEUTRAL)
    write(4.3, 0.75, "parameters", ha="right", color=NEUTRAL)
    if levels:
        x, last, line = -half.max() - 0.35, 1 - len(blocks), {"color": RED, "linewidth": 1.6}
        axes.plot([-half.iloc[0], x, x], [0, 0, last], solid_joinstyle="round", **line)
        _draw_arrow(axes, (x, last), (-half.iloc[-1], last), mutation_scale=12, **line)
        write(x - 0.1, last / 2, "levels: mean and\nlog-spread of\neach channel", ha="right", color=RED)
    axes.set(xlim=(-3.4 if levels else -2.1, 4.35), ylim=(-len(blocks) + 0.6, 0.95))
    axes.axis("off")
    return figure


def _draw_arrow(axes: Axes, begin: tuple, end: tuple, **style: Any) -> None:
    axes.add_patch(FancyArrowPatch(begin, end, arrowstyle="-|>", shrinkA=0, shrinkB=0, **style))


def _explain(block: tuple, states: Sequence[str]) -> str:
    convolution = f"convolution {block.kernel}, stride {block.stride}"
    text = {"normalisation": "each channel: mean 0, spread 1", "stem": f"{convolution}; max-pool"}
    text |= {"pool": "mean over time", "head": " or ".join(states)}
    return text.get(block.block, f"2 × {convolution}")


def plot_levels(levels: pd.DataFrame) -> Figure:
    """Each channel's level by state, over all windows: what normalisation throws away."""
    channels = list(levels.groupby(["channel", "units"], sort=False))
    states = [state for state in STATE_COLORS if state in set(levels["label"])]
    figure, axes = subplots(len(channels), 2, height=0.3 * len(states) * len(channels) + 0.9, squeeze=False)
    thin = {"color": NEUTRAL, "linewidth": 0.8}
    style = {"orientation": "horizontal", "widths": 0.7, "whis": (5, 95), "showfliers": False, "patch_artist": True}
    style |= {"whiskerprops": thin, "capprops": thin, "medianprops": {"color": "white", "linewidth": 1.8}}
    for row, ((channel, unit), part) in zip(axes, channels, strict=True):
        for statistic, panel in zip(("mean", "log_spread"), row, strict=True):
            values = [part.loc[part["label"] == state, statistic].dropna() for state in states]
            for box, state in zip(panel.boxplot(values, **style)["boxes"], states, strict=True):
                box.set(color=STATE_COLORS[state], alpha=0.8)
            panel.set_yticks([])
            panel.invert_yaxis()
            bare_rows(panel)
            panel.tick_params(labelsize=9)
            panel.locator_params(axis="x", nbins=4)
        label = f"{write_channel(channel)}\n{write_unit(unit)}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    axes[0, 0].set_title("mean")
    axes[0, 1].set_title("ln(spread)")
    for place, state in enumerate(reversed(states)):
        figure.text(0.99 - 0.15 * place, 0.985, state, color=STATE_COLORS[state], ha="right", va="top", weight="bold")
    return figure


def plot_learning_curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Losses over the epochs, the kept epoch marked, and the learning rate below."""
    figure, (losses, rate) = subplots(2, height=4.2, sharex=True, height_ratios=(3, 1))
    end = history[["train_loss", "validation_loss"]].iloc[-1]
    lines = (("train_loss", TRAIN, "training people"), ("validation_loss", VALIDATION, "validation people"))
    for column, color, name in lines:
        losses.plot(history["epoch"], history[column], color=color, marker="o", markersize=3)
        shift, side = (3, "bottom") if end[column] == end.max() else (-3, "top")
        write_beside(losses, name, (history["epoch"].iloc[-1], end[column]), (10, shift), color=color, va=side)
    best = history.loc[history["epoch"] == best_epoch, "validation_loss"].iloc[0]
    losses.plot(best_epoch, best, marker="o", markersize=10, markerfacecolor="none", color=VALIDATION)
    losses.set_title(f"circle: the epoch whose weights are kept ({best_epoch})", color=VALIDATION, fontsize=10)
    first, last = history["epoch"].iloc[[0, -1]]
    losses.set_xlim(first - 0.03 * (last - first + 1), last + 0.33 * (last - first + 1))
    losses.margins(y=0.15)
    losses.set_ylabel("loss")
    rate.plot(history["epoch"], history["learning_rate"], color=NEUTRAL)
    rate.set(xlabel="epoch", ylabel="learning\nrate", ylim=(0, None))
    rate.xaxis.get_major_locator().set_params(integer=True)
    return figure
