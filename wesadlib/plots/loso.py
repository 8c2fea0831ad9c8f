"""Figures of the chapter that compares models on people they have not seen."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, color_cells, color_of, in_percent, intervals, subplots, write_beside, write_names

MARKERS = "osD^v"


def plot_subjects(by_subject: pd.DataFrame, pooled: pd.DataFrame) -> Figure:
    """Accuracy on each person, worst at the bottom, and on all with its interval, a mark a model."""
    table = by_subject.pivot(index="subject", columns="model", values="accuracy")
    table = table.loc[table.mean(axis=1).sort_values(kind="stable").index]
    models = list(dict.fromkeys(by_subject["model"]))
    top = len(table) + 0.6
    figure, axes = subplots(height=0.27 * len(table) + 1.7)
    axes.hlines(range(len(table)), table.min(axis=1), table.max(axis=1), color="#CCCCCC", linewidth=2, zorder=1)
    # The first model's mark is the largest, so that it is seen where the others do the same.
    for k, (model, marker) in enumerate(zip(models, MARKERS, strict=False)):
        color, height = color_of(model), top + 0.9 * (len(models) - 1 - k)
        axes.scatter(table[model], range(len(table)), color=color, marker=marker, s=max(70 - 36 * k, 14), zorder=2 + k)
        row = pooled[pooled["model"] == model].iloc[:1].assign(height=height)
        intervals(axes, row, "accuracy", marker=marker, s=60)
        end = float(np.nanmin(row[["accuracy_low", "accuracy"]]))
        write_beside(axes, model, (end, height), (-6, 0), color=color, ha="right", va="center", weight="bold")
    axes.axhline(len(table) - 0.2, color=NEUTRAL, linewidth=0.6)
    heights = [*range(len(table)), top + 0.45 * (len(models) - 1)]
    axes.set_yticks(heights, [*table.index, f"all {len(table)}"], fontsize=9)
    in_percent(axes.xaxis, "accuracy")
    axes.set_ylim(-0.6, top + 0.9 * len(models) - 0.3)
    axes.set_xlim(min(0.7, table.min(axis=None) - 0.03), 1.01)
    axes.grid(axis="x")
    return figure


def plot_confusion(confusion: pd.DataFrame) -> Figure:
    """Confusion matrices of one task and protocol: shares of each state's windows, with their numbers."""
    models = list(dict.fromkeys(confusion["model"]))
    states = list(dict.fromkeys(confusion["label"]))
    figure, panels = subplots(1, len(models), height=1.5 + 0.55 * len(states), sharey=True, squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        part = confusion[confusion["model"] == model].pivot(index="label", columns="predicted")
        share, number = (part[name].loc[states, states] for name in ("share", "n_windows"))
        color_cells(axes, 100 * share, "{:.1f} %\n", 60, cmap="Greys", vmin=0, vmax=130)
        for (row, column), value in np.ndenumerate(number.to_numpy()):
            ink = "white" if share.iloc[row, column] > 0.6 else "black"
            axes.text(column, row + 0.2, f"{value:.0f}", ha="center", va="center", fontsize=9, color=ink)
        axes.set_title(model, color=color_of(model), weight="bold")
        axes.set_xlabel("predicted")
    panels[0, 0].set_ylabel("label")
    return figure


def plot_roc(by_subject: pd.DataFrame, pooled: pd.DataFrame, areas: Mapping[str, float], state: str) -> Figure:
    """Receiver operating characteristics of finding a state: a thin line a person, a thick one for all."""
    figure, panels = subplots(1, len(areas), height=3.7, sharey=True, squeeze=False)
    for axes, (model, area) in zip(panels[0], areas.items(), strict=True):
        color, rates = color_of(model), ["false_positive_rate", "true_positive_rate"]
        for _, part in by_subject[by_subject["model"] == model].groupby("subject"):
            axes.plot(*part[rates].to_numpy().T, color="#AAAAAA", linewidth=0.8)
        axes.plot(*pooled.loc[pooled["model"] == model, rates].to_numpy().T, color=color, linewidth=2.5)
        axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.text(0.97, 0.12, f"all people\narea {area:.3f}", color=color, weight="bold", ha="right")
        axes.text(0.97, 0.04, "a line a person", color=NEUTRAL, ha="right", fontsize=9)
        axes.set_title(model, color=color, weight="bold")
        axes.set(xlabel=f"other windows taken for {state}", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_aspect("equal")
    panels[0, 0].set_ylabel(f"{state} windows found")
    return figure


def plot_timelines(timelines: Mapping[str, pd.DataFrame], models: Sequence[str], state: str, hop_s: float) -> Figure:
    """Skin conductance, heart rate and the probability of a state over a recording, a column a person.

    A person's table is ``minute label eda heart_rate p_<model>``, a row a window, whose shading reaches half a hop to
    both sides.
    """
    labels = {"eda": "skin\nconductance, µS", "heart_rate": "heart rate,\n1/min", "p": f"probability\nof {state}"}
    figure, panels = subplots(3, len(timelines), height=4.8, sharex="col", sharey="row", squeeze=False)
    for column, (subject, table) in zip(panels.T, timelines.items(), strict=True):
        # Windows that do not follow each other are not joined by a line.
        for _, part in table.groupby((table["minute"].diff() > 1.5 * hop_s / 60).cumsum()):
            for axes, name in zip(column, ("eda", "heart_rate"), strict=False):
                axes.plot(part["minute"], part[name], color="black", linewidth=1.2, marker=".", markersize=3)
            for model in models:
                column[2].plot(part["minute"], part[f"p_{model}"], color=color_of(model), linewidth=1.8)
        for axes in column:
            _shade(axes, table, hop_s / 60)
        column[2].axhline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
        column[2].set(xlabel="minute of the recording", ylim=(-0.03, 1.03))
        column[0].set_title(subject, pad=16, weight="bold")
        for name, part in table.groupby("label"):
            place = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom", "fontsize": 9}
            write_beside(column[0], name, (part["minute"].median(), 1.0), (0, 2), color=color_of(name), **place)
    for axes, label in zip(panels[:, 0], labels.values(), strict=True):
        axes.set_ylabel(label)
    write_names(panels[2, -1], models, (1.02, 0.95), (0, -0.2), va="top")
    return figure


def _shade(axes: Axes, table: pd.DataFrame, width: float) -> None:
    for row in table.itertuples():
        edges = row.minute - width / 2, row.minute + width / 2
        axes.axvspan(*edges, color=color_of(row.label), alpha=0.18, linewidth=0)
