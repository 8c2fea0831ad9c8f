"""Figures of the chapter that compares models on people they have not seen."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.plots import MODEL_COLORS, NEUTRAL, STATE_COLORS, closed

MARKERS = "osD^v"


def plot_subjects(by_subject: pd.DataFrame, pooled: pd.DataFrame) -> Figure:
    """Accuracy on each person, worst at the bottom, and on all with its interval, a mark a model.

    Parameters
    ----------
    by_subject, pooled : DataFrame
        Scores by person and pooled, of one task and protocol.
    """
    table = by_subject.pivot(index="subject", columns="model", values="accuracy")
    table = table.loc[table.mean(axis=1).sort_values(kind="stable").index]
    models = list(dict.fromkeys(by_subject["model"]))
    top = len(table) + 0.6
    figure, axes = plt.subplots(figsize=(7.0, 0.27 * len(table) + 1.7))
    axes.hlines(range(len(table)), table.min(axis=1), table.max(axis=1), color="#CCCCCC", linewidth=2, zorder=1)
    # The first model's mark is the largest, so that it is seen where the others do the same.
    for k, (model, marker) in enumerate(zip(models, MARKERS, strict=False)):
        color = MODEL_COLORS.get(model, NEUTRAL)
        axes.scatter(table[model], range(len(table)), color=color, marker=marker, s=max(70 - 36 * k, 14), zorder=2 + k)
        row = pooled[pooled["model"] == model].iloc[0]
        height = top + 0.9 * (len(models) - 1 - k)
        axes.hlines(height, row["accuracy_low"], row["accuracy_high"], color=color, linewidth=2.5)
        axes.scatter(row["accuracy"], height, color=color, marker=marker, s=60, zorder=3)
        axes.annotate(
            f"{model}  ", (np.nanmin([row["accuracy_low"], row["accuracy"]]), height), color=color, ha="right",
            va="center", weight="bold",
        )  # fmt: skip
    axes.axhline(len(table) - 0.2, color=NEUTRAL, linewidth=0.6)
    heights = [*range(len(table)), top + 0.45 * (len(models) - 1)]
    axes.set_yticks(heights, [*table.index, f"all {len(table)}"], fontsize=9)
    axes.set(xlabel="accuracy", ylim=(-0.6, top + 0.9 * len(models) - 0.3))
    axes.set_xlim(min(0.7, table.min(axis=None) - 0.03), 1.01)
    axes.grid(axis="x", color="#EEEEEE")
    axes.set_axisbelow(True)
    return closed(figure)


def plot_confusion(confusion: pd.DataFrame) -> Figure:
    """Confusion matrices side by side: shares of each state's windows, with their numbers.

    Parameters
    ----------
    confusion : DataFrame
        Rows of one task and protocol: model, label, predicted, n_windows, share.
    """
    models = list(dict.fromkeys(confusion["model"]))
    states = list(dict.fromkeys(confusion["label"]))
    figure, panels = plt.subplots(1, len(models), figsize=(7.0, 1.5 + 0.55 * len(states)), sharey=True, squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        part = confusion[confusion["model"] == model].set_index(["label", "predicted"])
        share = part["share"].unstack().reindex(index=states, columns=states)
        axes.imshow(share, cmap="Greys", vmin=0, vmax=1.3, aspect="auto")
        for i, label in enumerate(states):
            for j, predicted in enumerate(states):
                cell = part.loc[(label, predicted)]
                text = f"{100 * cell['share']:.1f} %\n{cell['n_windows']:.0f}"
                axes.text(j, i, text, ha="center", va="center", color="white" if cell["share"] > 0.6 else "black")
        axes.set_title(model, color=MODEL_COLORS.get(model, NEUTRAL), weight="bold")
        axes.set_xticks(range(len(states)), states)
        axes.set_yticks(range(len(states)), states)
        axes.set_xlabel("predicted")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    panels[0, 0].set_ylabel("label")
    return closed(figure)


def plot_roc(by_subject: pd.DataFrame, pooled: pd.DataFrame, areas: Mapping[str, float], state: str) -> Figure:
    """Receiver operating characteristics: a thin line a person, a thick one for all.

    Parameters
    ----------
    by_subject, pooled : DataFrame
        Curves of one task and protocol: model, (subject), false_positive_rate, true_positive_rate.
    areas : mapping
        Model -> area under the pooled curve.
    state : str
        The state that is found.
    """
    figure, panels = plt.subplots(1, len(areas), figsize=(7.0, 3.7), sharey=True, squeeze=False)
    for axes, (model, area) in zip(panels[0], areas.items(), strict=True):
        color = MODEL_COLORS.get(model, NEUTRAL)
        for _, part in by_subject[by_subject["model"] == model].groupby("subject"):
            axes.plot(part["false_positive_rate"], part["true_positive_rate"], color="#AAAAAA", linewidth=0.8)
        part = pooled[pooled["model"] == model]
        axes.plot(part["false_positive_rate"], part["true_positive_rate"], color=color, linewidth=2.5)
        axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.text(0.97, 0.12, f"all people\narea {area:.3f}", color=color, weight="bold", ha="right")
        axes.text(0.97, 0.04, "a line a person", color=NEUTRAL, ha="right", fontsize=9)
        axes.set_title(model, color=color, weight="bold")
        axes.set(xlabel=f"other windows taken for {state}", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_aspect("equal")
    panels[0, 0].set_ylabel(f"{state} windows found")
    return closed(figure)


def plot_timelines(timelines: Mapping[str, pd.DataFrame], models: Sequence[str], state: str, hop_s: float) -> Figure:
    """Skin conductance, heart rate and the probability of a state over a recording, a column a person.

    Parameters
    ----------
    timelines : mapping
        Person -> table by window: minute, label, eda, heart_rate and ``p_<model>``.
    models : sequence of str
        Models to draw.
    state : str
        The state whose probability it is.
    hop_s : float
        From one window to the next, s; the shading of a window reaches half as far to both sides.
    """
    figure, panels = plt.subplots(3, len(timelines), figsize=(7.0, 4.8), sharex="col", sharey="row", squeeze=False)
    for column, (subject, table) in zip(panels.T, timelines.items(), strict=True):
        for axes in column:
            _shade(axes, table, hop_s / 60)
        # Windows that do not follow each other are not joined by a line.
        breaks = table["minute"].diff() > 1.5 * hop_s / 60
        for axes, name in zip(column, ("eda", "heart_rate"), strict=False):
            for _, part in table.groupby(breaks.cumsum()):
                axes.plot(part["minute"], part[name], color="black", linewidth=1.2, marker=".", markersize=3)
        for model in models:
            for _, part in table.groupby(breaks.cumsum()):
                column[2].plot(
                    part["minute"], part[f"p_{model}"], color=MODEL_COLORS.get(model, NEUTRAL), linewidth=1.8
                )
        column[2].axhline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
        column[2].set(xlabel="minute of the recording", ylim=(-0.03, 1.03))
        column[0].set_title(subject, pad=16, weight="bold")
        _name_states(column[0], table)
    for axes, label in zip(panels[:, 0], ("EDA, uS", "heart rate, 1/min", f"P({state})"), strict=True):
        axes.set_ylabel(label)
    for k, model in enumerate(models):
        panels[2, -1].text(
            1.02, 0.95 - 0.2 * k, model, transform=panels[2, -1].transAxes, color=MODEL_COLORS.get(model, NEUTRAL),
            weight="bold", va="top",
        )  # fmt: skip
    return closed(figure)


def _shade(axes: Axes, table: pd.DataFrame, width: float) -> None:
    for state, part in table.groupby("label"):
        for minute in part["minute"]:
            axes.axvspan(
                minute - width / 2, minute + width / 2, color=STATE_COLORS.get(state, NEUTRAL), alpha=0.18, linewidth=0
            )


def _name_states(axes: Axes, table: pd.DataFrame) -> None:
    for state, part in table.groupby("label"):
        axes.annotate(
            state, (part["minute"].median(), 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", color=STATE_COLORS.get(state, NEUTRAL), ha="center", va="bottom", fontsize=9,
        )  # fmt: skip
