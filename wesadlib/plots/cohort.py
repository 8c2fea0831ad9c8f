"""Figures of the chapter on the people: protocol, windows, self-report."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, STATE_COLORS, closed

_REPORT_TITLES = {"stai": "Anxiety (STAI, 6–24)", "arousal": "Arousal (1–9)", "valence": "Valence (1–9)"}
_REPORT_LIMITS = {"stai": (5.4, 24.6), "arousal": (0.6, 9.4), "valence": (0.6, 9.4)}


def plot_protocol(blocks: pd.DataFrame, people: pd.DataFrame) -> Figure:
    """Timeline of every person: labelled blocks in their state's colour on a line as long as the recording.

    Parameters
    ----------
    blocks, people : DataFrame
        As :func:`~wesadlib.data.overview.describe_cohort` gives them.
    """
    subjects = people["subject"].tolist()
    figure, axes = plt.subplots(figsize=(7, _height(len(subjects))))
    axes.hlines(subjects, 0, people["duration_s"] / 60, color=NEUTRAL, linewidth=1)
    for state, rows in blocks.groupby("state"):
        axes.barh(
            rows["subject"],
            (rows["end_s"] - rows["start_s"]) / 60,
            left=rows["start_s"] / 60,
            height=0.7,
            color=STATE_COLORS[state],
            zorder=2,
        )
    axes.set_xlim(0, people["duration_s"].max() / 60)
    axes.set_ylim(len(subjects) - 0.4, -0.6)
    axes.set_xlabel("time from the start of the recording, min")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _name_states(axes, [state for state in STATE_COLORS if (blocks["state"] == state).any()])
    return closed(figure)


def plot_windows(people: pd.DataFrame) -> Figure:
    """Windows of each state, a stacked bar a person, with their numbers.

    Parameters
    ----------
    people : DataFrame
        With ``subject`` and ``windows_<state>``.
    """
    counts = people.set_index("subject").filter(like="windows_").rename(columns=lambda name: name.split("_")[1])
    figure, axes = plt.subplots(figsize=(7, _height(len(counts))))
    left = np.zeros(len(counts))
    for state in counts:
        bars = axes.barh(counts.index, counts[state], left=left, height=0.8, color=STATE_COLORS[state])
        numbers = [str(count) if count else "" for count in counts[state]]
        ink = "black" if state == "amusement" else "white"
        axes.bar_label(bars, numbers, label_type="center", color=ink, fontsize=9, fontweight="bold")
        left += counts[state].to_numpy()
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.set_xlabel("windows")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _name_states(axes, list(counts))
    return closed(figure)


def plot_reports(reports: pd.DataFrame) -> Figure:
    """What people reported after each state: a grey line a person, a dot for the mean.

    Parameters
    ----------
    reports : DataFrame
        As :func:`~wesadlib.data.overview.describe_cohort` gives them.
    """
    states = list(dict.fromkeys(reports["state"]))
    figure, panels = plt.subplots(1, len(_REPORT_TITLES), figsize=(7, 3.2))
    for axes, (name, title) in zip(panels, _REPORT_TITLES.items(), strict=True):
        answers = reports.pivot(index="subject", columns="state", values=name)[states]
        axes.plot(states, answers.T, color=NEUTRAL, linewidth=0.8, alpha=0.4)
        for state in states:
            axes.plot(state, answers[state].mean(), "o", color=STATE_COLORS[state], markersize=10, zorder=3)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(*_REPORT_LIMITS[name])
        axes.margins(x=0.12)
        axes.set_xticks(range(len(states)), states, rotation=40, ha="right", rotation_mode="anchor")
        for tick, state in zip(axes.get_xticklabels(), states, strict=True):
            tick.set_color(STATE_COLORS[state])
    return closed(figure)


def _height(n_people: int) -> float:
    return min(0.9 + 0.26 * n_people, 12)


def _name_states(axes: Axes, states: list[str]) -> None:
    # Names in their colours over the figure: blocks of six minutes are too narrow to carry them.
    for position, state in enumerate(states):
        axes.text(
            0.25 * position,
            1.01,
            state,
            transform=axes.transAxes,
            color=STATE_COLORS[state],
            fontweight="bold",
            va="bottom",
        )
