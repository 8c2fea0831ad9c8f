"""Figures of the chapter that compares models on people they have not seen."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from wesadlib import plots

MARKERS = "osD^v"


def plot_subjects(by_subject: pd.DataFrame, pooled: pd.DataFrame) -> Figure:
    """Accuracy on each person, worst at the bottom, and on all with its interval, a mark a model."""
    table = by_subject.pivot(index="subject", columns="model", values="accuracy")
    table = table.loc[table.mean(axis=1).sort_values(kind="stable").index]
    models = list(dict.fromkeys(by_subject["model"]))
    top = len(table) + 0.6
    figure, axes = plots.subplots(height=0.27 * len(table) + 1.7)
    axes.hlines(range(len(table)), table.min(axis=1), table.max(axis=1), color="#CCCCCC", linewidth=2, zorder=1)
    # The first model's mark is the largest, so that it is seen where the others do the same.
    for k, (model, marker) in enumerate(zip(models, MARKERS, strict=False)):
        color, height = plots.color_of(model), top + 0.9 * (len(models) - 1 - k)
        axes.scatter(table[model], range(len(table)), color=color, marker=marker, s=max(70 - 36 * k, 14), zorder=2 + k)
        row = pooled[pooled["model"] == model].iloc[:1].assign(height=height)
        plots.intervals(axes, row, "accuracy", marker=marker, s=60)
        end = row[["accuracy_low", "accuracy"]].min(axis=None)
        plots.write_beside(axes, model, (end, height), (-6, 0), color=color, ha="right", va="center", weight="bold")
    axes.axhline(len(table) - 0.2, color=plots.NEUTRAL, linewidth=0.6)
    heights = [*range(len(table)), top + 0.45 * (len(models) - 1)]
    axes.set_yticks(heights, [*table.index, f"all {len(table)}"], fontsize=9)
    plots.in_percent(axes.xaxis, "accuracy")
    axes.set(ylim=(-0.6, top + 0.9 * len(models) - 0.3), xlim=(min(0.7, table.min(axis=None) - 0.03), 1.01))
    axes.grid(axis="x")
    return figure


def plot_confusion(confusion: pd.DataFrame) -> Figure:
    """Confusion matrices of one task and protocol: shares of each state's windows, with their numbers."""
    states = confusion["label"].unique()
    figure, panels = plots.facets(confusion, "model", 1.5 + 0.55 * len(states), sharey=True)
    for axes, model, part in panels:
        wide = part.pivot(index="label", columns="predicted")
        share, number = (wide[name].loc[states, states] for name in ("share", "n_windows"))
        text = (100 * share).map("{:.1f} %\n".format) + number.map("{:.0f}".format)
        plots.color_cells(axes, share, text, cmap="Greys", vmin=0, vmax=1.3)
        axes.set_title(model, color=plots.color_of(model), weight="bold")
        axes.set_xlabel("predicted")
    figure.axes[0].set_ylabel("label")
    return figure


def plot_roc(by_subject: pd.DataFrame, pooled: pd.DataFrame, areas: Mapping[str, float], state: str) -> Figure:
    """Receiver operating characteristics of finding a state: a thin line a person, a thick one for all."""
    figure, panels = plots.subplots(1, len(areas), height=3.7, sharey=True, squeeze=False)
    for axes, (model, area) in zip(panels[0], areas.items(), strict=True):
        color, rates = plots.color_of(model), ["false_positive_rate", "true_positive_rate"]
        for _, part in by_subject[by_subject["model"] == model].groupby("subject"):
            axes.plot(*part[rates].to_numpy().T, color="#AAAAAA", linewidth=0.8)
        axes.plot(*pooled.loc[pooled["model"] == model, rates].to_numpy().T, color=color, linewidth=2.5)
        axes.plot([0, 1], [0, 1], color=plots.NEUTRAL, linewidth=0.8, linestyle=":")
        axes.text(0.97, 0.12, f"all people\narea {area:.3f}", color=color, weight="bold", ha="right")
        axes.text(0.97, 0.04, "a line a person", color=plots.NEUTRAL, ha="right", fontsize=9)
        axes.set_title(model, color=color, weight="bold")
        axes.set(xlabel=f"other windows taken for {state}", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_aspect("equal")
    panels[0, 0].set_ylabel(f"{state} windows found")
    return figure


def plot_timelines(timelines: Mapping[str, pd.DataFrame], models: Sequence[str], state: str, hop_s: float) -> Figure:
    """Skin conductance, heart rate and the probability of a state over a recording, a column a person.

    A person's table is ``minute label eda heart_rate p_<model>``, a row a window.
    """
    labels = ("skin\nconductance, µS", "heart rate,\n1/min", f"probability\nof {state}")
    figure, panels = plots.subplots(3, len(timelines), height=4.8, sharex="col", sharey="row", squeeze=False)
    for column, (subject, table) in zip(panels.T, timelines.items(), strict=True):
        # Windows that do not follow each other are not joined by a line.
        for _, part in table.groupby((table["minute"].diff() > 1.5 * hop_s / 60).cumsum()):
            for axes, name in zip(column, ("eda", "heart_rate"), strict=False):
                axes.plot(part["minute"], part[name], color="black", linewidth=1.2, marker=".", markersize=3)
            for model in models:
                column[2].plot(part["minute"], part[f"p_{model}"], color=plots.color_of(model), linewidth=1.8)
        for axes in column:
            for row in table.itertuples():
                edges = row.minute - hop_s / 120, row.minute + hop_s / 120
                axes.axvspan(*edges, color=plots.color_of(row.label), alpha=0.18, linewidth=0)
        column[2].axhline(0.5, color=plots.NEUTRAL, linewidth=0.8, linestyle=":")
        column[2].set(xlabel="minute of the recording", ylim=(-0.03, 1.03))
        column[0].set_title(subject, pad=16, weight="bold")
        for name, part in table.groupby("label"):
            text = {"ha": "center", "va": "bottom", "fontsize": 9, "color": plots.color_of(name)}
            column[0].text(part["minute"].median(), 1.02, name, transform=column[0].get_xaxis_transform(), **text)
    for axes, label in zip(panels[:, 0], labels, strict=True):
        axes.set_ylabel(label)
    plots.write_names(panels[2, -1], models, (1.02, 0.95), (0, -0.2), va="top")
    return figure
