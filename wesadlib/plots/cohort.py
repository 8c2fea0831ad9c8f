"""Figures of the chapter on the people: protocol, windows, self-report."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, STATE_COLORS, bare_rows, subplots, write_names

_REPORTS = {
    "stai": ("Anxiety (STAI, 6–24)", (5.4, 24.6)),
    "arousal": ("Arousal (1–9)", (0.6, 9.4)),
    "valence": ("Valence (1–9)", (0.6, 9.4)),
}


def plot_protocol(blocks: pd.DataFrame, people: pd.DataFrame) -> Figure:
    """Timeline of every person: labelled blocks in their state's colour on a line as long as the recording."""
    figure, axes = _rows_of_people(len(people))
    axes.hlines(people["subject"], 0, people["duration_s"] / 60, color=NEUTRAL, linewidth=1)
    begin, end = blocks["start_s"] / 60, blocks["end_s"] / 60
    colors = blocks["state"].map(STATE_COLORS)
    axes.barh(blocks["subject"], end - begin, left=begin, height=0.7, color=colors, zorder=2)
    axes.set(xlim=(0, people["duration_s"].max() / 60), xlabel="time from the start of the recording, min")
    write_names(axes, [state for state in STATE_COLORS if (blocks["state"] == state).any()])
    return figure


def plot_windows(people: pd.DataFrame) -> Figure:
    """Windows of each state (``windows_<state>``), a stacked bar a person, with their numbers."""
    counts = people.set_index("subject").filter(like="windows_").rename(columns=lambda name: name.split("_")[1])
    figure, axes = _rows_of_people(len(counts))
    left = counts.cumsum(axis=1) - counts
    for state in counts:
        bars = axes.barh(counts.index, counts[state], left=left[state], height=0.8, color=STATE_COLORS[state])
        ink = "black" if state == "amusement" else "white"
        text = {"label_type": "center", "color": ink, "fontsize": 9, "fontweight": "bold"}
        axes.bar_label(bars, [str(count or "") for count in counts[state]], **text)
    axes.set_xlabel("windows")
    write_names(axes, counts)
    return figure


def plot_reports(reports: pd.DataFrame) -> Figure:
    """What people reported after each state: a grey line a person, a dot for the mean."""
    states = list(reports["state"].unique())
    figure, panels = subplots(1, len(_REPORTS), height=3.2)
    for axes, (name, (title, limits)) in zip(panels, _REPORTS.items(), strict=True):
        answers = reports.pivot(index="subject", columns="state", values=name)[states]
        axes.plot(states, answers.T, color=NEUTRAL, linewidth=0.8, alpha=0.4)
        axes.scatter(states, answers.mean(), s=100, color=[STATE_COLORS[state] for state in states], zorder=3)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(*limits)
        axes.margins(x=0.12)
        axes.set_xticks(states, states, rotation=40, ha="right", rotation_mode="anchor")
        for tick, state in zip(axes.get_xticklabels(), states, strict=True):
            tick.set_color(STATE_COLORS[state])
    return figure


def _rows_of_people(count: int) -> tuple[Figure, Axes]:
    figure, axes = subplots(height=min(0.9 + 0.26 * count, 12))
    axes.set_ylim(count - 0.4, -0.6)
    bare_rows(axes)
    return figure, axes
