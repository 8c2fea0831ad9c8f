"""Figures of the chapter that compares models over people."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram

from wesadlib.evaluation.statistics import SIGNIFICANCE
from wesadlib.plots import NEUTRAL, color_cells, color_of, in_percent, intervals, subplots, write_beside

#: Protocol -> mark: filled where a device could do the same, open where it could not.
MARKERS = {"cold_start": "o", "rest_calibrated": "D", "whole_recording": "s"}


def plot_leaderboard(leaderboard: pd.DataFrame) -> Figure:
    """Accuracy of each model with its interval, of one task, a panel a protocol; open marks are no device's."""
    protocols, models = (list(dict.fromkeys(leaderboard[name])) for name in ("protocol", "model"))
    table = leaderboard.assign(height=len(models) - 1 - leaderboard["model"].map(models.index))
    height = (0.27 * len(models) + 0.45) * len(protocols) + 0.5
    figure, panels = subplots(len(protocols), height=height, sharex=True, squeeze=False)
    for axes, protocol in zip(panels[:, 0], protocols, strict=True):
        part = table[table["protocol"] == protocol]
        deployable = part["deployable"].all()
        axes.plot(part["accuracy_cold"], part["height"], "|", color=NEUTRAL, markersize=11, markeredgewidth=1.5)
        intervals(axes, part, "accuracy", hollow=not deployable, marker=MARKERS.get(protocol, "o"))
        beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9}
        for row in part.itertuples():
            text = f"{100 * row.accuracy:.1f}"
            write_beside(axes, text, (1.0, row.height), (4, 0), color=color_of(row.model), **beside)
        axes.set_yticks(part["height"], part["model"], fontsize=9)
        axes.set_ylim(-0.6, len(models) - 0.4)
        axes.set_title(protocol.replace("_", " ") + ("" if deployable else " (no device could)"), color=NEUTRAL)
        axes.grid(axis="x")
    in_percent(panels[-1, 0].xaxis, "accuracy, with interval over people")
    return figure


def plot_people(scores: pd.DataFrame) -> Figure:
    """Heat map of accuracy (person, model), a row a model and a column a person, the hardest person at the left."""
    table = scores.loc[scores.mean(axis=1).sort_values(kind="stable").index].T
    figure, axes = subplots(height=0.42 * len(table) + 1.3)
    worst = min(50.0, 100 * float(table.min(axis=None)))
    color_cells(axes, 100 * table, "{:.0f}", 0.4 * worst + 60, cmap="Blues", vmin=worst - 5, vmax=105)
    for label in axes.get_yticklabels():
        label.set(color=color_of(label.get_text()), weight="bold")
    axes.set_xlabel("person left out, hardest at the left; accuracy, %")
    return figure


def plot_ranks(mean_ranks: pd.Series, p: pd.DataFrame, critical_difference: float) -> Figure:
    """Critical-difference diagram: mean ranks, and bars over models that Nemenyi's test does not tell apart."""
    figure, axes = subplots(height=0.28 * len(mean_ranks) + 1.3)
    critical_difference_diagram(
        mean_ranks, p, alpha=SIGNIFICANCE, ax=axes, text_h_margin=0.04,
        label_fmt_left="{label} ({rank:.2f})", label_fmt_right="({rank:.2f}) {label}",
        color_palette={model: color_of(model) for model in mean_ranks.index},
        label_props={"weight": "bold", "fontsize": 10}, crossbar_props={"color": "black", "linewidth": 3},
    )  # fmt: skip
    axes.set_xlabel(f"mean rank over people, 1 is best; critical difference {critical_difference:.2f}", color=NEUTRAL)
    axes.xaxis.set_label_position("top")
    return figure


def plot_learning(curve: pd.DataFrame) -> Figure:
    """Accuracy against the number of people a model learnt from, with intervals over the people tested."""
    figure, axes = subplots(height=3.8)
    curve = curve.sort_values("size", kind="stable")
    models = list(dict.fromkeys(curve["model"]))
    # Names stand at the right end, apart from each other even where the lines meet.
    least = 0.07 * max(curve["accuracy_high"].max() - curve["accuracy_low"].min(), 0.05)
    place = _spread(curve.groupby("model")["accuracy"].last(), least)
    for k, model in enumerate(models):
        part, color = curve[curve["model"] == model], color_of(model)
        size = part["size"] + 0.12 * (k - (len(models) - 1) / 2)
        axes.vlines(size, part["accuracy_low"], part["accuracy_high"], color=color, linewidth=1.5, alpha=0.6)
        axes.plot(size, part["accuracy"], color=color, marker="o", markersize=5, linewidth=2)
        end = {"xycoords": ("axes fraction", "data"), "color": color, "weight": "bold", "va": "center"}
        axes.annotate(model, (1.02, place[model]), **end)
    axes.set_xticks(sorted(curve["size"].unique()))
    axes.set_xlabel("training people")
    in_percent(axes.yaxis, "accuracy on a new person")
    axes.grid()
    return figure


def _spread(values: pd.Series, least: float) -> dict[str, float]:
    # Heights in the order of the values, at least so far apart, about the same middle.
    values = values.sort_values(kind="stable")
    steps = least * np.arange(len(values))
    heights = np.maximum.accumulate(values.to_numpy(float) - steps) + steps
    return dict(zip(values.index, heights - (heights - values).mean(), strict=True))
