"""Figures of the chapter on how scores come to look better than they are."""

from collections.abc import Sequence
from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from wesadlib import plots

_RESPONSES = {
    "eda": "ln of skin\nconductance level",
    "movement": "movement, g",
    "stai": "anxiety reported,\nSTAI points",
}


def plot_inflation(table: pd.DataFrame) -> Figure:
    """Accuracy by the honest and by the broken rule, and the difference with its interval; a row a model and rule."""
    table = table.assign(group=pd.factorize(table["rule"])[0], color=table["model"].map(plots.color_of))
    table = table.sort_values("group", kind="stable", ignore_index=True)
    # A gap of 0.8 rows between rules.
    table["height"] = -table.index - 0.8 * table["group"]
    heights = table.groupby("rule", sort=False)["height"]
    figure, (left, right) = plots.subplots(1, 2, height=0.9 + 0.3 * len(table) + 0.25 * len(heights), sharey=True)
    honest, broken = 100 * table["reference"], 100 * table["accuracy"]
    left.hlines(table["height"], honest, broken, color=table["color"], linewidth=2)
    left.scatter(honest, table["height"], s=40, facecolor="white", edgecolor=table["color"], linewidth=1.5, zorder=3)
    left.scatter(broken, table["height"], s=48, color=table["color"], zorder=4)
    plots.intervals(right, table, "inflation", 100)
    for row in table.itertuples():
        options = {"color": row.color, "ha": "center", "va": "bottom", "weight": "bold", "fontsize": 9}
        plots.write_beside(right, f"{100 * row.inflation:+.1f}", (100 * row.inflation, row.height), (0, 4), **options)
    middle = heights.mean()
    left.set_yticks(middle, [fill(rule, 26) for rule in middle.index], fontsize=9)
    left.set(xlabel="accuracy, %\n(open: honest)", ylim=(table["height"].min() - 0.9, 0.8))
    right.axvline(0, color=plots.NEUTRAL, linewidth=0.9, linestyle=":")
    right.set_xlabel("inflation, points\n(95 % interval over people)")
    right.margins(x=0.12)
    plots.bare_rows(right)
    for axes in (left, right):
        for height in heights.min():
            axes.axhline(height - 0.9, color="#DDDDDD", linewidth=0.8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    plots.write_names(left, table["model"], (0, 1), (0.4, 0))
    return figure


def plot_nearest(counts: pd.DataFrame) -> Figure:
    """Whose the most similar other window is, in % of each person's windows; empty where it never is."""
    shares = 100 * counts.div(counts.sum(axis=1), axis=0)
    figure, axes = plots.subplots(height=1.2 + 0.28 * len(shares))
    plots.color_cells(axes, shares.where(shares > 0), "{:.0f}", cmap="Greys", vmin=0, vmax=100)
    axes.set(xlabel="whose the most similar other window is", ylabel="whose the window is")
    return figure


def plot_controls(table: pd.DataFrame) -> Figure:
    """What is left of a score when sensors or labels are taken away, with intervals over people.

    Dotted: always naming the most frequent state, and chance.
    """
    row, controls = pd.factorize(table["what"])
    models = table.groupby("what")["model"]
    table = table.assign(height=row + 0.22 * (models.cumcount() - (models.transform("size") - 1) / 2))
    figure, panels = plots.subplots(1, 2, height=1.2 + 0.5 * len(controls), sharey=True)
    scores = [("accuracy", "accuracy, %", 100, table["majority"].iloc[0], "{:.0f}")]
    scores.append(("roc_auc", "area under ROC", 1, 0.5, "{:.2f}"))
    for axes, (score, label, scale, chance, form) in zip(panels, scores, strict=True):
        plots.intervals(axes, table, score, scale, form)
        axes.axvline(scale * chance, color=plots.NEUTRAL, linewidth=0.9, linestyle=":")
        left = min(0.45 * scale, axes.get_xlim()[0])
        ticks = [tick for k in range(6) if (tick := k * scale / 5) >= left]
        axes.set(xlabel=label, xlim=(left, 1.12 * scale), xticks=ticks)
        plots.name_rows(axes, controls, fontsize=10)
    plots.write_names(panels[0], table["model"], (0, 1), (0.4, 0))
    return figure


def plot_people(people: pd.DataFrame, named: Sequence[str] = ()) -> Figure:
    """Accuracy on each person against how much that person's skin, movement and answers respond to stress."""
    shown = people[list(_RESPONSES)].dropna(axis=1, how="all")
    cold = 100 * people["cold"]
    figure, panels = plots.subplots(1, shown.shape[1], height=3.3, sharey=True, squeeze=False)
    for axes, name in zip(panels[0], shown, strict=True):
        axes.grid(axis="y")
        axes.axvline(0, color=plots.NEUTRAL, linewidth=0.8, linestyle=":")
        axes.scatter(shown[name], cold, s=26, color="#999999")
        # Names of neighbours stand above and below their marks in turn, so that they do not cover each other.
        for k, (subject, response) in enumerate(shown.loc[list(named), name].dropna().sort_values().items()):
            axes.scatter(response, cold[subject], s=46, color=plots.RED, zorder=3)
            shift, side = ((0, -6), "top") if k % 2 else ((0, 6), "bottom")
            text = {"color": plots.RED, "weight": "bold", "fontsize": 9, "ha": "center", "va": side}
            plots.write_beside(axes, subject, (response, cold[subject]), shift, **text)
        axes.set_xlabel(_RESPONSES[name], fontsize=9)
        axes.margins(x=0.2, y=0.12)
    panels[0, 0].set_ylabel("accuracy when left out, %")
    figure.supxlabel("change from baseline to stress", fontsize=10)
    return figure
