"""Figures of the chapter on how scores come to look better than they are."""

from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.plots import MODEL_COLORS, NEUTRAL, closed

_NAMED = "#D55E00"

_CONTROLS = {
    "cold_start": "all sensors",
    "without_motion": "without acceleration",
    "motion_only": "acceleration alone",
    "shuffled_labels": "labels shuffled",
}
_RESPONSES = {
    "eda": "ln of skin\nconductance level",
    "movement": "movement, g",
    "stai": "anxiety reported,\nSTAI points",
}


def plot_inflation(table: pd.DataFrame) -> Figure:
    """Accuracy by the honest and by the broken rule, and the difference with its interval; a row a model and rule.

    Parameters
    ----------
    table : DataFrame
        What :func:`wesadlib.evaluation.audit.inflation` gives.
    """
    size = (7.0, 0.9 + 0.3 * len(table) + 0.25 * table["rule"].nunique())
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, width_ratios=[1, 1])
    height, ticks = 0.0, {}
    for rule, rows in table.groupby("rule", sort=False):
        ticks[fill(rule, 26)] = height - (len(rows) - 1) / 2
        for row in rows.itertuples():
            _inflated(left, right, row, height)
            height -= 1
        height -= 0.8
        for axes in (left, right):
            axes.axhline(height + 0.9, color="#DDDDDD", linewidth=0.8)
    left.set_yticks(list(ticks.values()), list(ticks), fontsize=9)
    left.set(xlabel="accuracy\n(open: honest)", ylim=(height + 0.9, 0.8))
    right.axvline(0, color=NEUTRAL, linewidth=0.9, linestyle=":")
    right.set_xlabel("inflation, points\n(95 % interval over people)")
    right.spines["left"].set_visible(False)
    right.margins(x=0.12)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#EEEEEE")
        axes.set_axisbelow(True)
    _name_models(left, table["model"])
    return closed(figure)


def _inflated(left: Axes, right: Axes, row: tuple, height: float) -> None:
    color = MODEL_COLORS.get(row.model, NEUTRAL)
    left.hlines(height, *sorted((row.reference, row.accuracy)), color=color, linewidth=2)
    left.scatter(row.reference, height, s=40, facecolor="white", edgecolor=color, linewidth=1.5, zorder=3)
    left.scatter(row.accuracy, height, s=48, color=color, zorder=4)
    right.hlines(height, 100 * row.inflation_low, 100 * row.inflation_high, color=color, linewidth=2.5, alpha=0.6)
    right.scatter(100 * row.inflation, height, s=44, color=color, zorder=3)
    right.annotate(
        f"{100 * row.inflation:+.1f}", (100 * row.inflation, height), xytext=(0, 4), textcoords="offset points",
        color=color, ha="center", va="bottom", weight="bold", fontsize=9,
    )  # fmt: skip


def _name_models(axes: Axes, models: Sequence[str]) -> None:
    for k, model in enumerate(dict.fromkeys(models)):
        axes.text(
            0.4 * k, 1.0, model, color=MODEL_COLORS.get(model, NEUTRAL), weight="bold", transform=axes.transAxes,
            va="bottom",
        )  # fmt: skip


def plot_controls(table: pd.DataFrame, states: int = 2) -> Figure:
    """What is left of a score when sensors or labels are taken away, with intervals over people; dotted: chance.

    Parameters
    ----------
    table : DataFrame
        A row a control and model: control, model and balanced_accuracy and roc_auc, each with its _low and _high.
    states : int, optional
        How many states are told apart.
    """
    controls = [name for name in _CONTROLS if name in set(table["control"])]
    models = list(dict.fromkeys(table["model"]))
    figure, panels = plt.subplots(1, 2, figsize=(7.0, 1.2 + 0.5 * len(controls)), sharey=True)
    for axes, (score, label) in zip(
        panels, {"balanced_accuracy": "balanced accuracy", "roc_auc": "area under ROC"}.items(), strict=True
    ):
        for row in table.itertuples():
            beside = list(table.loc[table["control"] == row.control, "model"])
            shift = 0.22 * (beside.index(row.model) - (len(beside) - 1) / 2)
            height, color = -controls.index(row.control) - shift, MODEL_COLORS.get(row.model, NEUTRAL)
            low, value, high = (getattr(row, f"{score}{end}") for end in ("_low", "", "_high"))
            axes.hlines(height, low, high, color=color, linewidth=2.5, alpha=0.6)
            axes.scatter(value, height, color=color, s=44, zorder=3)
            axes.annotate(f"{value:.2f}", (high, height), xytext=(4, 0), textcoords="offset points", color=color,
                          va="center", fontsize=9)  # fmt: skip
        axes.axvline(1 / states if score == "balanced_accuracy" else 0.5, color=NEUTRAL, linewidth=0.9, linestyle=":")
        axes.set(xlabel=label, ylim=(-len(controls) + 0.4, 0.6))
        axes.set_xlim(min(0.45, axes.get_xlim()[0]), 1.12)
        axes.set_xticks([k / 10 for k in range(11) if k / 10 >= axes.get_xlim()[0]])
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks([-k for k in range(len(controls))], [_CONTROLS[name] for name in controls])
    _name_models(panels[0], models)
    return closed(figure)


def plot_people(people: pd.DataFrame, named: Sequence[str] = ()) -> Figure:
    """Accuracy on each person against how much that person's skin, movement and answers respond to stress.

    Parameters
    ----------
    people : DataFrame
        What :func:`wesadlib.evaluation.audit.describe_people` gives.
    named : sequence of str, optional
        Who is drawn out and named.
    """
    shown = [name for name in _RESPONSES if people[name].notna().any()]
    figure, panels = plt.subplots(1, len(shown), figsize=(7.0, 3.3), sharey=True, squeeze=False)
    for axes, name in zip(panels[0], shown, strict=True):
        axes.grid(axis="y", color="#EEEEEE")
        axes.set_axisbelow(True)
        axes.axvline(0, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.scatter(people[name], people["cold"], s=26, color="#999999")
        own = people.loc[list(named)].dropna(subset=name).sort_values(name)
        axes.scatter(own[name], own["cold"], s=46, color=_NAMED, zorder=3)
        for subject, above in _sides(own[name], own["cold"]).items():
            axes.annotate(
                subject, own.loc[subject, [name, "cold"]], xytext=(0, 6 if above else -6), textcoords="offset points",
                ha="center", va="bottom" if above else "top", color=_NAMED, weight="bold", fontsize=9,
            )  # fmt: skip
        axes.set_xlabel(_RESPONSES[name], fontsize=9)
        axes.margins(x=0.2, y=0.12)
    panels[0, 0].set_ylabel("accuracy when left out")
    figure.supxlabel("change from baseline to stress", fontsize=10)
    return closed(figure)


def _sides(across: pd.Series, up: pd.Series) -> dict[str, bool]:
    # A name stands above its mark where the nearest other mark is below it, so that names do not cover each other.
    sides = {}
    for subject in across.index:
        others = across.index.drop(subject)
        distance = (across[others] - across[subject]).abs() / max(np.ptp(across), 1e-9)
        distance += (up[others] - up[subject]).abs() / max(np.ptp(up), 1e-9)
        nearest = distance.idxmin() if len(others) else subject
        sides[subject] = (up[subject], across[subject]) > (up[nearest], across[nearest])
    return sides
