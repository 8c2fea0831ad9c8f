"""People of several labs in one table of windows, and what is scored of them.

A table of windows has a row a window over whole recordings, also where nothing is labelled: ``lab subject session
start_s accepted``, a column a feature, and what :func:`label_phases` adds. Windows of a phase learn and are scored; all
of a recording's move its running reference.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wesadlib.data import Cohort
from wesadlib.evaluation.whole_recordings import WINDOW_S, tabulate_windows

#: Lab -> phases that teach stress and are scored: of hongn the one that raised self-reported stress.
STRESSORS = {"wesad": ("stress",), "stress-predict": ("stroop", "interview"), "hongn": ("tmct",)}
#: From one window's start to the next over a recording, and to the next that learns or is scored, s.
STEP_S, SCORED_STEP_S = 10.0, 30.0
#: A person's rest is this much of the first phase that is rest, s; and what begins so soon after a stressor's end is
#: recovery, from which nothing is learnt.
REST_S, RECOVERY_S = 300.0, 120.0
#: How a table's windows of rest and stress are called, and what models tell apart.
STATES = ("baseline", "stress")
#: The channels that a window's verdict rests on: those that the model reads.
CHANNELS = ("wrist_bvp", "wrist_eda")


def tabulate_person(cohort: Cohort, subject: str) -> pd.DataFrame:
    """Windows over the whole recording of a person of joined cohorts, none of which lies in two sessions.

    A phase that lies between others' groups keeps its name, so that what is scored can be chosen by it.
    """
    recording = cohort[subject]
    table = tabulate_windows(recording, "wrist", STEP_S, channels=CHANNELS).assign(
        session="", subject=subject, lab=subject.partition("/")[0]
    )
    if "session" in recording.protocol:
        spans = recording.protocol.groupby("session").agg({"start_s": "min", "end_s": "max"})
        table["session"] = pd.NA
        for session, begin, end in spans.itertuples():
            inside = (table["start_s"] >= begin - 1e-6) & (table["start_s"] + WINDOW_S <= end + 1e-6)
            table.loc[inside, "session"] = session
        table = table[table["session"].notna()].reset_index(drop=True)
    return label_phases(table, recording.labels.rename(columns={"state": "group"}))


def label_phases(table: pd.DataFrame, phases: pd.DataFrame) -> pd.DataFrame:
    """Say what each window of one recording is good for, by its ``phase group start_s end_s``.

    `table` gets ``phase``, that which holds all of the window, else empty, and ``role``: ``own_rest``, the first
    minutes of the first phase of rest before any stressor; ``recovery``, the first minutes of rest after one;
    ``baseline`` and ``stress``; else the phase's group, of which ``provocation`` and ``exercise`` strain alike.
    """
    table = table.assign(phase="", role="")
    start_s = table["start_s"].to_numpy()
    strained = is_rested = False
    for phase in phases.sort_values("start_s").itertuples():
        inside = (start_s >= phase.start_s - 1e-6) & (start_s + WINDOW_S <= phase.end_s + 1e-6)
        role = STATES[0] if phase.group == "rest" else phase.group
        table.loc[inside, ["phase", "role"]] = phase.phase, role
        if phase.group == "rest" and strained:
            table.loc[inside & (start_s < phase.start_s + RECOVERY_S), "role"] = "recovery"
        elif phase.group == "rest" and not is_rested:
            table.loc[inside & (start_s + WINDOW_S <= phase.start_s + REST_S + 1e-6), "role"] = "own_rest"
            # What overlaps the person's rest is known already.
            table.loc[inside & (table["role"] == STATES[0]) & (start_s < phase.start_s + REST_S), "role"] = ""
            is_rested = True
        strained |= phase.group in ("stress", "provocation", "exercise")
    return table


def is_seated(table: pd.DataFrame) -> pd.Series:
    """Which windows are of a session without exercise."""
    return ~(table["role"] == "exercise").groupby([table["subject"], table["session"]]).transform("any")


def choose_scored(table: pd.DataFrame, stressors: Sequence[str] | None = None) -> pd.DataFrame:
    """Windows of rest, and of stress in these phases, that learn or are scored; none of a person's own rest."""
    chosen = table[table["role"].isin(STATES) & (table["start_s"] % SCORED_STEP_S == 0)]
    return chosen if stressors is None else chosen[(chosen["role"] == STATES[0]) | chosen["phase"].isin(stressors)]


def balanced_threshold(scored: pd.DataFrame, protocol: str) -> float:
    """The threshold, of hundredths of the scores, with the best mean of people's balanced accuracies."""
    candidates = np.quantile(scored[protocol], np.arange(0.05, 0.951, 0.01))
    called = pd.DataFrame(scored[[protocol]].to_numpy() > candidates, index=scored.index)
    shares = called.groupby([scored["role"], scored["subject"]]).mean()
    return float(candidates[np.argmax((shares.loc[STATES[1]] - shares.loc[STATES[0]]).mean())])
