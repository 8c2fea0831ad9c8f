"""Figures of the network's chapter."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from seaborn import boxplot

from wesadlib.data.devices import write_channel, write_unit
from wesadlib.plots import NEUTRAL, RED, STATE_COLORS, bare_rows, subplots, write_beside

FIXED, LEARNED = "#EFEFEF", "#E1EDF6"
TRAIN, VALIDATION = "#444444", "#CC79A7"


def plot_architecture(blocks: pd.DataFrame, *, levels: bool, states: Sequence[str]) -> Figure:
    """Draw a network from top to bottom: a box a block, wider with more feature maps, and what leaves it."""
    figure, axes = subplots(height=0.68 * len(blocks) + 0.3)
    half = 1.25 + 0.75 * (blocks["maps"] / blocks["maps"].max()) ** 0.5
    for row, (block, width) in enumerate(zip(blocks.itertuples(), half, strict=True)):
        box = FancyBboxPatch((-width, -row - 0.32), 2 * width, 0.64, boxstyle="round,pad=0,rounding_size=0.08")
        axes.add_patch(box)
        box.set(facecolor=LEARNED if block.parameters else FIXED, edgecolor=NEUTRAL, linewidth=0.8)
        axes.text(0, -row + 0.13, block.block, ha="center", va="center", weight="bold")
        axes.text(0, -row - 0.14, _explain(block, states), ha="center", va="center", fontsize=9)
        shape = f"{block.maps} × {block.samples}" if block.samples > 1 else f"{block.maps}"
        axes.text(3.1, -row, shape, ha="right", va="center", fontsize=9)
        axes.text(4.3, -row, f"{block.parameters:,}", ha="right", va="center", fontsize=9)
        if block.block.startswith("residual"):
            _draw_shortcut(axes, row, width)
        if row:
            axes.annotate("", (0, -row + 0.32), (0, -row + 0.68), arrowprops={"arrowstyle": "-|>", "color": NEUTRAL})
    axes.text(3.1, 0.75, "maps × samples", ha="right", va="center", fontsize=9, color=NEUTRAL)
    axes.text(4.3, 0.75, "parameters", ha="right", va="center", fontsize=9, color=NEUTRAL)
    if levels:
        _draw_way_round(axes, half, len(blocks))
    axes.set(xlim=(-3.4 if levels else -2.1, 4.35), ylim=(-len(blocks) + 0.6, 0.95))
    axes.axis("off")
    return figure


def _draw_shortcut(axes: Axes, row: int, width: float) -> None:
    # Round the box, from the arrow that enters it to the arrow that leaves it.
    x, top, bottom = width + 0.12, -row + 0.48, -row - 0.4
    axes.plot([0, x, x], [top, top, bottom], color=NEUTRAL, linewidth=0.9, zorder=0)
    style = {"arrowstyle": "-|>", "mutation_scale": 8, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch((x, bottom), (0.04, bottom), color=NEUTRAL, linewidth=0.9, **style))


def _explain(block: tuple, states: Sequence[str]) -> str:
    text = {
        "normalisation": "each channel: mean 0, spread 1",
        "stem": f"convolution {block.kernel}, stride {block.stride}; max-pool",
        "pool": "mean over time",
        "head": " or ".join(states),
    }
    return text.get(block.block, f"2 × convolution {block.kernel}, stride {block.stride}")


def _draw_way_round(axes: Axes, half: pd.Series, rows: int) -> None:
    x, last = -half.max() - 0.35, rows - 1
    line = {"color": RED, "linewidth": 1.6}
    axes.plot([-half.iloc[0], x, x], [0, 0, -last], solid_joinstyle="round", **line)
    axes.add_patch(FancyArrowPatch((x, -last), (-half.iloc[last], -last), arrowstyle="-|>", mutation_scale=12, **line))
    text = "levels: mean and\nlog-spread of\neach channel"
    axes.text(x - 0.1, -last / 2, text, ha="right", va="center", fontsize=9, color=RED)


def plot_levels(levels: pd.DataFrame) -> Figure:
    """Each channel's level by state, over all windows: what normalisation throws away."""
    channels = list(levels.groupby(["channel", "units"], sort=False))
    states = [state for state in STATE_COLORS if state in set(levels["label"])]
    figure, axes = subplots(len(channels), 2, height=0.3 * len(states) * len(channels) + 0.9, squeeze=False)
    style = {"y": "label", "hue": "label", "order": states, "hue_order": states, "palette": STATE_COLORS, "width": 0.7}
    style |= {"whis": (5, 95), "showfliers": False, "saturation": 1, "linecolor": NEUTRAL, "linewidth": 0.8}
    style |= {"medianprops": {"color": "white", "linewidth": 1.8}, "boxprops": {"alpha": 0.8, "linewidth": 0}}
    for row, ((channel, unit), part) in zip(axes, channels, strict=True):
        for statistic, panel in zip(("mean", "log_spread"), row, strict=True):
            boxplot(part, x=statistic, ax=panel, **style)
            panel.set(xlabel="", ylabel="", yticks=[])
            bare_rows(panel)
            panel.tick_params(labelsize=9)
            panel.locator_params(axis="x", nbins=4)
        row[0].set_ylabel(
            f"{write_channel(channel)}\n{write_unit(unit)}", rotation=0, ha="right", va="center", fontsize=9
        )
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
