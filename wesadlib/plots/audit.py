"""Figures of the chapter on how scores come to look better than they are."""

from collections.abc import Sequence
from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, bare_rows, color_cells, color_of, intervals, subplots, write_beside, write_names

_NAMED = "#D55E00"
_RESPONSES = {
    "eda": "ln of skin\nconductance level",
    "movement": "movement, g",
    "stai": "anxiety reported,\nSTAI points",
}


def plot_inflation(table: pd.DataFrame) -> Figure:
    """Accuracy by the honest and by the broken rule, and the difference with its interval; a row a model and rule."""
    rules = list(dict.fromkeys(table["rule"]))
    # A gap of 0.8 rows between rules.
    table = table.assign(**{name: 100 * table[name] for name in ("accuracy", "reference")})
    table = table.assign(group=table["rule"].map(rules.index), color=table["model"].map(color_of))
    table = table.sort_values("group", kind="stable", ignore_index=True)
    table["height"] = -table.index - 0.8 * table["group"]
    figure, (left, right) = subplots(1, 2, height=0.9 + 0.3 * len(table) + 0.25 * len(rules), sharey=True)
    left.hlines(table["height"], table["reference"], table["accuracy"], color=table["color"], linewidth=2)
    left.scatter(
        table["reference"], table["height"], s=40, facecolor="white", edgecolor=table["color"], linewidth=1.5, zorder=3
    )
    left.scatter(table["accuracy"], table["height"], s=48, color=table["color"], zorder=4)
    intervals(right, table, "inflation", 100)
    for row in table.itertuples():
        options = {"color": row.color, "ha": "center", "va": "bottom", "weight": "bold", "fontsize": 9}
        write_beside(right, f"{100 * row.inflation:+.1f}", (100 * row.inflation, row.height), (0, 4), **options)
    heights = table.groupby("group")["height"]
    left.set_yticks(heights.mean(), [fill(rule, 26) for rule in rules], fontsize=9)
    left.set(xlabel="accuracy, %\n(open: honest)", ylim=(table["height"].min() - 0.9, 0.8))
    right.axvline(0, color=NEUTRAL, linewidth=0.9, linestyle=":")
    right.set_xlabel("inflation, points\n(95 % interval over people)")
    right.margins(x=0.12)
    bare_rows(right)
    for axes in (left, right):
        for height in heights.min():
            axes.axhline(height - 0.9, color="#DDDDDD", linewidth=0.8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    write_names(left, table["model"], (0, 1), (0.4, 0))
    return figure


def plot_nearest(counts: pd.DataFrame) -> Figure:
    """Whose the most similar other window is, in % of each person's windows; empty where it never is."""
    shares = 100 * counts.div(counts.sum(axis=1), axis=0)
    figure, axes = subplots(height=1.2 + 0.28 * len(shares))
    color_cells(axes, shares.where(shares > 0), "{:.0f}", 50, cmap="Greys", vmin=0, vmax=100)
    axes.set(xlabel="whose the most similar other window is", ylabel="whose the window is")
    return figure


def plot_controls(table: pd.DataFrame) -> Figure:
    """What is left of a score when sensors or labels are taken away, with intervals over people.

    Dotted: always naming the most frequent state, and chance.
    """
    controls = list(dict.fromkeys(table["what"]))
    within = table.groupby("what").cumcount() - (table.groupby("what")["model"].transform("size") - 1) / 2
    table = table.assign(height=-table["what"].map(controls.index) - 0.22 * within)
    figure, panels = subplots(1, 2, height=1.2 + 0.5 * len(controls), sharey=True)
    scores = [("accuracy", "accuracy, %", 100, table["majority"].iloc[0], "{:.0f}")]
    scores.append(("roc_auc", "area under ROC", 1, 0.5, "{:.2f}"))
    for axes, (score, label, scale, chance, form) in zip(panels, scores, strict=True):
        intervals(axes, table, score, scale, form)
        axes.axvline(scale * chance, color=NEUTRAL, linewidth=0.9, linestyle=":")
        left = min(0.45 * scale, axes.get_xlim()[0])
        axes.set(xlabel=label, xlim=(left, 1.12 * scale), ylim=(-len(controls) + 0.4, 0.6))
        axes.set_xticks([tick for k in range(6) if (tick := k * scale / 5) >= left])
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks([-k for k in range(len(controls))], controls)
    write_names(panels[0], table["model"], (0, 1), (0.4, 0))
    return figure


def plot_people(people: pd.DataFrame, named: Sequence[str] = ()) -> Figure:
    """Accuracy on each person against how much that person's skin, movement and answers respond to stress."""
    shown = [name for name in _RESPONSES if people[name].notna().any()]
    people = people.assign(cold=100 * people["cold"])
    figure, panels = subplots(1, len(shown), height=3.3, sharey=True, squeeze=False)
    for axes, name in zip(panels[0], shown, strict=True):
        axes.grid(axis="y")
        axes.axvline(0, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.scatter(people[name], people["cold"], s=26, color="#999999")
        part = people.loc[list(named)].dropna(subset=name).sort_values(name)
        axes.scatter(part[name], part["cold"], s=46, color=_NAMED, zorder=3)
        options = {"color": _NAMED, "weight": "bold", "fontsize": 9, "ha": "center"}
        # Names of neighbours stand above and below their marks in turn, so that they do not cover each other.
        for k, (subject, *point) in enumerate(part[[name, "cold"]].itertuples()):
            shift, side = ((0, -6), "top") if k % 2 else ((0, 6), "bottom")
            write_beside(axes, subject, point, shift, va=side, **options)
        axes.set_xlabel(_RESPONSES[name], fontsize=9)
        axes.margins(x=0.2, y=0.12)
    panels[0, 0].set_ylabel("accuracy when left out, %")
    figure.supxlabel("change from baseline to stress", fontsize=10)
    return figure
