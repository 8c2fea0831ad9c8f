"""Hongn's official layout: induced stress, cycling and sprints, three sessions a person, recorded with an Empatica E4.

Hongn et al., *Wearable Physiological Signals under Acute Stress and Exercise Conditions*, Scientific Data (2025), doi
10.1038/s41597-025-04845-9; ODC-By 1.0. Phases lie between presses of the device's button.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data.cohort import Cohort
from wesadlib.data.e4 import find_exports, last_s, list_files, read_e4
from wesadlib.data.joining import join_sessions
from wesadlib.data.recording import Recording, make_signals

SESSIONS = ("STRESS", "AEROBIC", "ANAEROBIC")
STATES = ("rest", "stress", "exercise")
_GROUPS = {
    **dict.fromkeys(("pre", "post"), "other"),
    **dict.fromkeys(("baseline", "first_rest", "second_rest"), "rest"),
    **dict.fromkeys(("stroop", "tmct", "real_opinion", "opposite_opinion", "subtract"), "stress"),
}
#: number of presses -> phases of the session with stress, before, between and after the presses
STRESS_PHASES = {
    13: (
        *("pre", "baseline", "stroop_instructions", "stroop", "first_rest", "tmct", "second_rest", "real_opinion"),
        *("gap1", "opposite_opinion", "gap2", "subtract", "post", "post"),
    ),
    9: (
        *("baseline", "tmct_instructions", "tmct", "first_rest", "real_opinion", "gap1", "opposite_opinion"),
        *("second_rest", "subtract", "post"),
    ),
}
# A session whose presses do not begin with a "pre" settles for so long at its start.
_SETTLE_S = 120.0
_LONGEST_SPRINT_S = 60.0
#: (person, session) -> where the samples begin to repeat, s.
REPEATS_FROM_S = {("S02", "STRESS"): 1548.0}
#: (person, session) -> channels that the dock covered.
COVERED = {("f07", "STRESS"): ("wrist_bvp", "wrist_temp")}
#: (person, session) -> what is known, and left as it is.
FAULTS = {
    ("S03", "AEROBIC"): "the protocol ended early",
    ("S07", "AEROBIC"): "the protocol ended early",
    ("S06", "ANAEROBIC"): "the protocol ended early",
    ("f04", "AEROBIC"): "14 % of the pulse is flat",
    ("f09", "ANAEROBIC"): "an axis of the accelerometer is saturated",
}
_HIGHEST_DEGC = 45.0
# Sessions follow each other from whole minutes on, with nothing between.
_STEP_S = 60.0


def open_hongn(root: str | Path, subjects: Sequence[str] = ()) -> Cohort:
    """Open the data set's folder, which holds ``Wearable_Dataset`` with a folder a session; nothing is loaded yet.

    A recording is a person's sessions one after the other, each from a whole minute on, and NaN between them; its
    labels have a column ``session`` besides ``phase``.
    """
    root = Path(root)
    exports: dict[str, dict[str, list[Path]]] = {}
    for session in SESSIONS:
        folder = root / "Wearable_Dataset" / session
        if session == SESSIONS[0] or folder.is_dir():
            for subject, paths in find_exports(folder, r"[Sf]\d+").items():
                exports.setdefault(subject, {})[session] = paths
    cohort = Cohort(
        root=root,
        subjects=sorted(exports),
        load=lambda subject: _read(exports[subject], subject),
        files=lambda subject: list_files(itertools.chain(*exports[subject].values())),
        description="recordings of the data set of Hongn et al. (2025)",
        states=STATES,
        name="hongn",
    )
    return cohort.choose(subjects or cohort.subjects)


def _read(sessions: dict[str, list[Path]], subject: str) -> Recording:
    blocks: list[tuple[float, Recording]] = []
    rows, notes, problems, now_s = [], [], [], 0.0
    for session, paths in sessions.items():
        parts = [_repair(read_e4(path), path, subject, session, problems) for path in paths]
        for path, recording in zip(paths, parts, strict=True):
            notes += [f"{path.stem} {session}: {note}" for note in recording.notes]
        if session == "STRESS" and len(parts) > 1:
            # They are one protocol, interrupted.
            parts = [join_sessions(parts, paths)]
        for path, recording in zip(paths, parts, strict=False):
            blocks.append((now_s, recording))
            stop_s = now_s + last_s(recording)
            inside = [now_s + mark for mark in recording.marks_s if now_s + mark < stop_s]
            edges = list(itertools.pairwise([now_s, *inside, stop_s]))
            phases = _phases(session, edges)
            otherwise = "other" if session == "STRESS" else "exercise"
            if not phases:
                problems.append(f"{path}: {len(inside)} presses, not 13 or 9, so nobody knows its phases.")
            rows += [
                (_GROUPS.get(phase, otherwise), *edge, phase, session)
                for phase, edge in zip(phases, edges, strict=False)
            ]
            now_s = math.ceil(stop_s / _STEP_S) * _STEP_S
        if len(paths) > 1:
            problems.append(f"{paths[0]}: the session {session} is in {len(paths)} parts.")
        if (subject, session) in FAULTS:
            problems.append(f"{paths[0]}: {FAULTS[subject, session]}.")
    protocol = pd.DataFrame(rows, columns=["condition", "start_s", "end_s", "name", "session"])
    labels = protocol.rename(columns={"condition": "state", "name": "phase"})
    first = (labels["phase"] == "baseline") & ~labels["session"].isin(labels.loc[labels["phase"] == "pre", "session"])
    labels.loc[first, "start_s"] += _SETTLE_S
    return Recording(
        subject=subject,
        signals=_assemble(blocks),
        labels=labels[labels["end_s"] > labels["start_s"]].reset_index(drop=True),
        protocol=protocol,
        notes=tuple(notes),
        problems=tuple(problems),
        device="E4",
        start=blocks[0][1].start,
    )


def _phases(session: str, edges: Sequence[tuple[float, float]]) -> Sequence[str]:
    """Names of a session's phases, which lie between edges, s; none where nobody knows them."""
    if session == "STRESS":
        return STRESS_PHASES.get(len(edges) - 1, ())
    names = [f"aerobic_block{k:02d}" for k in range(1, len(edges) - 1)]
    if session == "ANAEROBIC":
        sprints = [end - begin < _LONGEST_SPRINT_S for begin, end in edges[1:-1]]
        names = [f"{'sprint' if sprint else 'pedal'}_tag{k}" for k, sprint in enumerate(sprints, start=1)]
    return ["pre", *names, "post"]


def _repair(recording: Recording, path: Path, subject: str, session: str, problems: list[str]) -> Recording:
    """What is documented as no measurement becomes missing."""
    if (subject, session) in REPEATS_FROM_S:
        end_s = REPEATS_FROM_S[subject, session]
        problems.append(f"{path}: samples repeat from {end_s:g} s on, and are left out from there.")
        for signal in recording.signals.values():
            signal.values[round(end_s * signal.attrs["rate_hz"]) :] = np.nan
    for name in COVERED.get((subject, session), ()):
        problems.append(f"{path}: {name} was covered by the dock, and is left out.")
        recording.signals[name].values[:] = np.nan
    temperature = recording.signals.get("wrist_temp")
    if temperature is not None and (hot := np.nanmax(temperature.values, initial=0)) > _HIGHEST_DEGC:
        problems.append(f"{path}: wrist_temp reaches {hot:.0f} degC, so the sensor is faulty, and is left out.")
        temperature.values[:] = np.nan
    return recording


def _assemble(parts: list[tuple[float, Recording]]) -> dict[str, xr.DataArray]:
    """Signals of parts on one clock, each from its offset in s on, NaN between them."""
    end_s = max(offset_s + recording.duration_s for offset_s, recording in parts)
    samples: dict[str, np.ndarray] = {}
    for offset_s, recording in parts:
        for name, signal in recording.signals.items():
            rate_hz = signal.attrs["rate_hz"]
            values = samples.setdefault(name, np.full(round(end_s * rate_hz), np.nan, np.float32))
            part = values[round(offset_s * rate_hz) :][: len(signal)]
            part[:] = signal.values[: len(part)]
    return make_signals(samples)
