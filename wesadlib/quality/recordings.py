"""A whole recording at a glance, without a model: what it holds, what is missing, what of it can be judged."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.data import BEAT_SOURCES, Recording
from wesadlib.data.checks import find_faults
from wesadlib.data.devices import sensor_of
from wesadlib.data.embraceplus import PULSE_SCALE
from wesadlib.quality.assess import assess_arrays
from wesadlib.quality.wear import MINUTE_S, assess_wear
from wesadlib.signals import cut_window, windows_from_channels

#: A window of which nobody wore the device for more than this share is not judged.
MOST_UNWORN = 0.5
#: Gaps shorter than this are not told one by one.
LEAST_GAP_S = 1.0


def to_known_scale(recording: Recording) -> Recording:
    """The same with a pulse in nW brought to the size of an E4's, by which quality's rules know it."""
    signals = {
        name: (signal * np.float32(PULSE_SCALE)).assign_attrs(signal.attrs)
        for name, signal in recording.signals.items()
        if signal.attrs["units"] == "nW"
    }
    return replace(recording, signals={**recording.signals, **signals})


def of_device(recording: Recording, device: str) -> Recording:
    """The same with the signals of one device alone."""
    signals = {name: signal for name, signal in recording.signals.items() if name.startswith(f"{device}_")}
    return replace(recording, signals=signals)


def describe_recording(recording: Recording, wear: pd.DataFrame) -> dict[str, Any]:
    """What a recording holds, in plain values, `wear` being from :func:`~wesadlib.quality.wear.assess_wear`.

    ``device start duration_s channels gaps worn_share problems notes``; of each channel its ``units rate_hz
    missing_share`` and, of its sensor, ``states``: the share of minutes in each; of each gap ``channel start_s end_s``.
    """
    channels = {
        name: {
            "units": signal.attrs["units"],
            "rate_hz": float(signal.attrs["rate_hz"]),
            "missing_share": float(np.isnan(signal.values).mean()),
            "states": wear[sensor_of(name)].value_counts(normalize=True).to_dict(),
        }
        for name, signal in recording.signals.items()
    }
    return {
        "device": recording.device or " and ".join(recording.devices),
        "start": recording.start.isoformat() if recording.start else None,
        "duration_s": recording.duration_s,
        "channels": channels,
        "gaps": find_gaps(recording).to_dict(orient="records"),
        "worn_share": float(wear["worn"].mean()),
        "problems": [*recording.problems, *find_faults(recording)],
        "notes": list(recording.notes),
    }


def find_gaps(recording: Recording) -> pd.DataFrame:
    """Stretches without a sample, of at least :data:`LEAST_GAP_S`: ``channel start_s end_s``, a sensor at a time."""
    rows = []
    # Of an accelerometer one axis.
    for sensor, signal in {sensor_of(name): signal for name, signal in recording.signals.items()}.items():
        missing = np.concatenate([[False], np.isnan(signal.values), [False]])
        edges = np.flatnonzero(missing[1:] != missing[:-1]).reshape(-1, 2) / signal.attrs["rate_hz"]
        rows += [(sensor, float(start), float(end)) for start, end in edges if end - start >= LEAST_GAP_S]
    return pd.DataFrame(rows, columns=["channel", "start_s", "end_s"])


def list_starts(
    recording: Recording,
    channels: Sequence[str],
    window_s: float,
    step_s: float,
    begin_s: float = 0.0,
    end_s: float = np.inf,
) -> np.ndarray:
    """Where windows between `begin_s` and `end_s` start (window,) so that each of the channels fills it, s."""
    last_s = min(recording.duration_s, end_s) - window_s
    starts = begin_s + np.arange(max(int((last_s - begin_s) / step_s + 1e-9) + 1, 0)) * step_s
    lengths = [(len(recording.signals[name]), recording.signals[name].attrs["rate_hz"]) for name in channels]
    whole = [np.round(starts * rate) + round(window_s * rate) <= length for length, rate in lengths]
    return starts[np.all(whole, axis=0)] if last_s >= begin_s else np.empty(0)


def unworn_share(wear: pd.DataFrame, starts: np.ndarray, window_s: float) -> np.ndarray:
    """Share of each window (window,) in minutes that were recorded while nobody wore the device."""
    begin = wear.loc[wear["recorded"] & ~wear["worn"], "start_s"].to_numpy()
    overlap = np.minimum(starts[:, None] + window_s, begin + MINUTE_S) - np.maximum(starts[:, None], begin)
    return np.clip(overlap, 0, None).sum(axis=1) / window_s


def recording_course(recording: Recording) -> pd.DataFrame:
    """A recording on a coarse clock, to be drawn: ``time_s``, and of each slow sensor its mean, of movement its SD."""
    step_s = 5.0
    steps = max(int(recording.duration_s // step_s), 1)
    course = pd.DataFrame({"time_s": (np.arange(steps) + 0.5) * step_s})
    for name, signal in recording.signals.items():
        kind = name.split("_")[1]
        if kind not in ("eda", "temp", "acc"):
            continue
        size = round(step_s * signal.attrs["rate_hz"])
        values = np.full(steps * size, np.nan)
        values[: min(len(signal), len(values))] = signal.values[: len(values)]
        rows = pd.DataFrame(values.reshape(steps, size).T)
        if kind == "acc":
            course[sensor_of(name)] = np.hypot(course.get(sensor_of(name), 0.0), rows.std())
        else:
            course[name] = rows.mean()
    return course


def check_recording(recording: Recording) -> tuple[dict[str, Any], list[str]]:
    """What can be said of a recording without a model, by windows of a minute every half minute.

    Returns
    -------
    summary : dict
        As :func:`describe_recording`, with ``judged_share``, the share of windows that are worn and of good quality in
        every channel of a device, and ``reasons``, why the others are not: reason -> number of windows.
    problems : list of str
        A sentence each.
    """
    summaries, verdicts, reasons = [], [np.empty(0, bool)], []
    for device in recording.devices:
        part = of_device(recording, device)
        wear, channels = assess_wear(part), list(part.signals)
        summaries.append(describe_recording(part, wear))
        starts = list_starts(part, channels, MINUTE_S, MINUTE_S / 2)
        if len(starts):
            scaled, worn = to_known_scale(part), unworn_share(wear, starts, MINUTE_S) <= MOST_UNWORN
            cuts = [cut_window(scaled, channels, start, MINUTE_S) for start in starts]
            assessment = assess_arrays(windows_from_channels(cuts))
            verdicts.append(assessment.verdict & worn)
            reasons += np.where(worn, assessment.reason, "not worn").tolist()
    judged = np.concatenate(verdicts)
    summary = summaries[0] | {
        "channels": {name: facts for one in summaries for name, facts in one["channels"].items()},
        "gaps": [gap for one in summaries for gap in one["gaps"]],
        "problems": list(dict.fromkeys(problem for one in summaries for problem in one["problems"])),
        "worn_share": float(np.mean([one["worn_share"] for one in summaries])),
        "judged_share": float(judged.mean()) if len(judged) else 0.0,
        "reasons": {str(name): int(n) for name, n in pd.Series(reasons, dtype=object).value_counts().items() if name},
    }
    return summary, [*summary["problems"], *_problems(recording, summary)]


def _problems(recording: Recording, summary: dict[str, Any]) -> list[str]:
    name = recording.subject
    if recording.duration_s < MINUTE_S:
        return [f"{name}: {recording.duration_s:.0f} s long, which is less than one window of {MINUTE_S:g} s."]
    problems = [
        f"{name}: no {source}, so no beat can be found."
        for source in BEAT_SOURCES
        if source.split("_")[0] in recording.devices and source not in recording.signals
    ]
    if not summary["worn_share"]:
        problems.append(f"{name}: nobody wore the device at any time.")
    elif not summary["judged_share"]:
        first = next(iter(summary["reasons"]), "")
        problems.append(f"{name}: no window of it is of good quality, most often for {first}.")
    return problems
