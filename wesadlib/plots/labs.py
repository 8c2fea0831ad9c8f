"""Figures of the chapter on other laboratories."""

import pandas as pd
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, color_cells, color_of, in_percent, intervals, subplots, write_beside

#: Data set -> its name in figures.
NAMES = {"wesad": "WESAD", "stress-predict": "Stress-Predict", "hongn": "Hongn"}
_MARKS = {"cold_start": "o", "own_rest": "D", "running_reference": "s"}
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
    labs, models = (list(dict.fromkeys(rows[name])) for name in ("test", "model"))
    figure, panels = subplots(len(labs), height=0.34 * len(models) * len(labs) + 1.2, sharex=True, squeeze=False)
    for axes, lab in zip(panels[:, 0], labs, strict=True):
        part = rows[rows["test"] == lab]
        for protocol, mark in _MARKS.items():
            for at_home, shift in ((True, 0.16), (False, -0.16)):
                some = part[(part["protocol"] == protocol) & (part["at_home"] == at_home)]
                some = some.assign(height=len(models) - 1 - some["model"].map(models.index) + shift)
                intervals(axes, some, "balanced_accuracy", hollow=not at_home, marker=mark, s=26)
        axes.axvline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(models)), models[::-1], fontsize=9)
        axes.set_ylim(-0.6, len(models) - 0.4)
        axes.set_title(f"tested in {NAMES.get(lab, lab)}", color=NEUTRAL)
        axes.grid(axis="x")
    marks = [axes.plot([], [], mark, color=NEUTRAL, label=_WORDS[protocol])[0] for protocol, mark in _MARKS.items()]
    in_percent(panels[-1, 0].xaxis, "balanced accuracy in new people, with interval over people (50: chance)")
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks))
    return figure


def write_phase(name: str) -> str:
    """A phase in words: ``tmct`` is timed arithmetic."""
    return {"stroop": "Stroop test", "tmct": "timed arithmetic"}.get(name, name.replace("_", " "))


def plot_phases(responses: pd.DataFrame) -> Figure:
    """What each reading does in each phase, in spreads of rest; a column a reading, a row a lab's phase."""
    table = responses.assign(
        row=responses["lab"].map(NAMES) + ", " + responses["phase"].map(write_phase),
        column=responses["reading"].str.split("_", n=2).str[2].map(_READINGS),
    )
    wide = table.pivot(index="row", columns="column", values="response")[list(_READINGS.values())]
    wide = wide.loc[list(dict.fromkeys(table["row"]))]
    figure, axes = subplots(height=0.42 * len(wide) + 1.4)
    color_cells(axes, wide.round(1) + 0.0, "{:+.1f}", 2, cmap="RdBu_r", vmin=-3, vmax=3)
    axes.set_xticks(range(len(wide.columns)), wide.columns, rotation=25, ha="right")
    return figure


def plot_foresight(people: pd.DataFrame) -> Figure:
    """Each person's area against how strange the drift report finds the person, a panel a tested lab."""
    labs = list(dict.fromkeys(people["test"]))
    figure, panels = subplots(1, len(labs), height=2.9, sharey=True, squeeze=False)
    for axes, lab in zip(panels[0], labs, strict=True):
        part = people[people["test"] == lab].dropna(subset=["distance"])
        axes.scatter(part["distance"], part["roc_auc_within"], s=20, color=color_of("physiology"))
        for row in part.nsmallest(3, "roc_auc_within").itertuples():
            name = row.subject.partition("/")[2]
            write_beside(axes, name, (row.distance, row.roc_auc_within), (4, 2), fontsize=8, color=NEUTRAL)
        axes.axhline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.set_title(NAMES.get(lab, lab), color=NEUTRAL)
        axes.set_xlabel("distance from the\ntraining people, SD", fontsize=9)
    panels[0, 0].set_ylabel("area within the person")
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
    figure, axes = subplots(height=2.6)
    values = [100 * exercise[name] for name in bars.values()]
    axes.barh(range(len(bars)), values, color=[color_of("stress")] * 3 + [NEUTRAL] * 3)
    for row, value in enumerate(values):
        write_beside(axes, f"{value:.1f} %", (value, row), (4, 0), va="center", fontsize=9)
    axes.set_yticks(range(len(bars)), list(bars), fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("share of windows of good quality, mean over people, %")
    return figure
