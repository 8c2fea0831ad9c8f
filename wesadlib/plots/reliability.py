"""Figures of the chapter on confidence: calibration and abstention."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, color_of, in_percent, subplots


def plot_reliability(curve: pd.DataFrame, errors: Mapping[str, float]) -> Figure:
    """Accuracy against claimed confidence, and below how often each confidence is claimed, a column a model."""
    shape = {"height": 4.8, "height_ratios": [3, 1], "squeeze": False}
    figure, panels = subplots(2, len(errors), sharex=True, sharey="row", **shape)
    low = curve["low_edge"].min()
    for (top, bottom), (model, error) in zip(panels.T, errors.items(), strict=True):
        part, color = curve[curve["model"] == model], color_of(model)
        top.plot([low, 1], [low, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
        top.vlines(part["confidence"], part["accuracy_low"], part["accuracy_high"], color=color, linewidth=1.5)
        top.plot(part["confidence"], part["accuracy"], color=color, marker="o", linewidth=1)
        top.set_title(f"{model}, error {error:.3f}", color=color, weight="bold")
        widths = part["high_edge"] - part["low_edge"]
        bottom.bar(part["low_edge"], part["share"], widths, align="edge", color=color, edgecolor="white")
        bottom.set(xlabel="confidence", xlim=(low, 1.01))
    panels[0, 0].set_ylabel("accuracy")
    panels[1, 0].set_ylabel("share of\nwindows")
    return figure


def plot_coverage(curve: pd.DataFrame, threshold: float) -> Figure:
    """Accuracy of what is answered against the share that is answered, with its interval over people.

    Marked: the least confidence of an answer that was chosen.
    """
    figure, axes = subplots(height=3.8)
    for model, part in curve.dropna(subset="accuracy").groupby("model", sort=False):
        part, color = part.sort_values("coverage", kind="stable"), color_of(model)
        band = part["accuracy_low"], part["accuracy_high"]
        axes.fill_between(part["coverage"], *band, color=color, alpha=0.18, linewidth=0)
        axes.plot(part["coverage"], part["accuracy"], color=color, linewidth=2)
        for row in part[np.isclose(part["threshold"], threshold)].itertuples():
            axes.scatter(row.coverage, row.accuracy, color=color, s=60, zorder=3, edgecolor="white")
            label = f"{model}: at {threshold:g} answers {100 * row.coverage:.0f} %"
            axes.plot([], [], color=color, marker="o", label=label)
    in_percent(axes.xaxis, "windows answered")
    in_percent(axes.yaxis, "accuracy of the answers")
    axes.grid()
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, labelcolor="linecolor")
    return figure


def plot_abstention(people: pd.DataFrame, model: str, threshold: float) -> Figure:
    """Share of each person's windows that is answered, and the accuracy of all windows and of the answers."""
    table = people.sort_values("accuracy_of_all", kind="stable").reset_index(drop=True)
    color = color_of(model)
    figure, (left, right) = subplots(1, 2, height=0.26 * len(table) + 1.5, sharey=True)
    left.barh(table.index, table["coverage"], color=color, height=0.65)
    in_percent(left.xaxis, f"answered at confidence ≥ {threshold:g}")
    left.set(xlim=(0, 1), xticks=np.linspace(0, 0.8, 5))
    left.set_yticks(table.index, table["subject"], fontsize=9)
    left.set_ylim(-0.6, len(table) - 0.4)
    right.hlines(table.index, table["accuracy_of_all"], table["accuracy"], color="#CCCCCC", linewidth=2)
    right.scatter(table["accuracy_of_all"], table.index, facecolor="white", edgecolor=color, zorder=2, s=36)
    right.scatter(table["accuracy"], table.index, color=color, zorder=3, s=36)
    in_percent(right.xaxis, "accuracy: ○ all windows, ● answers")
    right.grid(axis="x")
    return figure
