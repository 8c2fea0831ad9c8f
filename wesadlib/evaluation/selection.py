"""The headline configuration and every model's temperature, found for each person without that person.

People are drawn into groups. For each pair of groups every model is trained once on the people of the other groups and
predicts both. What was predicted of a person by models that had seen neither that person's group nor the group of
somebody who is to be tested says how far confidence can be believed, and which configuration to use, on the latter; so
one training serves two people, and nothing has seen the person it is found for (Varma and Simon 2006 on why the choice
must lie inside).

The rule, written down before any score of a person left out was looked at: each model gets the one temperature of least
log loss on these predictions (Guo et al. 2017). A plain mean of models averages its members with their temperatures,
and, since an average of calibrated members claims too little, gets one more, found alike. The configuration of least
mean log loss after that is chosen; of equals the one of fewest models. Log loss and not the Brier score, so that one
criterion makes both decisions: it is what temperatures minimise.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, task_name, windows_of_classes
from wesadlib.evaluation.predictions import RAW, filter_predictions, probabilities
from wesadlib.evaluation.protocols import PROTOCOLS, leave_out, make_protocol, subjects_of
from wesadlib.evaluation.runner import run_folds
from wesadlib.models.calibration import apply_temperature, fit_temperature
from wesadlib.params import Params

#: Name under which the chosen configurations' predictions go.
CHOSEN = "chosen"
#: Between the names of a mean's members.
AND = "+"
COLUMNS = ["protocol", "subject", "candidate", "log_loss", "temperature", "chosen"]


def choose(
    predictions: pd.DataFrame, windows: xr.Dataset, params: Params, **options: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrate models and choose the headline configuration for every person without that person, on the main task.

    Of each protocol that a device could follow, predictions become what :func:`apply_choice` gives; all others stay as
    they are, and where there are too few people (:func:`can_choose`) so do these. The second table is of
    :func:`score_candidates`.
    """
    if not can_choose(len(subjects_of(windows)), params):
        return predictions, pd.DataFrame(columns=COLUMNS).astype({"chosen": bool})
    means = {name: list(params.mean_of) for name in params.models if name == "mean"}
    single = list(dict.fromkeys(name for model in params.models for name in means.get(model, [model])))
    task = task_name(params.classes)
    tables, scored = [], []
    for (of_task, protocol), part in predictions.groupby(["task", "protocol"], sort=False):
        if of_task == task and PROTOCOLS[protocol].deployable:
            pairs = predict_pairs(single, windows, protocol=protocol, seed=params.seeds[0], params=params, **options)
            part = filter_predictions(part)
            scored.append(score_candidates(pairs, list(dict.fromkeys(part["subject"])), means.values()))
            part = apply_choice(part, scored[-1], means)
        tables.append(part)
    return pd.concat(tables, ignore_index=True), pd.concat(scored, ignore_index=True)


def can_choose(people: int, params: Params) -> bool:
    """Whether so many people make the groups, and leave somebody to learn from when the two largest are left out."""
    out = ceil(people / params.selection_groups) + ceil((people - 1) / params.selection_groups)
    return people >= params.selection_groups and people - out > params.validation_subjects


def draw_groups(people: Sequence[str], number: int, seed: int) -> dict[str, int]:
    """Draw people into groups as equal as can be; person -> group."""
    order = np.random.default_rng([seed, *b"groups"]).permutation(len(people))
    return {people[person]: place % number for place, person in enumerate(order)}


def predict_pairs(
    names: Sequence[str], windows: xr.Dataset, *, protocol: str, seed: int, params: Params, **options: Any
) -> pd.DataFrame:
    """Predict every person by models that saw neither that person's ``group`` nor one ``other``."""
    splitter = make_protocol(protocol, params, seed)
    windows = windows_of_classes(splitter.prepare(windows), params.classes)
    group = draw_groups(subjects_of(windows), params.selection_groups, seed)
    usable = splitter.usable(windows)
    jobs, sums = [], []
    for first, second in combinations(range(params.selection_groups), 2):
        out = [person for person, number in group.items() if number in (first, second)]
        fold = leave_out(splitter, usable, out, f"groups {first}{AND}{second}")
        jobs += [Job(name, protocol, seed, fold) for name in names]
        sums += [first + second] * (len(names) * len(fold.test))
    predictions, training = run_folds(jobs, windows, params, **options)
    if training["error"].any():
        raise InputError(f"the choice of a configuration needs every fold: {training['error'].max()}")
    # In the order of the jobs, each with the windows of its two groups, of which one is the person's.
    group_of = predictions["subject"].map(group)
    return predictions.assign(group=group_of, other=np.array(sums) - group_of)


def list_candidates(names: Sequence[str], means: Iterable[Sequence[str]] = ()) -> list[str]:
    """Configurations to choose among: each model, means of two and three, such as ``logistic+resnet``, and `means`."""
    listed = [AND.join(chosen) for size in (1, 2, 3) for chosen in combinations(names, size)]
    return list(dict.fromkeys([*listed, *(_join(members, names) for members in means)]))


def _join(members: Sequence[str], names: Sequence[str]) -> str:
    return AND.join(sorted(members, key=list(names).index))


def score_candidates(pairs: pd.DataFrame, people: Sequence[str], means: Iterable[Sequence[str]] = ()) -> pd.DataFrame:
    """How well every configuration does for each person's choice, with which temperature, and which one is chosen.

    Both are found on the windows of people of other groups, as predicted by models that had seen neither
    (:func:`predict_pairs`); under the name "", for people who are not among these, on all of the pairs. A mean's
    temperature is the one after averaging members that have theirs.
    """
    names = list(dict.fromkeys(pairs["model"]))
    states, _ = probabilities(pairs)
    # Every model predicts the same windows in the same order.
    by_model = {name: probabilities(part)[1] for name, part in pairs.groupby("model", sort=False)}
    first = pairs[pairs["model"] == names[0]]
    label, other = pd.Index(states).get_indexer(first["label"]), first["other"].to_numpy()
    candidates, rows = list_candidates(names, means), []
    for left_out in ["", *sorted(set(other))]:
        counted = np.ones(len(other), bool) if left_out == "" else other == left_out
        target, calibrated = label[counted], {}
        for candidate in candidates:
            members = candidate.split(AND)
            probability = by_model[candidate][counted] if len(members) == 1 else _mean(calibrated, members)
            temperature = fit_temperature(probability, target)
            calibrated[candidate] = apply_temperature(probability, temperature)
            loss = -np.log(np.clip(calibrated[candidate][np.arange(len(target)), target], 1e-12, 1)).mean()
            rows.append({"group": left_out, "candidate": candidate, "log_loss": loss, "temperature": temperature})
    scored = pd.DataFrame(rows)
    # Rounded as temperatures are, so that configurations that do the same are equals.
    best = scored["log_loss"].round(6).groupby(scored["group"], sort=False).idxmin()
    scored = scored.assign(protocol=pairs["protocol"].iloc[0], chosen=scored.index.isin(best))
    group = dict(zip(pairs["subject"], pairs["group"], strict=True))
    everybody = pd.DataFrame({"subject": ["", *people], "group": ["", *map(group.get, people)]})
    return everybody.merge(scored, on="group", how="left")[COLUMNS]


def _mean(probabilities_of: Mapping[str, np.ndarray], members: Sequence[str]) -> np.ndarray:
    return np.mean([probabilities_of[name] for name in members], axis=0)


def apply_choice(
    predictions: pd.DataFrame, scored: pd.DataFrame, means: Mapping[str, Sequence[str]] = {}
) -> pd.DataFrame:
    """Predictions of one task and protocol, calibrated for each person without that person, and those by the choice.

    The latter, of the model ``chosen``, are of people whom every member of their configuration has predicted. What was
    given before temperatures is in ``raw_p_<state>``. A mean without a member's predictions stays as it is.
    """
    columns = [name for name in predictions.columns if name.startswith("p_")]
    temperature = scored.pivot(index="subject", columns="candidate", values="temperature")
    names = [name for name in scored["candidate"].unique() if AND not in name]
    by_model = {name: part.set_index(["seed", "window"]) for name, part in predictions.groupby("model", sort=False)}

    def give(candidate: str, rows: pd.DataFrame) -> pd.DataFrame:
        members, of_each = candidate.split(AND), temperature.loc[rows["subject"]]
        given = {name: by_model[name].loc[rows.index, columns].to_numpy() for name in members}
        calibrated = {name: apply_temperature(p, of_each[[name]].to_numpy()) for name, p in given.items()}
        probability = _mean(calibrated, members)
        if len(members) > 1:
            probability = apply_temperature(probability, of_each[[candidate]].to_numpy())
        raw = dict(zip([f"{RAW}{name}" for name in columns], _mean(given, members).T, strict=True))
        return rows.assign(**dict(zip(columns, probability.T, strict=True)), **raw)

    tables = []
    for model, rows in by_model.items():
        candidate = _join(means[model], names) if model in means else model
        is_calibrated = candidate in temperature and by_model.keys() >= set(candidate.split(AND))
        tables.append(give(candidate, rows) if is_calibrated else rows)
    choice = scored[scored["chosen"] & (scored["subject"] != "")]
    for candidate, people in choice.groupby("candidate", sort=False)["subject"]:
        members = [by_model[name][by_model[name]["subject"].isin(people)] for name in candidate.split(AND)]
        common = functools.reduce(pd.Index.intersection, [part.index for part in members])
        tables.append(give(candidate, members[0].loc[common]).assign(model=CHOSEN))
    raw = [name for name in tables[0] if name.startswith(RAW)]
    return pd.concat(tables).reset_index()[[*predictions.columns, *raw]]


def final_temperatures(scored: pd.DataFrame, model: str, params: Params) -> dict[str, dict[str, float]]:
    """Protocol -> temperatures of a model, and of a mean's members, for people who are not among these."""
    members = list(params.mean_of) if model == "mean" else [model]
    of_others = scored[scored["subject"] == ""]
    result = {}
    for protocol, part in of_others.groupby("protocol", sort=False):
        temperature = part.set_index("candidate")["temperature"]
        names = [name for name in temperature.index if AND not in name]
        if set(members) <= set(names):
            result[protocol] = temperature[members].to_dict() | {model: float(temperature[_join(members, names)])}
    return result
