"""A look at every recording: what is there, what is wrong with it, and what is known beside the signals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from wesadlib.data.checks import SharedRecordings, find_faults
from wesadlib.data.cohort import Cohort
from wesadlib.data.quest import PERSON_FIELDS, score_stai
from wesadlib.data.recording import Recording, label_windows
from wesadlib.data.sources import cohort_of
from wesadlib.data.wesad import LABELS, find_cohort
from wesadlib.errors import InputError

#: What was reported after each condition; see :func:`describe_cohort`.
REPORTS = ("stai", "arousal", "valence")

#: Length of the windows that are counted where nobody asks for another, s.
WINDOW_S = 60.0

_STATES = tuple(dict.fromkeys(LABELS.values()))
_REPORT_STATES = tuple(state for state in _STATES if state not in ("transient", "ignored"))


class CohortOverview(NamedTuple):
    """What is known of a cohort without looking at its signals."""

    #: A row a subject: ``subject``, what is known of the person, ``duration_s``, ``devices``, ``channels`` (their
    #: number), ``minutes_<state>``, ``windows_<state>``, and ``<report>_<state>``, NaN where it was not asked.
    people: pd.DataFrame
    #: A row a labelled block: ``subject``, ``state``, ``start_s``, ``end_s``; transients left out.
    blocks: pd.DataFrame
    #: A row a person and state: ``subject``, ``state``, ``stai`` (6 calm to 24 anxious), ``arousal`` and ``valence``
    #: (1 to 9), NaN where they were not asked; meditation, which comes twice, as the mean of the answers.
    reports: pd.DataFrame


def describe_cohort(
    cohort: Cohort, *, window_s: float = WINDOW_S, hop_s: float = 30.0, progress: bool = False
) -> CohortOverview:
    """Load each recording once and put together what is known of it beside its signals.

    Windows that are counted last `window_s`, and start every `hop_s`.
    """
    people, blocks, reports = [], [], []
    for recording in tqdm(cohort, desc="people", unit="person", disable=not progress, total=len(cohort)):
        summary, report = _summarise(recording, cohort.states, window_s, hop_s), _reports(recording)
        asked = {f"{name}_{state}": report.loc[state, name] for name in REPORTS for state in _REPORT_STATES}
        person = {"subject": recording.subject, **dict.fromkeys(PERSON_FIELDS), **recording.person}
        people.append(person | summary | asked)
        labels = recording.labels[recording.labels["state"].isin(_REPORT_STATES)]
        blocks.append(labels.assign(subject=recording.subject))
        reports.append(report.reset_index().assign(subject=recording.subject))
    return CohortOverview(
        people=pd.DataFrame(people),
        blocks=pd.concat(blocks, ignore_index=True)[["subject", "state", "start_s", "end_s"]],
        reports=pd.concat(reports, ignore_index=True)[["subject", "state", *REPORTS]],
    )


def _reports(recording: Recording) -> pd.DataFrame:
    asked = pd.DataFrame(columns=list(REPORTS), dtype=float)
    if answers := recording.questionnaires:
        asked = pd.concat([score_stai(answers["stai"]), answers["dim"]], axis=1).groupby(level=0).mean()
    return asked.reindex(_REPORT_STATES).rename_axis("state")[list(REPORTS)]


def check_cohort(root: str | Path, *, progress: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """Load every recording of a data set's folder in its official layout, one at a time, and say what it holds.

    A table with a row a subject (``subject``, ``duration_s``, ``devices``, ``channels`` (their number),
    ``minutes_<state>``, ``windows_<state>`` (60 s every 30 s, label by majority), ``problems``; NaN where a recording
    cannot be loaded), and a sentence for each problem.
    """
    rows, problems, shared = [], [], SharedRecordings()
    cohort = cohort_of(Path(root)) or find_cohort(root)
    for subject in tqdm(cohort.subjects, desc="checking", unit="subject", disable=not progress):
        row: dict[str, Any] = {"subject": subject}
        try:
            recording = cohort[subject]
        except InputError as error:
            sentences = [str(error)]
        else:
            row |= _summarise(recording, cohort.states)
            sentences = [
                f"{cohort.root / subject}: no window of class {state}; its labels hold less than a window of it, so "
                f"leave {subject} out of `subjects`, or the class out of `classes`."
                for state in cohort.states
                if not row[f"windows_{state}"] and (cohort.name == "wesad" or row[f"minutes_{state}"])
            ]
            if short := _short_phases(recording, cohort.states):
                sentences.append(f"{cohort.root / subject}: no whole window of {WINDOW_S:g} s fits into {short}.")
            sentences += [*recording.problems, *find_faults(recording), *filter(None, [shared.find(recording)])]
        rows.append({**row, "problems": " ".join(sentences)})
        problems += sentences
    table = pd.DataFrame(rows)
    counts = [name for name in table.columns if name.startswith("windows_") or name == "channels"]
    return table.astype(dict.fromkeys(counts, "Int64")), problems


def _short_phases(recording: Recording, states: Sequence[str]) -> str:
    """Phases of these states that are shorter than a window, each with what is labelled of it; empty without any."""
    if "phase" not in recording.labels:
        return ""
    planned = recording.protocol.query("condition in @states")["name"].unique()
    labelled_s = (recording.labels["end_s"] - recording.labels["start_s"]).groupby(recording.labels["phase"]).min()
    labelled_s = labelled_s.reindex(planned, fill_value=0.0)
    return ", ".join(f"{name} ({length:.0f} s)" for name, length in labelled_s[labelled_s < WINDOW_S].items())


def _summarise(
    recording: Recording, states: tuple[str, ...], window_s: float = WINDOW_S, hop_s: float = 30.0
) -> dict[str, Any]:
    labels = recording.labels
    minutes = (labels["end_s"] - labels["start_s"]).groupby(labels["state"]).sum() / 60
    _, state, _ = label_windows(labels, recording.duration_s, window_s=window_s, hop_s=hop_s)
    return {
        "duration_s": recording.duration_s,
        "devices": " ".join(recording.devices),
        "channels": len(recording.signals),
        **{f"minutes_{name}": float(minutes.get(name, 0.0)) for name in (states if "rest" in states else _STATES)},
        **{f"windows_{name}": int((state == name).sum()) for name in states},
    }
