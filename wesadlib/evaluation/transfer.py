"""Models of some people on others: fitted, given thresholds on people left out, and scored over whole recordings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from wesadlib.errors import InputError
from wesadlib.evaluation.alarm import Rule
from wesadlib.evaluation.events import ANTICIPATION, TASK, Course, choose_rule, measure_rules
from wesadlib.evaluation.labs import STATES, STRESSORS, WINDOW_S, choose_scored, is_seated
from wesadlib.evaluation.running import budget_threshold, carry_forward, running_reference
from wesadlib.models import Examples, Model, predict
from wesadlib.models.calibration import fit_temperature, from_log_odds
from wesadlib.models.exertion import FEATURES, ExertionGate, fit_threshold
from wesadlib.models.physiology import Physiology

#: Least number of good windows from which a person's rest is taken.
LEAST_REST = 2
#: People that a threshold is found on are this many groups, each scored by models of the others.
FOLDS = 5
#: People of one lab, or of all, are this many groups, each tested by a model of the others.
PEOPLE_FOLDS = 10
#: Protocols with a running reference -> the protocol whose score is taken.
MOVING = {"running_cold": "cold_start", "running_reference": "own_rest"}
#: Nothing known; the person's rest known; and each with a threshold that follows the person.
PROTOCOLS = ("cold_start", "own_rest", *MOVING)
# Roles of seated windows that the gate's threshold is found on.
_SEATED = ("own_rest", "recovery", *STATES)
#: Ending of the reading that a recording carries over gaps; conductance has none.
_CARRIED = "heart_rate"


class LabModel(NamedTuple):
    """What people of some labs taught.

    Attributes
    ----------
    cold, rested : Model
        Fitted without and with people's rest.
    threshold, temperature : dict of str to float
        Protocol -> what its score is compared with, and what the difference is divided by for calibrated log odds.
    alarm : dict of str to Rule
        Protocol -> when these log odds become an alarm.
    """

    cold: Model
    rested: Model
    threshold: dict[str, float] = dict.fromkeys(PROTOCOLS, 0.0)
    temperature: dict[str, float] = dict.fromkeys(PROTOCOLS, 1.0)
    alarm: Mapping[str, Rule] = {}


def _physiology() -> Model:
    return Physiology(STATES)


def fit_labs(
    table: pd.DataFrame,
    stressors: Sequence[str] | None = None,
    create: Callable[[], Model] = _physiology,
    protocols: Sequence[str] = PROTOCOLS,
) -> LabModel:
    """Learn from everybody in a table; thresholds and temperatures are found on people left out in turn.

    Parameters
    ----------
    table : DataFrame
        Windows of several recordings, with ``subject``.
    stressors : sequence of str, optional
        Phases of stress to learn from; default: all.
    create : callable
        Makes an unfitted model of :data:`~wesadlib.evaluation.labs.STATES`.
    protocols : sequence of str
        By which it will be asked; without one that follows the person nobody is left out, and odds are as they come.
    """
    people = sorted(table["subject"].unique())
    if len(people) < 2:
        raise InputError(f"{len(people)} person to learn from; thresholds are found on people left out, so give more.")
    plain = LabModel(*_fit_pair(table, stressors, create), dict.fromkeys(protocols, 0.0), dict.fromkeys(protocols, 1.0))
    if not set(protocols) & set(MOVING):
        return plain
    held_out = []
    for fold in range(min(FOLDS, len(people))):
        out = table["subject"].isin(people[fold::FOLDS])
        held_out.append(score_windows(LabModel(*_fit_pair(table[~out], stressors, create)), table[out]))
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
    return plain._replace(threshold=threshold, temperature=temperature, alarm=alarm)


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


def _fit_pair(table: pd.DataFrame, stressors: Sequence[str] | None, create: Callable[[], Model]) -> tuple[Model, Model]:
    table = carry_heart(table)
    taught = choose_scored(table[table["accepted"]], stressors)
    rest = at_rest(table)
    cold = create().fit(examples_of(taught), seed=0)
    taught = taught[taught["subject"].isin(rest["subject"])]
    return cold, create().fit(examples_of(taught), rest=examples_of(rest), seed=0)


def at_rest(table: pd.DataFrame) -> pd.DataFrame:
    """Good windows of people's own rest, of those who have enough of them."""
    rest = table[(table["role"] == "own_rest") & table["accepted"]]
    return rest[rest.groupby("subject")["start_s"].transform("size") >= LEAST_REST]


def examples_of(table: pd.DataFrame) -> Examples:
    """Windows of a table as models take them, with all its features of the wrist."""
    names = tuple(name for name in table if name.startswith("wrist_"))
    facts = (table["role"].to_numpy(str), table["subject"].to_numpy(str), table["start_s"].to_numpy())
    return Examples(None, table[list(names)].to_numpy(float), (), (), names, *facts, np.nan)


def score_windows(model: LabModel, table: pd.DataFrame) -> pd.DataFrame:
    """Calibrated log odds of stress of all windows under each protocol, above 0 where it is called.

    Returns
    -------
    DataFrame
        `table` with a column a protocol and ``has_rest``; who has no rest is scored cold throughout.
    """
    parts = []
    for _, person in table.groupby("subject", sort=False):
        rest = at_rest(person)
        part = person.assign(has_rest=len(rest) > 0, cold_start=_log_odds(model.cold, person))
        part["own_rest"] = _log_odds(model.rested, person, rest) if len(rest) else part["cold_start"]
        moving = [name for name in MOVING if name in model.threshold]
        if moving:
            carried = carry_heart(person)
            part["running_cold"] = _log_odds(model.cold, carried)
            rested = _log_odds(model.rested, carried, rest) if len(rest) else part["running_cold"]
            part["running_reference"] = rested
        for _, session in part.groupby("session", sort=False):
            for name in moving:
                follows = running_reference(session[name].to_numpy(), session["start_s"].to_numpy())
                part.loc[session.index, name] = follows
        parts.append(part)
    scored = pd.concat(parts)
    for name in model.threshold:
        scored[name] = (scored[name] - model.threshold[name]) / model.temperature[name]
    return scored


def carry_heart(table: pd.DataFrame) -> pd.DataFrame:
    """A table of windows with heart rates that could not be read taken from shortly before."""
    carried = table.copy()
    for _, session in table.groupby(["subject", "session"], sort=False):
        for name in [name for name in table if name.endswith(f"_{_CARRIED}")]:
            filled = carry_forward(session[name].to_numpy(float), session["start_s"].to_numpy())
            carried.loc[session.index, name] = filled
    return carried


def _log_odds(model: Model, windows: pd.DataFrame, rest: pd.DataFrame | None = None) -> np.ndarray:
    probability = predict(model, examples_of(windows), None if rest is None else examples_of(rest))
    return np.diff(np.log(np.clip(probability, 1e-12, 1)), axis=1)[:, 0]


def stressors_of(labs: Sequence[str]) -> list[str]:
    """Phases of stress of some labs."""
    return [phase for lab in labs for phase in STRESSORS[lab]]


def leave_one_lab_out(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame, pd.DataFrame]]:
    """For each lab: of every other lab, and of all others together, ``train test``, their windows and the lab's."""
    labs = list(dict.fromkeys(table["lab"]))
    if len(labs) < 2:
        raise InputError(f"windows of {len(labs)} lab; leaving one out takes two.")
    for test in labs:
        others = [lab for lab in labs if lab != test]
        for train in dict.fromkeys([*((lab,) for lab in others), tuple(others)]):
            yield "+".join(train), test, table[table["lab"].isin(train)], table[table["lab"] == test]


def leave_people_out(table: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Windows of nine tenths of the people and of the tenth left, of each lab alike; everybody is left out once."""
    people = {lab: sorted(part["subject"].unique()) for lab, part in table.groupby("lab", sort=False)}
    if lone := [lab for lab, names in people.items() if len(names) < 3]:
        raise InputError(f"{lone[0]}: fewer than three people, of whom none can be left out.")
    for fold in range(min(PEOPLE_FOLDS, max(map(len, people.values())))):
        out = table["subject"].isin([name for names in people.values() for name in names[fold::PEOPLE_FOLDS]])
        yield table[~out], table[out]


def movement(table: pd.DataFrame) -> np.ndarray:
    """Readings (window, reading) that the gate of exertion takes."""
    return table[list(FEATURES)].to_numpy(float)


def fit_gate(table: pd.DataFrame) -> ExertionGate:
    """Learn exercise from a table with sessions of it; the threshold is found on seated people left out in turn.

    Windows of sessions without exercise are seated, whatever is done in them; of those with it, only the phases of
    exercise are learnt from.
    """
    seated, people = is_seated(table), sorted(table["subject"].unique())
    taught = table[seated | (table["role"] == "exercise")]
    held_out = []
    for fold in range(min(FOLDS, len(people))):
        out = taught["subject"].isin(people[fold::FOLDS])
        calm = taught[out & taught["role"].isin(_SEATED) & taught["accepted"]]
        held_out.append(_fit_gate(taught[~out]).score(movement(calm)))
    gate = _fit_gate(taught)
    gate.threshold = fit_threshold(np.concatenate(held_out))
    return gate


def _fit_gate(taught: pd.DataFrame) -> ExertionGate:
    return ExertionGate().fit(movement(taught), (taught["role"] == "exercise").to_numpy())
