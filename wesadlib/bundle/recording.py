"""A whole recording's answers: a window every few seconds, whoever it is and whatever recorded it."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.bundle.answer import Answer, Result
from wesadlib.bundle.because import describe_movers
from wesadlib.bundle.compatibility import feature_units, fit_to_recording, note_units
from wesadlib.bundle.predict import Bundle
from wesadlib.data import Recording
from wesadlib.errors import InputError
from wesadlib.quality.recordings import (
    MOST_UNWORN,
    list_starts,
    of_device,
    recording_course,
    to_known_scale,
    unworn_share,
)
from wesadlib.quality.wear import assess_wear

#: Windows hardly differ that begin sooner after each other than this.
LEAST_STEP_S = 0.1
# How many windows are classified at a time.
_BATCH = 128


@dataclass(frozen=True)
class RecordingAnswers:
    """What a bundle says of a recording."""

    #: A row a window: ``start_s end_s status`` (answered, abstained or rejected), ``state`` (empty unless answered),
    #: ``p_<state>``, ``confidence`` (NaN where rejected), ``reasons`` (why rejected, worst first, or what the answer
    #: did without, or ``exertion``).
    windows: pd.DataFrame
    #: A row a window that was classified: ``start_s`` and a column a feature.
    features: pd.DataFrame
    #: The person's rest that was used: ``start_s end_s windows``.
    rest: dict[str, float] | None
    #: From :func:`~wesadlib.quality.wear.assess_wear`.
    wear: pd.DataFrame
    #: What was done that a reader has to know.
    notes: tuple[str, ...]
    #: ``cold_start``, ``rest_calibrated``, or, where the threshold followed the person over the recording,
    #: ``running_cold``, ``running_reference``.
    protocol: str
    #: What moved the model most (:func:`~wesadlib.bundle.because.describe_movers`) over the windows that it gave the
    #: last of its states, else over all.
    because: tuple[str, ...] = ()


def predict_recording(
    bundle: Bundle,
    recording: Recording,
    step_s: float = 5.0,
    rest: tuple[float, float] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> RecordingAnswers:
    """Answer a whole recording, labelled or not.

    A channel that the model does not read is neither needed nor able to spoil a window. A recording that lacks one that
    it reads, or has it in another unit while a feature depends on the unit, is refused. Windows in which nobody wears
    the device are rejected before the model sees them, and its threshold does not follow them; a server's stream, which
    knows a minute at most, judges them by their quality alone.

    Parameters
    ----------
    step_s : float
        From one window's start to the next, s.
    rest : (float, float), optional
        When the person was at rest, seconds from the start (:func:`read_rest`).
    progress : callable, optional
        Called with the windows done and those there are.
    """
    if not LEAST_STEP_S <= step_s < math.inf:
        raise InputError(f"the step is {step_s:g} s; it has to be {LEAST_STEP_S:g} s or more.")
    has_gate, bundle = bundle.gate is not None, fit_to_recording(bundle, recording)
    recording = of_device(recording, bundle.config["device"])
    wear = assess_wear(recording)
    notes = note_units(bundle, recording)
    if has_gate and not bundle.gate:
        notes += ("there is no acceleration in g, so exercise cannot be distinguished from stress",)
    recording = to_known_scale(recording)
    values, facts = (None, None) if rest is None else _read_person_at_rest(bundle, recording, wear, rest)
    starts = list_starts(recording, list(bundle.config["channels"]), bundle.config["window_s"], step_s)
    if not len(starts):
        raise InputError(
            f"{recording.subject}: {recording.duration_s:.0f} s long, and one window takes "
            f"{bundle.config['window_s']:g} s; give a longer recording."
        )
    worn = unworn_share(wear, starts, bundle.config["window_s"]) <= MOST_UNWORN
    results: list[Result | None] = [None] * len(starts)
    judged = np.flatnonzero(worn)
    for first in range(0, len(judged), _BATCH):
        batch = judged[first : first + _BATCH]
        cuts = [bundle.cut(recording, starts[k]) for k in batch]
        for k, result in zip(batch, bundle.classify(cuts, [values] * len(cuts)), strict=True):
            results[k] = result
        if progress:
            progress(first + len(batch), len(judged))
    follower = bundle.follow(values)
    results = [result and follower(result, start_s) for result, start_s in zip(results, starts, strict=True)]
    windows = pd.DataFrame([_row(result, bundle.config["states"]) for result in results])
    windows.insert(0, "start_s", starts)
    windows.insert(1, "end_s", starts + bundle.config["window_s"])
    # Where nothing could be answered an alarm stays as it was.
    alarm = [getattr(result and result.answer, "alarm", None) for result in results]
    windows["alarm"] = pd.Series(alarm, dtype="boolean").ffill().fillna(False) if bundle.config.get("alarm") else None
    known = [k for k, result in enumerate(results) if result and result.features is not None]
    features = pd.DataFrame([results[k].features for k in known], columns=list(bundle.feature_names))
    features.insert(0, "start_s", starts[known])
    because = _explain(bundle, windows, features, values)
    return RecordingAnswers(windows, features, facts, wear, notes, follower.protocol, because)


def _explain(bundle: Bundle, windows: pd.DataFrame, features: pd.DataFrame, rest: np.ndarray | None) -> tuple[str, ...]:
    named = windows.loc[windows["state"] == bundle.config["states"][-1], "start_s"]
    chosen = features[features["start_s"].isin(named)] if len(named) else features
    rows = chosen.drop(columns="start_s").to_numpy(float)
    return describe_movers(bundle, rows, rest, feature_units(bundle)) if len(rows) else ()


def draw_course(recording: Recording, answers: RecordingAnswers) -> pd.DataFrame:
    """Signals on a coarse clock, to be drawn: ``time_s``, slow sensors as they are, the heart's rate from windows."""
    course, middle = recording_course(recording), answers.windows[["start_s", "end_s"]].mean(axis=1)
    for name in [name for name in answers.features if name.endswith("_heart_rate")]:
        rate = answers.features.set_index("start_s")[name].reindex(answers.windows["start_s"]).to_numpy()
        # Drawn where there is a window near, and no line through those that were not judged.
        near = np.abs(course["time_s"].to_numpy()[:, None] - middle.to_numpy()).argmin(axis=1)
        course.insert(1, name, rate[near])
    return course


def _row(result: Result | None, states: Sequence[str]) -> dict[str, Any]:
    shown = {"status": "rejected", "state": None} | dict.fromkeys([f"p_{state}" for state in states], np.nan)
    shown |= {"confidence": np.nan, "reasons": "not worn"}
    if result is None:
        return shown
    if not isinstance(answer := result.answer, Answer):
        return shown | {"reasons": "; ".join(f"{name}: {problem}" for name, problem in answer.items())}
    shown |= {"reasons": "; ".join(answer.reasons)}
    if answer.status == "rejected":
        return shown
    shown |= {f"p_{state}": value for state, value in answer.probabilities.items()}
    status, state = ("abstained", None) if answer.abstained else ("answered", answer.state)
    return shown | {"status": status, "state": state, "confidence": answer.confidence}


def _read_person_at_rest(
    bundle: Bundle, recording: Recording, wear: pd.DataFrame, rest: tuple[float, float]
) -> tuple[np.ndarray, dict[str, float]]:
    start_s, end_s = rest
    window_s, span = bundle.config["window_s"], f"{format_time(start_s)} to {format_time(end_s)}"
    if start_s >= end_s:
        raise InputError(f"{recording.subject}: rest from {span} ends before it begins.")
    if not 0 <= start_s < end_s <= recording.duration_s + 1:
        raise InputError(
            f"{recording.subject}: rest from {span} lies outside the recording, which ends at "
            f"{format_time(recording.duration_s)}."
        )
    starts = list_starts(recording, list(bundle.config["channels"]), window_s, window_s / 2, start_s, end_s)
    cuts = [bundle.cut(recording, start) for start in starts[unworn_share(wear, starts, window_s) <= MOST_UNWORN]]
    try:
        values = bundle.rest_values(cuts)
    except InputError as error:
        raise InputError(f"{recording.subject}: rest from {span} cannot be used: {error}") from None
    good = sum(result.features is not None for result in bundle.classify(cuts))
    return values, {"start_s": float(start_s), "end_s": float(end_s), "windows": good}


def read_rest(text: str, recording: Recording) -> tuple[float, float]:
    """When a person was at rest, from and to, in seconds from the start.

    Of ``00:02:00-00:07:00``; ``first:5``, the first minutes; ``tags``, between the first two presses of the button.
    """
    if text == "tags":
        inside = [mark for mark in recording.marks_s if 0 <= mark <= recording.duration_s]
        if len(inside) < 2:
            raise InputError(
                f"{recording.subject}: rest by tags needs two presses of the button within the recording, and there "
                f"are {len(inside)}; give it as 00:02:00-00:07:00."
            )
        return inside[0], inside[1]
    if match := re.fullmatch(r"first:(\d+(?:\.\d+)?)", text):
        return 0.0, 60 * float(match[1])
    clock = r"(\d+(?::\d+)*(?:\.\d+)?)"
    if match := re.fullmatch(f"{clock}-{clock}", text):
        return _seconds(match[1]), _seconds(match[2])
    raise InputError(f"rest {text!r}: write 00:02:00-00:07:00, first:5 (minutes) or tags.")


def _seconds(clock: str) -> float:
    seconds = 0.0
    for part in clock.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def format_time(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
