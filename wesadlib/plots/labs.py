"""Figures of the chapter on other laboratories."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wesadlib import plots

#: Data set -> its name in figures.
NAMES = {"wesad": "WESAD", "stress-predict": "Stress-Predict", "hongn": "Hongn"}
_WORDS = {"cold_start": "cold start", "own_rest": "own rest", "running_reference": "own rest and running reference"}
_READINGS = {
    "heart_rate": "heart rate",
    "log_level": "skin conductance",
    "tonic_slope": "slope of conductance",
    "phasic_sd": "phasic variation",
    "scr_rate": "responses a minute",
    "scr_amplitude_sum": "sum of responses",
}


def plot_home_and_away(rows: pd.DataFrame) -> Figure:
    """Balanced accuracy of each model, a panel a tested lab: filled where trained at home, open by the other labs.

    `rows` has ``test model protocol at_home balanced_accuracy`` and its ``_low`` and ``_high``; a mark is a protocol.
    """
    row, models = pd.factorize(rows["model"])
    rows = rows.assign(height=row + np.where(rows["at_home"], -0.16, 0.16))
    figure, panels = plots.facets(rows, "test", 0.34 * len(models) * rows["test"].nunique() + 1.2, down=True)
    for axes, lab, part in panels:
        for (protocol, at_home), some in part.groupby(["protocol", "at_home"]):
            mark = {"marker": plots.PROTOCOL_MARKS[protocol], "s": 26}
            plots.intervals(axes, some, "balanced_accuracy", hollow=not at_home, **mark)
        axes.axvline(0.5, color=plots.NEUTRAL, linewidth=0.8, linestyle=":")
        plots.name_rows(axes, models)
        axes.set_title(f"tested in {NAMES.get(lab, lab)}", color=plots.NEUTRAL)
        axes.grid(axis="x")
    for protocol, words in _WORDS.items():
        axes.plot([], [], plots.PROTOCOL_MARKS[protocol], color=plots.NEUTRAL, label=words)
    plots.in_percent(axes.xaxis, "balanced accuracy in new people, with interval over people (50: chance)")
    figure.legend(loc="outside upper center", ncols=len(_WORDS))
    return figure


def write_phase(name: str) -> str:
    """A phase in words: ``tmct`` is timed arithmetic."""
    return {"stroop": "Stroop test", "tmct": "timed arithmetic"}.get(name, name.replace("_", " "))


def plot_phases(responses: pd.DataFrame) -> Figure:
    """What each reading does in each phase, in spreads of rest; a column a reading, a row a lab's phase."""
    row = responses["lab"].map(NAMES) + ", " + responses["phase"].map(write_phase)
    reading = responses["reading"].str.split("_", n=2).str[2].map(_READINGS)
    wide = responses.assign(row=row, reading=reading).pivot(index="row", columns="reading", values="response")
    wide = wide.loc[row.unique(), list(_READINGS.values())]
    figure, axes = plots.subplots(height=0.42 * len(wide) + 1.4)
    plots.color_cells(axes, wide.round(1) + 0.0, "{:+.1f}", cmap="RdBu_r", vmin=-3, vmax=3)
    axes.set_xticks(axes.get_xticks(), wide.columns, rotation=25, ha="right")
    return figure


def plot_foresight(people: pd.DataFrame) -> Figure:
    """Each person's area against how strange the drift report finds the person, a panel a tested lab."""
    figure, panels = plots.facets(people, "test", 2.9, sharey=True)
    for axes, lab, part in panels:
        part = part.dropna(subset=["distance"])
        axes.scatter(part["distance"], part["roc_auc_within"], s=20, color=plots.color_of("physiology"))
        for row in part.nsmallest(3, "roc_auc_within").itertuples():
            name = row.subject.partition("/")[2]
            plots.write_beside(axes, name, (row.distance, row.roc_auc_within), (4, 2), fontsize=8, color=plots.NEUTRAL)
        axes.axhline(0.5, color=plots.NEUTRAL, linewidth=0.8, linestyle=":")
        axes.set_title(NAMES.get(lab, lab), color=plots.NEUTRAL)
        axes.set_xlabel("distance from the\ntraining people, SD", fontsize=9)
    figure.axes[0].set_ylabel("area within the person")
    return figure


def plot_exercise(exercise: pd.Series) -> Figure:
    """Share of exercise that is called stress with and without the gate, and the share of others held back by it."""
    bars = {
        "exercise called stress, without gate": "called_stress_without_gate",
        "… with gate": "called_stress",
        "… by a gate not trained on that kind": "called_stress_other_kind",
        "WESAD withheld by the gate": "abstained_at_home",
        "… its stress": "abstained_at_home_stress",
        "… its rest": "abstained_at_home_baseline",
    }
    figure, axes = plots.subplots(height=2.6)
    values = 100 * exercise[list(bars.values())]
    drawn = axes.barh(range(len(bars)), values, color=[plots.color_of("stress")] * 3 + [plots.NEUTRAL] * 3)
    axes.bar_label(drawn, [f"{value:.1f} %" for value in values], padding=4, fontsize=9)
    plots.name_rows(axes, bars)
    axes.set_xlabel("share of windows of good quality, mean over people, %")
    return figure
