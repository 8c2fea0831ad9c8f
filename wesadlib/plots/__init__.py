"""Figures: results in, a Figure out; one module a chapter, and nothing is computed here."""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

#: One colour a state through the whole book (Okabe and Ito's palette, told apart by colour-blind readers).
STATE_COLORS = {
    "baseline": "#0072B2",
    "stress": "#D55E00",
    "amusement": "#E69F00",
    "meditation": "#009E73",
    "transient": "#BBBBBB",
}

#: One colour a model, in the order in which they were registered; none is a state's.
MODEL_COLORS = {
    "logistic": "#56B4E9",
    "forest": "#1B5E20",
    "boosting": "#AA9900",
    "resnet": "#CC79A7",
    "joint": "#7B3294",
    "mean": "#000000",
    "physiology": "#8C510A",
    "sum": "#666666",
    "coral": "#5D4E99",
    "chosen": "#882255",
}

#: One mark a protocol.
PROTOCOL_MARKS = {
    "cold_start": "o",
    "rest_calibrated": "D",
    "own_rest": "D",
    "whole_recording": "s",
    "running_reference": "s",
}

NEUTRAL, BLUE, RED = "#666666", "#0072B2", "#D55E00"


def style() -> None:
    """Set the book's look: readable at phone width, no box around the axes, crisp on dense screens."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 110,
            "savefig.dpi": 150,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "grid.color": "#EEEEEE",
            "legend.frameon": False,
        }
    )


def subplots(rows: int = 1, columns: int = 1, *, height: float = 3.6, **options: Any) -> tuple[Figure, Any]:
    """A figure of the book's width and its axes, which pyplot forgets: else a notebook would show it a second time."""
    figure, axes = plt.subplots(rows, columns, figsize=(7.0, height), **options)
    plt.close(figure)
    return figure, axes


def facets(
    table: pd.DataFrame, by: str, height: float, down: bool = False, **options: Any
) -> tuple[Figure, list[tuple[Axes, Any, pd.DataFrame]]]:
    """A figure with a panel for each value of a column; and axes, value and rows of each."""
    parts = list(table.groupby(by, sort=False))
    options |= {"squeeze": False, "sharex": down, "height": height}
    figure, panels = subplots(*(len(parts), 1) if down else (1, len(parts)), **options)
    return figure, [(axes, *part) for axes, part in zip(panels.flat, parts, strict=True)]


def name_rows(axes: Axes, names: Iterable[str], room: float = 0.6, **text: Any) -> None:
    """Rows at 0, 1, … with their names, read downwards."""
    names = list(names)
    axes.set_yticks(range(len(names)), names, **{"fontsize": 9} | text)
    axes.set_ylim(len(names) - 1 + room, -room)
    bare_rows(axes)


def color_of(name: str) -> str:
    """The colour of a state or a model."""
    return (MODEL_COLORS | STATE_COLORS).get(name, NEUTRAL)


def name_states(figure: Figure, states: Iterable[str]) -> None:
    """A legend of states over a figure."""
    handles = [plt.Line2D([], [], color=color_of(state), linewidth=4, label=state) for state in states]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), handlelength=1)


def write_names(axes: Axes, names: Iterable[str], at: Sequence = (0, 1.01), step: Sequence = (0.25, 0), **text) -> None:
    """Names of states or models in their colours, the first at a point of the axes and each next a step further."""
    text = {"va": "bottom", "weight": "bold", "transform": axes.transAxes} | text
    for k, name in enumerate(dict.fromkeys(names)):
        axes.text(at[0] + k * step[0], at[1] + k * step[1], name, color=color_of(name), **text)


def write_beside(axes: Axes, text: str, point: Sequence[float], shift: Sequence[float], **options: Any) -> None:
    """Text so many points away from a point of the axes."""
    axes.annotate(text, point, shift, textcoords="offset points", **options)


def intervals(
    axes: Axes, rows: pd.DataFrame, name: str, scale: float = 1, label: str = "", hollow: bool = False, **mark: Any
) -> None:
    """For each row, at its `height` and in the colour of its `model`, `name` times a scale as a mark with its interval.

    The interval is ``<name>_low`` to ``<name>_high``.
    """
    value, low, high = (scale * rows[column] for column in (name, f"{name}_low", f"{name}_high"))
    colors = rows["model"].map(color_of)
    axes.hlines(rows["height"], low, high, color=colors, linewidth=2.5, alpha=0.6)
    mark = {"s": 44, "zorder": 3, "edgecolor": colors, "facecolor": "white" if hollow else colors} | mark
    axes.scatter(value, rows["height"], **mark)
    for place, color, *at in zip(value, colors, high, rows["height"], strict=True) if label else ():
        write_beside(axes, label.format(place), at, (4, 0), color=color, va="center", fontsize=9)


def color_cells(axes: Axes, table: pd.DataFrame, text: str | pd.DataFrame, **options: Any) -> None:
    """A table as coloured cells, each with its value, or with a text of its own; NaN is left empty."""
    from seaborn import heatmap  # an extra's; light installs draw other figures

    text = table.map(text.format) if isinstance(text, str) else text
    heatmap(table, annot=text, fmt="", ax=axes, **{"cbar": False, "annot_kws": {"fontsize": 9}} | options)
    axes.tick_params(length=0, labelsize=9)
    axes.tick_params(axis="y", rotation=0)
    axes.set(xlabel="", ylabel="")


def draw_answers(
    axes: Axes, minute: pd.Series, probability: pd.Series, status: pd.Series, color: str, min_confidence: float
) -> None:
    """A probability over time: filled where the model answers, hollow where it abstains, a tick below where rejected.

    Where it is less sure than `min_confidence`, which is grey, it abstains.
    """
    axes.axhspan(1 - min_confidence, min_confidence, color="#EEEEEE", zorder=0)
    axes.plot(minute, probability, color=color, linewidth=1, alpha=0.5)
    for name, face in (("answered", color), ("abstained", "white")):
        part = probability.where(status == name).dropna()
        axes.plot(minute[part.index], part, "o", color=color, mfc=face, markersize=3.5, mew=0.7)
    rejected = minute[status == "rejected"]
    axes.plot(rejected, np.full(len(rejected), -0.06), "|", color=NEUTRAL, markersize=5)
    axes.set(ylim=(-0.12, 1.05), yticks=[0, 0.5, 1])


def in_percent(axis: Axis, label: str) -> None:
    """Shares along an axis as percent, with its label."""
    axis.set_major_formatter(lambda share, _: f"{100 * share:g}")
    axis.set_label_text(f"{label}, %")


def bare_rows(axes: Axes) -> None:
    """Leave out the line and the ticks at the left, where names are enough."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
