"""Figures of the chapter on confidence: calibration and abstention."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wesadlib.plots import MODEL_COLORS, NEUTRAL, closed


def plot_reliability(curve: pd.DataFrame, errors: Mapping[str, float]) -> Figure:
    """Accuracy against claimed confidence, and below how often each confidence is claimed, a column a model.

    Parameters
    ----------
    curve : DataFrame
        Rows of one task and protocol: model, low_edge, high_edge, share, confidence, accuracy and its interval.
    errors : mapping
        Model -> expected calibration error.
    """
    figure, panels = plt.subplots(
        2, len(errors), figsize=(7.0, 4.8), sharex=True, sharey="row", squeeze=False,
        gridspec_kw={"height_ratios": [3, 1]},
    )  # fmt: skip
    low = curve["low_edge"].min()
    for (top, bottom), (model, error) in zip(panels.T, errors.items(), strict=True):
        color = MODEL_COLORS.get(model, NEUTRAL)
        part = curve[curve["model"] == model]
        top.plot([low, 1], [low, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
        top.vlines(part["confidence"], part["accuracy_low"], part["accuracy_high"], color=color, linewidth=1.5)
        top.plot(part["confidence"], part["accuracy"], color=color, marker="o", linewidth=1)
        top.set_title(f"{model}, error {error:.3f}", color=color, weight="bold")
        bottom.bar(
            part["low_edge"], part["share"], part["high_edge"] - part["low_edge"], align="edge", color=color,
            edgecolor="white",
        )  # fmt: skip
        bottom.set(xlabel="confidence", xlim=(low, 1.01))
    panels[0, 0].set_ylabel("accuracy")
    panels[1, 0].set_ylabel("share of\nwindows")
    return closed(figure)


def plot_coverage(curve: pd.DataFrame, threshold: float) -> Figure:
    """Accuracy of what is answered against the share that is answered, with its interval over people.

    Parameters
    ----------
    curve : DataFrame
        Rows of one task and protocol: model, threshold, coverage, accuracy, accuracy_low, accuracy_high.
    threshold : float
        The least confidence of an answer that was chosen; marked.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    for model, part in curve.dropna(subset="accuracy").groupby("model", sort=False):
        color = MODEL_COLORS.get(model, NEUTRAL)
        part = part.sort_values("coverage", kind="stable")
        axes.fill_between(
            part["coverage"], part["accuracy_low"], part["accuracy_high"], color=color, alpha=0.18, linewidth=0
        )
        axes.plot(part["coverage"], part["accuracy"], color=color, linewidth=2)
        chosen = part[np.isclose(part["threshold"], threshold)]
        axes.scatter(chosen["coverage"], chosen["accuracy"], color=color, s=60, zorder=3, edgecolor="white")
        for row in chosen.itertuples():
            axes.plot(
                [], [], color=color, marker="o", label=f"{model}: at {threshold:g} answers {100 * row.coverage:.0f} %"
            )
    axes.set(xlabel="share of windows answered", ylabel="accuracy of the answers")
    axes.grid(color="#EEEEEE")
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, labelcolor="linecolor")
    return closed(figure)


def plot_abstention(people: pd.DataFrame, model: str, threshold: float) -> Figure:
    """Share of each person's windows that is answered, and the accuracy of all windows and of the answers.

    Parameters
    ----------
    people : DataFrame
        Rows of one model: subject, coverage, accuracy, accuracy_of_all.
    model : str
        The model.
    threshold : float
        Least confidence of an answer.
    """
    table = people.sort_values("accuracy_of_all", kind="stable").reset_index(drop=True)
    color = MODEL_COLORS.get(model, NEUTRAL)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 0.26 * len(table) + 1.5), sharey=True)
    left.barh(table.index, table["coverage"], color=color, height=0.65)
    left.set(xlabel=f"answered at confidence ≥ {threshold:g}", xlim=(0, 1), xticks=np.linspace(0, 0.8, 5))
    left.set_yticks(table.index, table["subject"], fontsize=9)
    left.set_ylim(-0.6, len(table) - 0.4)
    right.hlines(table.index, table["accuracy_of_all"], table["accuracy"], color="#CCCCCC", linewidth=2)
    right.scatter(table["accuracy_of_all"], table.index, facecolor="white", edgecolor=color, zorder=2, s=36)
    right.scatter(table["accuracy"], table.index, color=color, zorder=3, s=36)
    right.set(xlabel="accuracy: ○ all windows, ● answers")
    right.grid(axis="x", color="#EEEEEE")
    right.set_axisbelow(True)
    return closed(figure)
