"""The figure of one person's recording: its signals, whether it was worn, what could be judged, and the answer."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.bundle.recording import RecordingAnswers
from wesadlib.plots import NEUTRAL, RED, STATE_COLORS, color_of, draw_answers, name_rows, subplots

_LABELS = {
    "eda": "skin\nconductance, µS",
    "heart_rate": "heart rate,\n1/min",
    "temp": "temperature,\n°C",
    "acc": "movement,\nSD in g",
}
_GOOD = "#CFE3F1"


def plot_recording(
    course: pd.DataFrame, answers: RecordingAnswers, *, state: str, min_confidence: float, marks_s: Sequence[float] = ()
) -> Figure:
    """Signals over the whole recording, its minutes sensor by sensor, and the probability of a state.

    `course` is ``time_s`` and a column a sensor; rest is shaded, presses of the button are dotted.
    """
    names = [name for name in course if name != "time_s"]
    ratios = [1] * len(names) + [0.9, 2.1]
    figure, panels = subplots(len(ratios), height=0.95 * len(names) + 3.3, sharex=True, height_ratios=ratios)
    minute = course["time_s"] / 60
    for axes, name in zip(panels, names, strict=False):
        axes.plot(minute, course[name], color="black", linewidth=0.8)
        kind = name.partition("_")[2] if "heart_rate" not in name else "heart_rate"
        axes.set_ylabel(_LABELS.get(kind, name), fontsize=8)
        axes.locator_params(axis="y", nbins=3)
        axes.margins(x=0)
    _draw_minutes(panels[-2], answers.wear)
    windows, rest = answers.windows, answers.rest
    middle = (windows["start_s"] + windows["end_s"]) / 120
    draw_answers(panels[-1], middle, windows[f"p_{state}"], windows["status"], color_of(state), min_confidence)
    panels[-1].set_ylabel(f"probability\nof {state}", fontsize=8)
    for axes in panels:
        axes.tick_params(labelsize=8)
        if rest:
            axes.axvspan(rest["start_s"] / 60, rest["end_s"] / 60, color=STATE_COLORS["baseline"], alpha=0.15, lw=0)
        for mark in marks_s:
            axes.axvline(mark / 60, color=NEUTRAL, linewidth=0.7, linestyle=":")
    panels[-1].set_xlabel("time from the start, min", fontsize=9)
    figure.align_ylabels(panels)
    return figure


def _draw_minutes(axes: Axes, wear: pd.DataFrame) -> None:
    # A hand may lie still in any minute; all else that is said of one is bad.
    good = wear.drop(columns=["start_s", "recorded", "worn"]).isin(["good", "still"])
    good.insert(0, "worn", wear["worn"])
    for row, name in enumerate(good):
        axes.barh(row, 1, left=wear["start_s"] / 60, align="center", color=np.where(good[name], _GOOD, RED))
    name_rows(axes, [name.rpartition("_")[2] for name in good], 0.5, fontsize=7)
