"""Figures of the chapter on whole recordings: everybody's hour, what a budget of false alarms buys, and self-report."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wesadlib.evaluation.whole_recordings import WORDS
from wesadlib.plots import NEUTRAL, STATE_COLORS, bare_rows, color_of, facets, name_states, subplots

_PHASE_COLORS = {**STATE_COLORS, "task": STATE_COLORS["stress"], "anticipation": "#F3C9A5", "reading": "#DDDDDD"}
_PHASE_COLORS |= {"provocation": "#F3C9A5", "exercise": "#7B3294"}
_LINES = {"cold_start": "-", "running_cold": "--", "rest_calibrated": ":", "running_reference": "-."}


def plot_hours(timelines: pd.DataFrame) -> Figure:
    """A row a person: the probability of stress (NaN: no answer), the recording's phases behind it, alarms above."""
    height = 0.42 * timelines["subject"].nunique() + 1.0
    figure, panels = facets(timelines, "subject", height, down=True)
    for axes, person, part in panels:
        minute = part["time_s"] / 60
        phases = part["phase"].ne(part["phase"].shift())
        ends = minute[phases].shift(-1, fill_value=minute.iloc[-1])
        for begin, end, phase in zip(minute[phases], ends, part["phase"][phases], strict=True):
            axes.axvspan(begin, end, color=_PHASE_COLORS.get(phase, "white"), alpha=0.3, linewidth=0)
        axes.plot(minute, part["p_stress"], color="black", linewidth=0.7)
        axes.fill_between(minute, 1.08, 1.3, where=part["alarm"].astype(bool), color="black", linewidth=0, step="post")
        unanswered = minute[part["p_stress"].isna()]
        axes.plot(unanswered, np.full(len(unanswered), -0.1), "|", color=NEUTRAL)
        axes.set(ylim=(-0.18, 1.34), yticks=[], xlim=(0, timelines["time_s"].max() / 60))
        axes.set_ylabel(person, rotation=0, ha="right", va="center", fontsize=9)
        bare_rows(axes)
    axes.set_xlabel("time from the start, min")
    name_states(figure, [name for name in STATE_COLORS if name != "transient"])
    return figure


def plot_budgets(summary: pd.DataFrame) -> Figure:
    """Median latency, and people detected, against false alarms an hour; a point a budget of `summarise_alarms`."""
    figure, (left, right) = subplots(1, 2, height=3.6)
    for (model, protocol), part in summary.groupby(["model", "protocol"], sort=False):
        part = part.sort_values("false_alarms_per_h")
        line = {"color": color_of(model), "linestyle": _LINES[protocol], "marker": "o", "markersize": 3}
        left.plot(part["false_alarms_per_h"], part["latency_median_s"], **line)
        right.plot(part["false_alarms_per_h"], part["detected"], **line)
    left.set(ylabel="median latency, s", xlabel="false alarms an hour")
    right.set(ylabel=f"people detected, of {summary['people'].max()}", xlabel="false alarms an hour")
    right.set_ylim(0, summary["people"].max() + 0.5)
    lines = {name: {"color": color_of(name)} for name in summary["model"].unique()}
    for name in summary["protocol"].unique():
        lines[f"known: {WORDS[name]}"] = {"color": NEUTRAL, "linestyle": _LINES[name]}
    handles = [right.plot([], [], label=label, **line)[0] for label, line in lines.items()]
    right.legend(handles=handles, fontsize=7, loc="lower right")
    return figure


def plot_reports(table: pd.DataFrame, report: str, label: str, marked: Sequence[str] = ()) -> Figure:
    """Mean probability of stress against a self-report: a dot a person and condition, a person's dots joined."""
    figure, axes = subplots(height=3.6)
    for person, part in table.dropna(subset=[report]).groupby("subject", sort=False):
        part = part.sort_values(report)
        color, width = ("black", 1.4) if person in marked else (NEUTRAL, 0.4)
        axes.plot(part[report], part["p_stress"], color=color, linewidth=width, alpha=0.7)
        if person in marked:
            axes.annotate(person, part[[report, "p_stress"]].iloc[-1], fontsize=8)
        axes.scatter(part[report], part["p_stress"], color=[color_of(name) for name in part["state"]], s=22, zorder=3)
    axes.set(xlabel=label, ylabel="mean probability of stress", ylim=(-0.02, 1.02))
    name_states(figure, list(dict.fromkeys(table["state"])))
    return figure
