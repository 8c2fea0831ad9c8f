"""Models on other labs: who is left out, scores of each protocol, exercise, alarms, readings in each phase."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from lab_windows import STATES, STRESSORS, choose_scored, is_seated
from sklearn.metrics import roc_auc_score
from transfer import (
    COLD,
    FOLDS,
    PROTOCOLS,
    LabModel,
    at_rest,
    carry_heart,
    fit_gate,
    follow_sessions,
    movement,
    score_windows,
)

from wesadlib.drift.alarm import is_judged
from wesadlib.drift.person import compare_person
from wesadlib.errors import InputError
from wesadlib.evaluation.events import BUDGET
from wesadlib.evaluation.statistics import bootstrap_weights, interval
from wesadlib.evaluation.whole_recordings import score_course
from wesadlib.models.base import mean_of_known
from wesadlib.models.calibration import from_log_odds
from wesadlib.models.physiology import choose_features

#: People of one lab, or of all, are this many groups, each tested by a model of the others.
PEOPLE_FOLDS = 10
#: Below this probability of the likelier state nothing is answered.
LEAST_CONFIDENCE = 0.6
_LEAST_ODDS = np.log(LEAST_CONFIDENCE / (1 - LEAST_CONFIDENCE))


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


def score_people(scored: pd.DataFrame, protocol: str, stressors: Sequence[str] | None = None) -> pd.DataFrame:
    """Each person by one protocol: ``accuracy balanced_accuracy roc_auc_within false_alarm_rate`` (person,).

    A person without windows of both states is left out.
    """
    rows = {}
    for subject, person in choose_scored(scored, stressors).groupby("subject"):
        stress, called = person["role"] == "stress", person[protocol] > 0
        if stress.nunique() == 2:
            alarms, hits = called[~stress].mean(), called[stress].mean()
            area = roc_auc_score(stress, person[protocol])
            rows[subject] = (called == stress).mean(), (1 + hits - alarms) / 2, area, alarms
    names = ["accuracy", "balanced_accuracy", "roc_auc_within", "false_alarm_rate"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def summarise_people(people: pd.DataFrame) -> dict[str, float]:
    """Means over people, and the intervals (2.5 to 97.5 %) of both accuracies over draws of people."""
    if people.empty:
        raise InputError("nobody has windows of both rest and stress; nothing can be scored.")
    weights = bootstrap_weights(len(people), 2000)
    summary = {"people": len(people)} | {name: float(value) for name, value in people.mean().items()}
    for name in ("accuracy", "balanced_accuracy"):
        low, high = interval(weights @ people[name].to_numpy() / len(people))
        summary |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return summary


def score_protocols(scored: pd.DataFrame, facts: Mapping[str, Any]) -> tuple[list[dict], pd.DataFrame]:
    """Rows of ``transfer``, one a task and protocol, and a row a person and protocol for all stressors together.

    `scored` are windows of one lab from :func:`transfer.score_windows`, with ``exertion``.
    """
    stressors = STRESSORS[facts["test"]]
    tasks = {"stress": stressors} | {phase: (phase,) for phase in stressors if len(stressors) > 1}
    recovery, rows, people = scored[scored["role"] == "recovery"], [], []
    without_rest = int((~scored.groupby("subject")["has_rest"].first()).sum())
    for protocol in [name for name in PROTOCOLS if name in scored]:
        alarms = (recovery[protocol] > 0).groupby(recovery["subject"]).mean()
        for task, phases in tasks.items():
            table = score_people(scored, protocol, phases)
            row = {**facts, "task": task, "protocol": protocol, "n_windows": len(choose_scored(scored, phases))}
            row |= summarise_people(table) | _score_answers(choose_scored(scored, phases), protocol)
            row |= {"without_rest": without_rest, "recovery_called_stress": None if alarms.empty else alarms.mean()}
            rows.append(row)
            if task == "stress":
                people.append(table.rename_axis("subject").reset_index().assign(**facts, protocol=protocol))
    return rows, pd.concat(people, ignore_index=True)


def _score_answers(chosen: pd.DataFrame, protocol: str) -> dict[str, float]:
    """Means over people of what is answered, and of all good windows where what is not answered counts as rest.

    Not answered is what the gate holds back or too little confidence; names that end in ``by_gate``: the gate alone.
    """
    good = chosen[chosen["accepted"]]
    stress, score = good["role"] == STATES[1], good[protocol]
    seated, called = ~good["exertion"], score > 0
    each = {}
    for ending, answered in {"": (score.abs() >= _LEAST_ODDS) & seated, "_by_gate": seated}.items():
        each[f"answered{ending}"] = answered
        each[f"accuracy_answered{ending}"] = (called == stress)[answered]
        each[f"accuracy_abstained_as_rest{ending}"] = (called & answered) == stress
    return {name: float(values.groupby(good["subject"]).mean().mean()) for name, values in each.items()}


def hold_back(table: pd.DataFrame) -> pd.DataFrame:
    """Which windows the gate of exertion holds back: ``exertion``, and of exercise, ``exertion_other_kind``.

    Labs with exercise and those named among the open ones are held back by a gate of other people; all others by one of
    a lab that they are not of. The other kind: by a gate that has seen no session of the same kind.
    """
    exercising = table["lab"].isin(table.loc[table["role"] == "exercise", "lab"])
    taught = table[table["lab"] != "wesad"]
    table = table.assign(exertion=False, exertion_other_kind=False)
    strangers = ~table["lab"].isin(taught["lab"])
    table.loc[strangers, "exertion"] = fit_gate(taught).holds_back(movement(table[strangers]))
    people, kinds = sorted(taught["subject"].unique()), table.loc[exercising & ~is_seated(table), "session"].unique()
    for fold in range(FOLDS):
        out = table["subject"].isin(people[fold::FOLDS])
        others = taught[~taught["subject"].isin(people[fold::FOLDS])]
        table.loc[out, "exertion"] = fit_gate(others).holds_back(movement(table[out]))
        for kind in kinds:
            same = out & (table["session"] == kind)
            gate = fit_gate(others[others["session"] != kind])
            table.loc[same, "exertion_other_kind"] = gate.holds_back(movement(table[same]))
    return table


def score_exercise(scored: pd.DataFrame, home: pd.DataFrame) -> dict[str, Any]:
    """Means over people, of good windows: of exercise what is called stress, and what holding back costs at `home`."""
    moving, home = scored[(scored["role"] == "exercise") & scored["accepted"]], home[home["accepted"]]
    called = moving["running_reference"] > 0
    exercise = {
        "called_stress": called & ~moving["exertion"],
        "abstained": moving["exertion"],
        "called_stress_without_gate": called,
        "called_stress_other_kind": called & ~moving["exertion_other_kind"],
    }
    at_home = {"abstained_at_home": home, **{f"abstained_at_home_{s}": home[home["role"] == s] for s in STATES}}
    shares = {name: values.groupby(moving["subject"]).mean().mean() for name, values in exercise.items()}
    shares |= {name: rows.groupby("subject")["exertion"].mean().mean() for name, rows in at_home.items()}
    return {name: float(share) for name, share in shares.items()} | {
        "people": moving["subject"].nunique(),
        "n_windows": len(moving),
        "refused": float(1 - len(moving) / max((scored["role"] == "exercise").sum(), 1)),
    }


def score_lab(model: LabModel, table: pd.DataFrame, stressors: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Alarms in a lab by a model and rules of other labs: rows of recordings with a task, and timelines of all.

    Both are as :func:`~wesadlib.evaluation.whole_recordings.score_alarms` gives them. `table` has windows with
    ``exertion``: what the gate withholds is no answer. Who has no rest gets the rule of those without.
    """
    scored = score_windows(model, table)
    scored["accepted"] &= ~scored["exertion"]
    has_rest = scored.groupby("subject")["has_rest"].first()
    rows, timelines = [], []
    for protocol in model.alarm:
        for (subject, _), course in follow_sessions(scored, protocol, stressors).items():
            names = {"model": model.cold.name, "protocol": protocol, "subject": subject.partition("/")[2]}
            probability = from_log_odds(course.score)[:, -1]
            rules = model.alarm[protocol if has_rest[subject] else COLD.get(protocol, protocol)]
            for budget, rule in rules.items():
                row, timeline = score_course(course, rule, probability)
                if course.tasks:
                    rows.append(names | {"budget_per_h": budget} | row)
                if budget == BUDGET:
                    timelines.append(timeline.assign(**names))
    return pd.DataFrame(rows), pd.concat(timelines, ignore_index=True)


def measure_responses(table: pd.DataFrame) -> pd.DataFrame:
    """What each of the small model's readings does in each phase, in spreads of rest about people's own means.

    ``lab phase role reading response rising people``: the mean over people, and the share of them who rise.
    """
    table = carry_heart(table)
    table = table[table["accepted"]]
    names = list(choose_features(list(table.columns)))
    rest = at_rest(table).groupby("subject")[names].mean()
    chosen = table[table["subject"].isin(rest.index) & table["role"].isin([*STATES, "provocation", "exercise"])]
    differences = chosen[names] - rest.loc[chosen["subject"]].to_numpy()
    spread = np.sqrt(mean_of_known(differences[chosen["role"] == STATES[0]].to_numpy() ** 2))
    keys = chosen[["lab", "phase", "role", "subject"]]
    each = pd.concat([keys, differences / spread], axis=1)
    each["phase"] = each["phase"].where(each["role"] != "exercise", "exercise")
    long = each.groupby(["lab", "phase", "role", "subject"])[names].mean().rename_axis(columns="reading").stack()
    grouped = long.groupby(["lab", "phase", "role", "reading"])
    means = pd.DataFrame({"response": grouped.mean(), "rising": grouped.agg(lambda one: (one > 0).mean())})
    return means.assign(people=grouped.size()).reset_index()


def measure_distance(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """How strange each person of `test` is to those of `train`, as the drift report has it, and what could be read.

    ``subject distance heart_read``: the median over readings of the distance from the people's median in their standard
    deviations; the share of windows with a heart rate.
    """
    names = [name for name in train if name.startswith(("wrist_bvp_", "wrist_eda_")) and is_judged(name)]
    good = train[train["accepted"] & train["role"].isin(STATES)]
    reference, rows = good[["subject", "start_s", *names]], []
    for subject, person in test[test["accepted"]].groupby("subject"):
        seated = person[person["role"].isin(STATES)]
        if len(seated):
            distance = compare_person(reference, seated[names])["distance"].abs().median()
            heart = [name for name in names if name.endswith("_heart_rate")]
            share = float(seated[heart[0]].notna().mean()) if heart else np.nan
            rows.append((subject, distance, share))
    return pd.DataFrame(rows, columns=["subject", "distance", "heart_read"])
