"""People of several labs in one table of windows, and how a model of some does on others.

A table of windows has a row a window over whole recordings, also where nothing is labelled: ``lab subject session
start_s accepted``, a column a feature, and what :func:`label_phases` adds. Windows of a phase learn and are scored; all
of a recording's move its running reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from wesadlib.data import DEVICE_CHANNELS, Recording
from wesadlib.errors import InputError
from wesadlib.evaluation.alarm import Rule
from wesadlib.evaluation.events import ANTICIPATION, TASK, Course, choose_rule, measure_rules
from wesadlib.evaluation.running import budget_threshold, running_reference
from wesadlib.evaluation.statistics import bootstrap_weights, interval
from wesadlib.features import feature_values
from wesadlib.models import Examples
from wesadlib.models.calibration import fit_temperature, from_log_odds
from wesadlib.models.physiology import Physiology, choose_features
from wesadlib.quality import assess_arrays
from wesadlib.quality.recordings import list_starts
from wesadlib.signals import cut_window, windows_from_channels

#: A window's length, from one's start to the next over a recording, and to the next that learns or is scored, s.
WINDOW_S, STEP_S, SCORED_STEP_S = 60.0, 10.0, 30.0
#: A person's rest is this much of the first phase that is rest, s; and what begins so soon after a stressor's end is
#: recovery, from which nothing is learnt.
REST_S, RECOVERY_S = 300.0, 120.0
#: Least number of good windows from which a person's rest is taken.
LEAST_REST = 2
#: People that a threshold is found on are this many groups, each scored by models of the others.
FOLDS = 5
#: How a table's windows of rest and stress are called, and what models tell apart.
STATES = ("baseline", "stress")
#: Protocols with a running reference -> the protocol whose score is taken.
MOVING = {"running_cold": "cold_start", "running_reference": "own_rest"}
#: Nothing known; the person's rest known; and each with a threshold that follows the person.
PROTOCOLS = ("cold_start", "own_rest", *MOVING)
#: The channels that a window's verdict rests on: those that the model reads.
CHANNELS = ("wrist_bvp", "wrist_eda")

_BATCH = 128


def tabulate_windows(
    recording: Recording,
    device: str = "wrist",
    step_s: float = STEP_S,
    *,
    channels: Sequence[str] = CHANNELS,
    thresholds: Any = None,
) -> pd.DataFrame:
    """Windows over a whole recording of one device: ``start_s accepted`` and a column a feature.

    `channels` and `thresholds` are what :func:`~wesadlib.quality.assess_quality` judges by.
    """
    names = list(DEVICE_CHANNELS[device])
    starts = list_starts(recording, names, WINDOW_S, step_s)
    if not len(starts):
        raise InputError(f"{recording.subject}: shorter than a window of {WINDOW_S:g} s.")
    parts = []
    for first in range(0, len(starts), _BATCH):
        cuts = [cut_window(recording, names, start, WINDOW_S) for start in starts[first : first + _BATCH]]
        windows = windows_from_channels(cuts, window_s=WINDOW_S)
        values, columns = feature_values(windows)
        parts.append(pd.DataFrame(values, columns=columns, dtype=np.float32))
        parts[-1]["accepted"] = assess_arrays(windows, thresholds, channels).verdict
    return pd.concat(parts, ignore_index=True).assign(start_s=starts)


def label_phases(table: pd.DataFrame, phases: pd.DataFrame) -> pd.DataFrame:
    """Say what each window of one recording is good for.

    Parameters
    ----------
    table : DataFrame
        With ``start_s``.
    phases : DataFrame
        ``phase group start_s end_s``; the groups ``rest``, ``stress``, ``provocation`` and ``exercise`` mean something.

    Returns
    -------
    DataFrame
        `table` with ``phase``, that which holds all of the window, else empty, and ``role``: ``own_rest``, the first
        minutes of the first phase of rest before any stressor; ``recovery``, the first minutes of rest after one;
        ``baseline`` and ``stress``; else the phase's group.
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


class LabModel(NamedTuple):
    """What people of some labs taught.

    Attributes
    ----------
    cold, rested : Physiology
        Fitted without and with people's rest.
    threshold, temperature : dict of str to float
        Protocol -> what its score is compared with, and what the difference is divided by for calibrated log odds.
    alarm : dict of str to Rule
        Protocol -> when these log odds become an alarm.
    """

    cold: Physiology
    rested: Physiology
    threshold: dict[str, float] = dict.fromkeys(PROTOCOLS, 0.0)
    temperature: dict[str, float] = dict.fromkeys(PROTOCOLS, 1.0)
    alarm: Mapping[str, Rule] = {}


def fit_labs(table: pd.DataFrame, stressors: Sequence[str] | None = None) -> LabModel:
    """Learn from everybody in a table; thresholds and temperatures are found on people left out in turn.

    Parameters
    ----------
    table : DataFrame
        Windows of several recordings, with ``subject``.
    stressors : sequence of str, optional
        Phases of stress to learn from; default: all.
    """
    people = sorted(table["subject"].unique())
    if len(people) < 2:
        raise InputError(f"{len(people)} person to learn from; thresholds are found on people left out, so give more.")
    held_out = []
    for fold in range(min(FOLDS, len(people))):
        out = table["subject"].isin(people[fold::FOLDS])
        held_out.append(score_windows(LabModel(*_fit_pair(table[~out], stressors)), table[out]))
    whole = pd.concat(held_out)
    scored = choose_scored(whole, stressors)
    calm = scored["role"] == STATES[0]
    threshold = {name: budget_threshold(scored.loc[calm, name]) if name in MOVING else 0.0 for name in PROTOCOLS}
    target = (~calm).to_numpy(int)
    temperature = {
        name: fit_temperature(from_log_odds(scored[name].to_numpy() - threshold[name]), target) for name in PROTOCOLS
    }
    for name in PROTOCOLS:
        whole[name] = (whole[name] - threshold[name]) / temperature[name]
    alarm = {
        name: choose_rule(np.array([measure_rules(course) for course in follow_sessions(whole, name, stressors)]))
        for name in MOVING
    }
    return LabModel(*_fit_pair(table, stressors), threshold, temperature, alarm)


def follow_sessions(scored: pd.DataFrame, protocol: str, stressors: Sequence[str] | None = None) -> list[Course]:
    """The course of each recording's log odds; phases of other strain than these are neither task nor rest."""
    courses = []
    for _, session in scored.groupby(["subject", "session"], sort=False):
        score = session[protocol].where(session["accepted"]).to_numpy(float)
        spans = session[session["phase"] != ""].groupby(["phase", "role"])["start_s"].agg(["min", "max"]).reset_index()
        is_task = spans["role"] == "stress" if stressors is None else spans["phase"].isin(stressors)
        strained = spans["role"].isin(["stress", "provocation", "exercise"])
        names = np.select([is_task, strained], [TASK, ANTICIPATION], spans["phase"])
        phases = pd.DataFrame({"phase": names, "start_s": spans["min"], "end_s": spans["max"] + WINDOW_S})
        courses.append(Course.from_phases(score, session["start_s"].to_numpy(float) + WINDOW_S, phases))
    return courses


def _fit_pair(table: pd.DataFrame, stressors: Sequence[str] | None) -> tuple[Physiology, Physiology]:
    taught = choose_scored(table[table["accepted"]], stressors)
    rest = table[(table["role"] == "own_rest") & table["accepted"]]
    cold = Physiology(STATES).fit(_examples(taught))
    taught = taught[taught["subject"].isin(_rested(rest))]
    return cold, Physiology(STATES).fit(_examples(taught), rest=_examples(rest))


def _rested(rest: pd.DataFrame) -> list[str]:
    counts = rest["subject"].value_counts()
    return list(counts.index[counts >= LEAST_REST])


def choose_scored(table: pd.DataFrame, stressors: Sequence[str] | None = None) -> pd.DataFrame:
    """Windows of rest, and of stress in these phases, that learn or are scored; none of a person's own rest."""
    chosen = table[table["role"].isin(STATES) & (table["start_s"] % SCORED_STEP_S == 0)]
    return chosen if stressors is None else chosen[(chosen["role"] == STATES[0]) | chosen["phase"].isin(stressors)]


def _examples(table: pd.DataFrame) -> Examples:
    names = choose_features(list(table.columns))
    facts = (table["role"].to_numpy(str), table["subject"].to_numpy(str), table["start_s"].to_numpy())
    return Examples(None, table[list(names)].to_numpy(float), (), (), names, *facts, np.nan)


def score_windows(model: LabModel, table: pd.DataFrame) -> pd.DataFrame:
    """Calibrated log odds of stress of all windows under each protocol, above 0 where it is called.

    Returns
    -------
    DataFrame
        `table` with a column a protocol and ``has_rest``; who has no rest is scored cold throughout.
    """
    rest = table[(table["role"] == "own_rest") & table["accepted"]]
    rested = _rested(rest)
    parts = []
    for subject, person in table.groupby("subject", sort=False):
        feature = _examples(person).feature
        cold = own = log_odds(model.cold, feature)
        if subject in rested:
            values = model.rested.rest_values(None, _examples(rest[rest["subject"] == subject]).feature)
            own = log_odds(model.rested, feature, np.tile(values, (len(feature), 1)))
        part = person.assign(cold_start=cold, own_rest=own, has_rest=subject in rested)
        for _, session in part.groupby("session", sort=False):
            for name, base in MOVING.items():
                moving = running_reference(session[base].to_numpy(), session["start_s"].to_numpy())
                part.loc[session.index, name] = moving
        parts.append(part)
    scored = pd.concat(parts)
    for name in PROTOCOLS:
        scored[name] = (scored[name] - model.threshold[name]) / model.temperature[name]
    return scored


def log_odds(model: Physiology, feature: np.ndarray, rest: np.ndarray | None = None) -> np.ndarray:
    """Log odds (window,) of the second of two states."""
    return np.diff(np.log(np.clip(model.predict_proba(None, feature, rest), 1e-12, 1)), axis=1)[:, 0]


def score_people(scored: pd.DataFrame, protocol: str, stressors: Sequence[str] | None = None) -> pd.DataFrame:
    """Each person by one protocol: ``accuracy balanced_accuracy roc_auc_within false_alarm_rate`` (person,).

    A person without windows of both states is left out.
    """
    from sklearn.metrics import roc_auc_score

    rows = {}
    for subject, person in choose_scored(scored, stressors).groupby("subject"):
        stress, called = person["role"] == "stress", person[protocol] > 0
        if stress.nunique() == 2:
            alarms, hits = called[~stress].mean(), called[stress].mean()
            area = roc_auc_score(stress, person[protocol])
            rows[subject] = (called == stress).mean(), (1 + hits - alarms) / 2, area, alarms
    names = ["accuracy", "balanced_accuracy", "roc_auc_within", "false_alarm_rate"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def summarise_people(people: pd.DataFrame, *, bootstrap: int = 2000, seed: int = 0) -> dict[str, float]:
    """Means over people, and the intervals (2.5 to 97.5 %) of both accuracies over draws of people."""
    if people.empty:
        raise InputError("nobody has windows of both rest and stress; nothing can be scored.")
    weights = bootstrap_weights(len(people), bootstrap, seed)
    summary = {"people": len(people)} | {name: float(value) for name, value in people.mean().items()}
    for name in ("accuracy", "balanced_accuracy"):
        low, high = interval(weights @ people[name].to_numpy() / len(people))
        summary |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return summary
