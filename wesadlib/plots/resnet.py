"""Figures of the network's chapter."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from wesadlib.plots import NEUTRAL, STATE_COLORS

FILL = {"fixed": "#EFEFEF", "learned": "#E3EEF7", "levels": "#FBEBD9"}
TRAIN, VALIDATION = "#444444", "#CC79A7"


def plot_architecture(blocks: pd.DataFrame, shortcuts: Sequence[tuple[int, int]] = ()) -> Figure:
    """Draw a network as blocks from top to bottom, each as wide as it has feature maps and labelled with its output.

    Parameters
    ----------
    blocks : DataFrame
        A row a block, in order: title, text, output, parameters, maps, kind (``fixed``, ``learned``, ``levels``).
    shortcuts : sequence of pair of int
        Rows between which something goes round the blocks between.
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.72 * len(blocks) + 0.4))
    widths = 2.2 + 1.8 * (blocks["maps"] / blocks["maps"].max()) ** 0.5
    for row, (block, width) in enumerate(zip(blocks.itertuples(), widths, strict=True)):
        y = -row
        axes.add_patch(
            FancyBboxPatch(
                (-width / 2, y - 0.31), width, 0.62, boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=FILL[block.kind], edgecolor=NEUTRAL, linewidth=0.8,
            )
        )  # fmt: skip
        axes.text(0, y + 0.11, block.title, ha="center", va="center", weight="bold")
        axes.text(0, y - 0.13, block.text, ha="center", va="center", fontsize=9)
        axes.text(2.35, y, block.output, ha="left", va="center", fontsize=9)
        axes.text(4.75, y, f"{block.parameters:,}" if block.parameters else "–", ha="right", va="center", fontsize=9)
        if row:
            axes.annotate("", (0, y + 0.31), (0, y + 0.69), arrowprops={"arrowstyle": "-|>", "color": NEUTRAL})
    for start, end in shortcuts:
        path = FancyArrowPatch(
            (-widths.iloc[start] / 2, -start), (-widths.iloc[end] / 2, -end),
            connectionstyle="bar,fraction=-0.14", arrowstyle="-|>", mutation_scale=10, color=STATE_COLORS["amusement"],
        )  # fmt: skip
        axes.add_patch(path)
    axes.text(2.35, 0.75, "output", ha="left", va="center", fontsize=9, color=NEUTRAL)
    axes.text(4.75, 0.75, "parameters", ha="right", va="center", fontsize=9, color=NEUTRAL)
    axes.set(xlim=(-3.1, 4.8), ylim=(-len(blocks) + 0.5, 1.0))
    axes.axis("off")
    return figure


def plot_levels(levels: pd.DataFrame) -> Figure:
    """Distribution of each channel's level by state: what normalisation throws away.

    Parameters
    ----------
    levels : DataFrame
        A row a window and channel: channel, state, mean (with its unit in `units`), log_spread.
    """
    channels = list(dict.fromkeys(levels["channel"]))
    states = [state for state in STATE_COLORS if state in set(levels["state"])]
    figure, axes = plt.subplots(len(channels), 2, figsize=(7.0, 0.85 * len(channels) + 0.8), squeeze=False)
    for channel, row in zip(channels, axes, strict=True):
        part = levels[levels["channel"] == channel]
        for statistic, panel in zip(("mean", "log_spread"), row, strict=True):
            _draw_boxes(panel, [part.loc[part["state"] == state, statistic].dropna() for state in states], states)
        row[0].set_ylabel(f"{channel}\n{part['units'].iloc[0]}", rotation=0, ha="right", va="center", fontsize=9)
    axes[0, 0].set_title("mean of the window")
    axes[0, 1].set_title("ln of its spread")
    for state, place in zip(states, (0.62, 0.8, 0.98), strict=False):
        axes[0, 1].text(
            place, 1.28, state, transform=axes[0, 1].transAxes, color=STATE_COLORS[state], ha="right", weight="bold"
        )
    return figure


def _draw_boxes(panel: Axes, values: Sequence[pd.Series], states: Sequence[str]) -> None:
    drawn = panel.boxplot(
        values, orientation="horizontal", widths=0.65, whis=(5, 95), showfliers=False, patch_artist=True
    )
    for box, state in zip(drawn["boxes"], states, strict=True):
        box.set(facecolor=STATE_COLORS[state], alpha=0.75, linewidth=0.6)
    for median in drawn["medians"]:
        median.set(color="white", linewidth=1.6)
    panel.set_yticks([])
    panel.invert_yaxis()
    panel.spines["left"].set_visible(False)
    panel.tick_params(labelsize=9)


def plot_learning_curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Losses over the epochs, the kept epoch marked, and the learning rate below.

    Parameters
    ----------
    history : DataFrame
        A row an epoch: epoch, train_loss, validation_loss, learning_rate.
    best_epoch : int
        The epoch whose weights were kept.
    """
    figure, (losses, rate) = plt.subplots(2, 1, figsize=(7.0, 4.2), sharex=True, height_ratios=(3, 1))
    for column, color, name in (
        ("train_loss", TRAIN, "training people"),
        ("validation_loss", VALIDATION, "validation people"),
    ):
        losses.plot(history["epoch"], history[column], color=color, marker="o", markersize=3)
        losses.annotate(
            name, (history["epoch"].iloc[-1], history[column].iloc[-1]), xytext=(6, 0),
            textcoords="offset points", va="center", color=color, annotation_clip=False,
        )  # fmt: skip
    best = history.loc[history["epoch"] == best_epoch, "validation_loss"].iloc[0]
    losses.plot(best_epoch, best, marker="o", markersize=10, markerfacecolor="none", color=VALIDATION)
    losses.annotate(
        "kept", (best_epoch, best), xytext=(0, 10), textcoords="offset points", ha="center", color=VALIDATION
    )
    losses.set_ylabel("loss (cross-entropy)")
    rate.plot(history["epoch"], history["learning_rate"], color=NEUTRAL)
    rate.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
    rate.xaxis.get_major_locator().set_params(integer=True)
    return figure
