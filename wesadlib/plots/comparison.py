"""Figures of the chapter that compares models over people."""

import pandas as pd
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram

from wesadlib import plots
from wesadlib.evaluation.statistics import SIGNIFICANCE


def plot_leaderboard(leaderboard: pd.DataFrame) -> Figure:
    """Accuracy of each model with its interval, of one task, a panel a protocol; open marks are no device's."""
    row, models = pd.factorize(leaderboard["model"])
    table = leaderboard.assign(height=len(models) - 1 - row)
    height = (0.27 * len(models) + 0.45) * table["protocol"].nunique() + 0.5
    figure, panels = plots.facets(table, "protocol", height, down=True)
    for axes, protocol, part in panels:
        deployable = part["deployable"].all()
        axes.plot(part["accuracy_cold"], part["height"], "|", color=plots.NEUTRAL, markersize=11, markeredgewidth=1.5)
        plots.intervals(axes, part, "accuracy", hollow=not deployable, marker=plots.PROTOCOL_MARKS.get(protocol, "o"))
        beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9}
        for row in part.itertuples():
            text = f"{100 * row.accuracy:.1f}"
            plots.write_beside(axes, text, (1.0, row.height), (4, 0), color=plots.color_of(row.model), **beside)
        axes.set_yticks(part["height"], part["model"], fontsize=9)
        axes.set_ylim(-0.6, len(models) - 0.4)
        axes.set_title(protocol.replace("_", " ") + ("" if deployable else " (no device could)"), color=plots.NEUTRAL)
        axes.grid(axis="x")
    plots.in_percent(axes.xaxis, "accuracy, with interval over people")
    return figure


def plot_people(scores: pd.DataFrame) -> Figure:
    """Heat map of accuracy (person, model), a row a model and a column a person, the hardest person at the left."""
    table = 100 * scores.loc[scores.mean(axis=1).sort_values(kind="stable").index].T
    figure, axes = plots.subplots(height=0.42 * len(table) + 1.3)
    plots.color_cells(axes, table, "{:.0f}", cmap="Blues", vmin=min(50, table.min(axis=None)) - 5, vmax=105)
    for label in axes.get_yticklabels():
        label.set(color=plots.color_of(label.get_text()), weight="bold")
    axes.set_xlabel("person left out, hardest at the left; accuracy, %")
    return figure


def plot_ranks(mean_ranks: pd.Series, p: pd.DataFrame, critical_difference: float) -> Figure:
    """Critical-difference diagram: mean ranks, and bars over models that Nemenyi's test does not tell apart."""
    figure, axes = plots.subplots(height=0.28 * len(mean_ranks) + 1.3)
    critical_difference_diagram(
        mean_ranks, p, alpha=SIGNIFICANCE, ax=axes, text_h_margin=0.04,
        label_fmt_left="{label} ({rank:.2f})", label_fmt_right="({rank:.2f}) {label}",
        color_palette={model: plots.color_of(model) for model in mean_ranks.index},
        label_props={"weight": "bold", "fontsize": 10}, crossbar_props={"color": "black", "linewidth": 3},
    )  # fmt: skip
    axes.set_xlabel(
        f"mean rank over people, 1 is best; critical difference {critical_difference:.2f}", color=plots.NEUTRAL
    )
    axes.xaxis.set_label_position("top")
    return figure


def plot_learning(curve: pd.DataFrame) -> Figure:
    """Accuracy against the number of people a model learnt from, with intervals over the people tested."""
    figure, axes = plots.subplots(height=3.8)
    models = curve["model"].unique()
    for k, model in enumerate(models):
        part, color = curve[curve["model"] == model].sort_values("size"), plots.color_of(model)
        size = part["size"] + 0.12 * (k - (len(models) - 1) / 2)
        axes.vlines(size, part["accuracy_low"], part["accuracy_high"], color=color, linewidth=1.5, alpha=0.6)
        axes.plot(size, part["accuracy"], color=color, marker="o", markersize=5, linewidth=2)
    axes.set(xticks=sorted(curve["size"].unique()), xlabel="training people")
    plots.in_percent(axes.yaxis, "accuracy on a new person")
    axes.grid()
    plots.write_names(axes, models, step=(0.2, 0))
    return figure
