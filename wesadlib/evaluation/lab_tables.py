"""What is told of models on other labs: scores of each protocol, exercise, readings in each phase."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.evaluation.labs import STATES, STRESSORS, choose_scored, is_seated, score_people, summarise_people
from wesadlib.evaluation.transfer import FOLDS, PROTOCOLS, at_rest, carry_heart, fit_gate, movement
from wesadlib.models.base import mean_of_known
from wesadlib.models.physiology import choose_features

#: Below this probability of the likelier state nothing is answered.
LEAST_CONFIDENCE = 0.6
_LEAST_ODDS = np.log(LEAST_CONFIDENCE / (1 - LEAST_CONFIDENCE))


def score_protocols(scored: pd.DataFrame, facts: Mapping[str, Any]) -> tuple[list[dict], pd.DataFrame]:
    """Rows of ``transfer``, one a task and protocol, and a row a person and protocol for all stressors together.

    `scored` are windows of one lab from :func:`~wesadlib.evaluation.transfer.score_windows`, with ``exertion``.
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
