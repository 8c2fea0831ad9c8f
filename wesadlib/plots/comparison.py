"""Figures of the chapter that compares models over people."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram

from wesadlib.plots import MODEL_COLORS, NEUTRAL, closed

#: Protocol -> mark: filled where a device could do the same, open where it could not.
MARKERS = {"cold_start": "o", "rest_calibrated": "D", "whole_recording": "s"}


def plot_leaderboard(leaderboard: pd.DataFrame) -> Figure:
    """Accuracy of each model with its interval, a panel a protocol; open marks are no device's.

    Parameters
    ----------
    leaderboard : DataFrame
        Rows of one task: protocol, model, accuracy, accuracy_low, accuracy_high, deployable, accuracy_cold.
    """
    protocols, models = (list(dict.fromkeys(leaderboard[name])) for name in ("protocol", "model"))
    figure, panels = plt.subplots(
        len(protocols), 1, figsize=(7.0, (0.27 * len(models) + 0.45) * len(protocols) + 0.5), sharex=True, squeeze=False
    )
    for axes, protocol in zip(panels[:, 0], protocols, strict=True):
        part = leaderboard[leaderboard["protocol"] == protocol].set_index("model")
        for height, model in enumerate(reversed(models)):
            if model not in part.index:
                continue
            row, color = part.loc[model], MODEL_COLORS.get(model, NEUTRAL)
            axes.hlines(height, row["accuracy_low"], row["accuracy_high"], color=color, linewidth=2)
            axes.plot(row["accuracy_cold"], height, "|", color=NEUTRAL, markersize=11, markeredgewidth=1.5)
            axes.plot(
                row["accuracy"], height, MARKERS.get(protocol, "o"), color=color, markersize=7,
                markerfacecolor=color if row["deployable"] else "white",
            )  # fmt: skip
            axes.annotate(
                f"{row['accuracy']:.3f}", (1.0, height), (4, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize=9, color=color,
            )  # fmt: skip
        axes.set_yticks(
            range(len(models)), [model if model in part.index else "" for model in reversed(models)], fontsize=9
        )
        axes.set_ylim(-0.6, len(models) - 0.4)
        axes.set_title(protocol + ("" if part["deployable"].all() else " (no device could)"), color=NEUTRAL)
        axes.grid(axis="x", color="#EEEEEE")
        axes.set_axisbelow(True)
    panels[-1, 0].set_xlabel("accuracy, with interval over people")
    return closed(figure)


def plot_people(scores: pd.DataFrame) -> Figure:
    """Heat map of accuracy, a row a model and a column a person, the hardest person at the left.

    Parameters
    ----------
    scores : DataFrame of float, (person, model)
        As :func:`~wesadlib.evaluation.comparison.person_scores` returns.
    """
    table = scores.loc[scores.mean(axis=1).sort_values(kind="stable").index].T
    figure, axes = plt.subplots(figsize=(7.0, 0.42 * len(table) + 1.3))
    seaborn.heatmap(
        100 * table, ax=axes, annot=True, fmt=".0f", annot_kws={"fontsize": 9}, cmap="magma", vmax=100, linewidths=0.5,
        vmin=min(50.0, 100 * float(table.min(axis=None))), cbar_kws={"label": "accuracy, %", "pad": 0.02},
    )  # fmt: skip
    for label in axes.get_yticklabels():
        label.set(color=MODEL_COLORS.get(label.get_text(), NEUTRAL), weight="bold", rotation=0)
    axes.set(xlabel="person left out, hardest at the left", ylabel="")
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=0)
    return closed(figure)


def plot_ranks(mean_ranks: pd.Series, p: pd.DataFrame, critical_difference: float, alpha: float = 0.05) -> Figure:
    """Critical-difference diagram: mean ranks, and bars over models that Nemenyi's test does not tell apart.

    Parameters
    ----------
    mean_ranks : Series of float
        Model -> mean rank over people, 1 the best.
    p : DataFrame of float, (model, model)
        p of Nemenyi's test.
    critical_difference : float
        Mean ranks so far apart differ.
    alpha : float, optional
        Level of the test.
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.28 * len(mean_ranks) + 1.3))
    critical_difference_diagram(
        mean_ranks, p, alpha=alpha, ax=axes, text_h_margin=0.04,
        label_fmt_left="{label} ({rank:.2f})", label_fmt_right="({rank:.2f}) {label}",
        color_palette={model: MODEL_COLORS.get(model, NEUTRAL) for model in mean_ranks.index},
        label_props={"weight": "bold", "fontsize": 10}, crossbar_props={"color": "black", "linewidth": 3},
    )  # fmt: skip
    axes.set_xlabel(f"mean rank over people, 1 is best; critical difference {critical_difference:.2f}", color=NEUTRAL)
    axes.xaxis.set_label_position("top")
    return closed(figure)


def plot_learning(curve: pd.DataFrame) -> Figure:
    """Accuracy against the number of people a model learnt from, with intervals over the people tested.

    Parameters
    ----------
    curve : DataFrame
        model, size, accuracy, accuracy_low, accuracy_high.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    models = list(dict.fromkeys(curve["model"]))
    ends = curve.sort_values("size", kind="stable").groupby("model")["accuracy"].last()
    # Names stand at the right end, apart from each other even where the lines meet.
    lowest, highest = curve["accuracy_low"].min(), curve["accuracy_high"].max()
    place = _spread(ends, 0.07 * max(highest - lowest, 0.05))
    for k, model in enumerate(models):
        part = curve[curve["model"] == model].sort_values("size", kind="stable")
        color = MODEL_COLORS.get(model, NEUTRAL)
        shift = 0.12 * (k - (len(models) - 1) / 2)
        size = part["size"] + shift
        axes.vlines(size, part["accuracy_low"], part["accuracy_high"], color=color, linewidth=1.5, alpha=0.6)
        axes.plot(size, part["accuracy"], color=color, marker="o", markersize=5, linewidth=2)
        axes.annotate(
            model, (1.02, place[model]), xycoords=("axes fraction", "data"), color=color, weight="bold", va="center"
        )
    axes.set_xticks(sorted(curve["size"].unique()))
    axes.set(xlabel="people to learn from", ylabel="accuracy on a new person")
    axes.grid(color="#EEEEEE")
    axes.set_axisbelow(True)
    return closed(figure)


def _spread(values: pd.Series, least: float) -> dict[str, float]:
    # Heights in the order of the values, at least so far apart, about the same middle.
    ordered = values.sort_values(kind="stable")
    heights = ordered.to_numpy(float).copy()
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + least)
    heights -= (heights - ordered.to_numpy(float)).mean()
    return dict(zip(ordered.index, heights, strict=True))
