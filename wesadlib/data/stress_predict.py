"""Stress-Predict's official layout: one seated session a person, recorded with an Empatica E4.

Iqbal et al., *Stress Monitoring Using Wearable Sensors: A Pilot Study and Stress-Predict Dataset*, Sensors 22 (2022)
8135; MIT licence. Phases follow the presses of the device's button, and where nobody pressed the log, to the minute.
"""

import itertools
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from wesadlib.data.cohort import Cohort
from wesadlib.data.e4 import find_exports, last_s, list_files, read_e4
from wesadlib.data.recording import Recording
from wesadlib.errors import InputError

LOG_FILE = "Processed_data/Time_logs.xlsx"
#: phase -> its group; the log has their starts and ends in this order
PHASES = {
    "baseline_questionnaire": "rest",
    "stroop": "stress",
    "relax1": "rest",
    "interview": "stress",
    "relax2": "rest",
    "hyperventilation": "provocation",
    "relax3": "rest",
    "questionnaire2": "other",
    "final_relax": "rest",
}
# Columns of the log, letters of the sheet: where a phase starts, and where it ends.
_COLUMNS = "GHIJKLMNOPQRSTUVWX"
# Phases that presses bound, in their order.
_PRESSED = ("stroop", "relax1", "interview", "relax2", "hyperventilation", "relax3")
STATES = ("rest", "stress", "provocation")
#: What is documented of a person's files and not to be seen in them.
FAULTS = {
    "S15": "the pulse is weak throughout",
    "S17": "the pulse is weak throughout; the Stroop test began as logged, a minute after the first press",
}
# The log is to the minute: so much of a phase that nobody presses for is left out at either end.
_LOG_EDGE_S = 60.0
# Before this the device settles; presses off the log by more than this (median) are no presses of phases.
_SETTLE_S = 10.0
_MOST_OFF_S = 180.0
_HALF_DAY_S = 12 * 3600.0


def open_stress_predict(root: str | Path, subjects: Sequence[str] = ()) -> Cohort:
    """Open the data set's folder, which holds ``Raw_data`` with a zip or a folder a person; nothing is loaded yet."""
    root = Path(root)
    exports = find_exports(root / "Raw_data", r"S\d+")
    log = root / LOG_FILE
    cohort = Cohort(
        root=root,
        subjects=list(exports),
        load=lambda subject: _read(exports[subject][0], subject, log),
        files=lambda subject: [*list_files(exports[subject]), *[log] * log.is_file()],
        description="recordings of the Stress-Predict data set (Iqbal et al., 2022)",
        states=STATES,
        name="stress-predict",
    )
    return cohort.choose(subjects or cohort.subjects)


def _read(path: Path, subject: str, log: Path) -> Recording:
    recording = read_e4(path)
    problems = [f"{path}: {FAULTS[subject]}."] if subject in FAULTS else []
    start_s, end_s = recording.start.timestamp(), last_s(recording)
    presses = sorted(_wrap(mark) for mark in recording.marks_s)
    if any(abs(_wrap(mark) - mark) > 1 for mark in recording.marks_s):
        problems.append(f"{path}: presses are half a day off; they are taken to be within the recording.")
    if not log.is_file():
        raise InputError(f"{log} is missing: it holds the times of {subject}'s phases.")
    logged = [_wrap(time_s - start_s % 86400) for time_s in read_log(log).get(subject, ())]
    if len(logged) < 2 * len(PHASES):
        raise InputError(f"{log} has no whole row for {subject}: leave {subject} out of `subjects`.")
    times = dict(zip(PHASES, zip(logged[::2], logged[1::2], strict=True), strict=True))
    certain = _move_phases(times, presses, end_s, subject)
    if not certain:
        problems.append(f"{path}: the presses contradict the log; phases are the log's, to the minute.")
    rows = [(PHASES[phase], *span, phase) for phase, span in sorted(times.items(), key=lambda item: item[1])]
    protocol = pd.DataFrame(rows, columns=["condition", "start_s", "end_s", "name"])
    edge = np.where(protocol["name"].isin(_PRESSED), 0.0, _LOG_EDGE_S)
    labels = protocol.assign(start_s=protocol["start_s"] + edge, end_s=protocol["end_s"] - edge)
    return replace(
        recording,
        subject=subject,
        labels=labels.rename(columns={"condition": "state", "name": "phase"}).query("end_s > start_s"),
        protocol=protocol,
        problems=tuple(problems),
        marks_s=tuple(presses),
    )


def _move_phases(times: dict[str, tuple[float, float]], presses: list[float], end_s: float, subject: str) -> bool:
    """Move each phase's logged start and end, s, to the presses, and say whether these agree with the log."""
    # Of phases that follow each other one press is the end and the start; before the interview there may be a break.
    bounds = [("stroop", 0), *((phase, 1) for phase in _PRESSED)]
    if times["interview"][0] - times["relax1"][1] > 120:
        bounds.insert(3, ("interview", 0))
    edges = [times[phase][side] for phase, side in bounds]
    agree = len(presses) >= len(edges) and np.median(np.abs(np.subtract(presses[: len(edges)], edges))) <= _MOST_OFF_S
    if agree:
        pressed = dict(zip(bounds, presses, strict=False))
        if subject == "S17":
            pressed["stroop", 0] = times["stroop"][0]
        for before, phase in itertools.pairwise(["", *_PRESSED]):
            begin = pressed[phase, 0] if (phase, 0) in pressed else pressed[before, 1]
            times[phase] = begin, pressed[phase, 1]
    else:
        near = [press for press in presses if abs(press - times["relax3"][1]) <= 60]
        times["relax3"] = times["relax3"][0], near[0] if near else times["relax3"][1]
    begin, end = times["baseline_questionnaire"]
    bounded = end if begin > times["stroop"][0] else min(end, times["stroop"][0])
    times["baseline_questionnaire"] = max(begin, _SETTLE_S), bounded
    begin, end = times["questionnaire2"]
    times["questionnaire2"] = max(begin, times["relax3"][1]), end
    times["final_relax"] = times["final_relax"][0], min(times["final_relax"][1], end_s)
    return bool(agree)


def read_log(path: Path) -> dict[str, list[float]]:
    """The log of the sessions: person -> times of day, s, in the order of the columns, by a clock of 12 or 24 hours."""
    try:
        with zipfile.ZipFile(path) as book:
            texts, cells = (
                pd.read_xml(book.open(f"xl/{name}.xml"), xpath=xpath, parser="etree", dtype=str)
                for name, xpath in (("sharedStrings", ".//{*}si"), ("worksheets/sheet1", ".//{*}c"))
            )
        words = cells["t"] == "s"
    except (zipfile.BadZipFile, KeyError, ValueError, ElementTree.ParseError) as error:
        raise InputError(f"{path} is no workbook ({error}): copy it again.") from None
    cells[["column", "row"]] = cells["r"].str.extract(r"([A-Z]+)(\d+)")
    names = cells[words & (cells["column"] == "A")].set_index("row")["v"].astype(int).map(texts["t"])
    times = cells[~words].pivot(index="row", columns="column", values="v").reindex(names.index, columns=list(_COLUMNS))
    times = times.astype(float).set_index(names)[lambda table: table.index.str.fullmatch(r"S\d+", na=False)]
    return {person: (86400 * row.dropna()).tolist() for person, row in times.iterrows()}


def _wrap(time_s: float) -> float:
    """A time that may be half a day off, within six hours of the start."""
    return (time_s + _HALF_DAY_S / 2) % _HALF_DAY_S - _HALF_DAY_S / 2
