"""Models of some people on others: fitted, given thresholds on people left out, and scored over whole recordings."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from lab_windows import STATES, STRESSORS, balanced_threshold, choose_scored, is_seated

from wesadlib.errors import InputError
from wesadlib.evaluation.alarm import Rule
from wesadlib.evaluation.events import STRAIN, TASK, Course, choose_rule, measure_rules
from wesadlib.evaluation.running import CARRY_S, running_reference
from wesadlib.evaluation.whole_recordings import WINDOW_S
from wesadlib.models import Examples, Model, predict
from wesadlib.models.calibration import fit_temperature, from_log_odds
from wesadlib.models.exertion import FEATURES, ExertionGate, fit_threshold
from wesadlib.models.physiology import Physiology

#: Least number of good windows from which a person's rest is taken.
LEAST_REST = 2
#: People that a threshold is found on are this many groups, each scored by models of the others.
FOLDS = 5
#: Protocols with a running reference.
MOVING = ("running_cold", "running_reference")
#: Nothing known; the person's rest known; and each with a threshold that follows the person.
PROTOCOLS = ("cold_start", "own_rest", *MOVING)
#: Protocols that take the person's rest -> the one by which a person without is asked.
COLD = {"own_rest": "cold_start", "running_reference": "running_cold"}
# Roles of seated windows that the gate's threshold is found on.
_SEATED = ("own_rest", "recovery", *STATES)
#: Ending of the reading that a recording carries over gaps; conductance has none.
_CARRIED = "heart_rate"
#: Share of windows at rest that may be called stress among the people whom a threshold is found on.
_CALLED_AT_REST = 0.1


class LabModel(NamedTuple):
    """What people of some labs taught: models without and with people's rest, and what follows for each protocol.

    That is what its score is compared with, what the difference is divided by for calibrated log odds, and, by the
    budget of false alarms, when these become an alarm.
    """

    cold: Model
    rested: Model
    threshold: dict[str, float] = dict.fromkeys(PROTOCOLS, 0.0)
    temperature: dict[str, float] = dict.fromkeys(PROTOCOLS, 1.0)
    alarm: Mapping[str, Mapping[float, Rule]] = {}


def _physiology() -> Model:
    return Physiology(STATES)


def fit_labs(
    table: pd.DataFrame,
    stressors: Sequence[str] | None = None,
    create: Callable[[], Model] = _physiology,
    protocols: Sequence[str] = PROTOCOLS,
    *,
    balanced: bool = False,
    budgets: Sequence[float] = (),
) -> LabModel:
    """Learn from everybody in a table; thresholds and temperatures are found on people left out in turn.

    `stressors` are the phases of stress to learn from (all), `create` makes an unfitted model, `protocols` are those by
    which it will be asked: without one that follows the person nobody is left out, and odds are as they come. A
    threshold that follows the person is exceeded by the budget's share of windows at rest of the people left out;
    `balanced`: it gives them the best balanced accuracy. For `budgets` of false alarms an hour rules of alarm are
    chosen too, on the same people, which takes ten times as long.
    """
    people = sorted(table["subject"].unique())
    if len(people) < 2:
        raise InputError(f"{len(people)} person to learn from; thresholds are found on people left out, so give more.")
    plain = LabModel(*_fit_pair(table, stressors, create), dict.fromkeys(protocols, 0.0), dict.fromkeys(protocols, 1.0))
    if not set(protocols) & set(MOVING):
        return plain
    groups = [table["subject"].isin(people[fold::FOLDS]) for fold in range(min(FOLDS, len(people)))]
    models = (LabModel(*_fit_pair(table[~out], stressors, create)) for out in groups)
    whole = pd.concat([score_windows(model, table[out]) for model, out in zip(models, groups, strict=True)])
    threshold, temperature, alarm = {}, {}, {}
    for name in PROTOCOLS:
        asked = whole[whole["has_rest"]] if name in COLD else whole
        scored = choose_scored(asked, stressors)
        calm, threshold[name] = scored["role"] == STATES[0], 0.0
        if name in MOVING:
            threshold[name] = (
                balanced_threshold(scored, name) if balanced else scored[name][calm].quantile(1 - _CALLED_AT_REST)
            )
        odds = from_log_odds(scored[name].to_numpy() - threshold[name])
        temperature[name] = fit_temperature(odds, (~calm).to_numpy(int))
        if budgets and name in MOVING:
            asked = asked.assign(**{name: (asked[name] - threshold[name]) / temperature[name]})
            courses = follow_sessions(asked, name, stressors).values()
            measured = np.array([measure_rules(course) for course in courses])
            alarm[name] = {budget: choose_rule(measured, budget) for budget in budgets}
    return plain._replace(threshold=threshold, temperature=temperature, alarm=alarm)


def follow_sessions(
    scored: pd.DataFrame, protocol: str, stressors: Sequence[str] | None = None
) -> dict[tuple[str, str], Course]:
    """Person and session -> the course of its log odds; phases of strain other than `stressors` are no task."""
    courses = {}
    for key, session in scored.groupby(["subject", "session"], sort=False):
        score = session[protocol].where(session["accepted"]).to_numpy(float)
        session = session.assign(block=(session["phase"] != session["phase"].shift()).cumsum())
        blocks = session[session["phase"] != ""].groupby(["block", "phase", "role"])
        spans = blocks["start_s"].agg(["min", "max"]).reset_index()
        role, phase = spans["role"], spans["phase"]
        is_task = role == STATES[1] if stressors is None else phase.isin(stressors)
        kinds = is_task, role == STATES[1], role.isin(["", "own_rest", "recovery"]), role == "other"
        names = np.select(kinds, [TASK, STRAIN[1], STATES[0], phase], role)
        phases = pd.DataFrame({"phase": names, "start_s": spans["min"], "end_s": spans["max"] + WINDOW_S})
        courses[key] = Course.from_phases(score, session["start_s"].to_numpy(float) + WINDOW_S, phases)
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
    """A table with ``has_rest`` and, a column a protocol, calibrated log odds of stress, which is called above 0.

    Who has no rest is scored cold throughout.
    """
    parts = []
    for _, person in table.groupby("subject", sort=False):
        rest = at_rest(person)
        part = person.assign(has_rest=len(rest) > 0)
        for name in model.threshold:
            known = name if len(rest) else COLD.get(name, name)
            windows = carry_heart(person) if name in MOVING else person
            rested = known not in COLD.values()
            odds = _log_odds(model.rested, windows, rest) if rested else _log_odds(model.cold, windows)
            if name in MOVING:
                odds = _follow(odds, person)
            part[name] = (odds - model.threshold[known]) / model.temperature[known]
        parts.append(part)
    return pd.concat(parts)


def _follow(odds: np.ndarray, person: pd.DataFrame) -> np.ndarray:
    """Log odds less each session's own so far; a refused window's are compared with these and not one of them."""
    odds = odds.copy()
    for rows in person.groupby("session", sort=False).indices.values():
        session = person.iloc[rows]
        odds[rows] = running_reference(odds[rows], session["start_s"].to_numpy(), session["accepted"].to_numpy())
    return odds


def carry_heart(table: pd.DataFrame) -> pd.DataFrame:
    """A table of windows with heart rates that could not be read taken from a good window shortly before."""
    carried = table.copy()
    for _, session in table.groupby(["subject", "session"], sort=False):
        for name in [name for name in table if name.endswith(f"_{_CARRIED}")]:
            good = session[name].where(session["accepted"]).to_numpy(float)
            carried.loc[session.index, name] = carry_forward(good, session["start_s"].to_numpy())
    return carried


def carry_forward(values: np.ndarray, start_s: np.ndarray) -> np.ndarray:
    """Values (window,) with missing ones taken from the last window that has one, if it began so shortly before."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return np.where(start_s - start_s[last] <= CARRY_S, values[last], np.nan)


def _log_odds(model: Model, windows: pd.DataFrame, rest: pd.DataFrame | None = None) -> np.ndarray:
    probability = predict(model, examples_of(windows), None if rest is None else examples_of(rest))
    return np.diff(np.log(np.clip(probability, 1e-12, 1)), axis=1)[:, 0]


def stressors_of(labs: Sequence[str]) -> list[str]:
    """Phases of stress of some labs."""
    return [phase for lab in labs for phase in STRESSORS[lab]]


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
