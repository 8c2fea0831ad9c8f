"""The headline configuration, chosen for each person without that person: nested selection over groups of people.

People are drawn into groups. For each pair of groups every model is trained once on the people of the other groups and
predicts both. What was predicted of a person by models that had seen neither that person's group nor the group of
somebody who is to be tested says which configuration to use on the latter; so one training serves two choices, and no
choice has seen the person it is made for (Varma and Simon 2006 on why the choice must lie inside).
"""

import functools
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, task_name, windows_of_classes
from wesadlib.evaluation.predictions import filter_predictions, probabilities
from wesadlib.evaluation.protocols import PROTOCOLS, leave_out, make_protocol, subjects_of
from wesadlib.evaluation.runner import run_folds
from wesadlib.evaluation.scores import square_error
from wesadlib.params import Params

#: Name under which the chosen configurations' predictions go.
CHOSEN = "chosen"

#: Most models in a plain mean.
LARGEST_MEAN = 3

#: Between the names of a mean's members.
AND = "+"


def choose(
    predictions: pd.DataFrame, windows: xr.Dataset, params: Params, **options: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the headline configuration for every person without that person, on the main task.

    Of the predictions that :func:`~wesadlib.evaluation.matrix.run_matrix` gives, those by each person's choice under
    the model name ``chosen``, of each protocol that a device could follow; and ``protocol subject candidate brier
    chosen``: every configuration's score for every person's choice.
    """
    single = [name for name in dict.fromkeys(params.models) if not hasattr(models.create(name, params), "members")]
    task = task_name(params.classes)
    chosen, tables = [], []
    for protocol in dict.fromkeys(params.protocols):
        if not PROTOCOLS[protocol].deployable:
            continue
        pairs = predict_pairs(single, windows, protocol=protocol, seed=params.seeds[0], params=params, **options)
        of_protocol = filter_predictions(predictions, task=task, protocol=protocol)
        tables.append(score_candidates(pairs, list(dict.fromkeys(of_protocol["subject"]))))
        chosen.append(apply_choice(of_protocol, tables[-1]))
    return pd.concat(chosen, ignore_index=True), pd.concat(tables, ignore_index=True)


def draw_groups(people: Sequence[str], number: int, seed: int) -> dict[str, int]:
    """Draw people into groups as equal as can be; person -> group."""
    if number > len(people):
        raise InputError(
            f"{len(people)} subjects ({', '.join(people)}) for selection_groups={number}; lower `selection_groups` to "
            f"at most {len(people)} or give more subjects."
        )
    order = np.random.default_rng([seed, *b"groups"]).permutation(len(people))
    return {people[person]: place % number for place, person in enumerate(order)}


def predict_pairs(
    names: Sequence[str],
    windows: xr.Dataset,
    *,
    protocol: str,
    seed: int,
    params: Params,
    **options: Any,
) -> pd.DataFrame:
    """Predict every person by models that saw neither that person's group nor one other.

    `names` are registered models; a plain mean of models needs none of its own. ``params.selection_groups`` is the
    number of groups, drawn by the seed. Predictions have a row a window, model and pair of groups, with ``group``, the
    person's own, and ``other``, the group that was left out beside it.
    """
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


def list_candidates(names: Sequence[str]) -> list[str]:
    """Configurations to choose among: each model, and plain means of two and of three, such as ``logistic+resnet``."""
    return [AND.join(chosen) for size in range(1, LARGEST_MEAN + 1) for chosen in combinations(names, size)]


def score_candidates(pairs: pd.DataFrame, people: Sequence[str]) -> pd.DataFrame:
    """How well every configuration does for each person's choice, and which one is chosen.

    A configuration's score is the mean Brier score of the windows of people who are in other groups than the one it is
    chosen for, as predicted by models that had seen neither (:func:`predict_pairs`). The lowest is chosen; of equals
    the one of fewest models. Everybody is chosen for as well, under the name "", by all of the pairs: that is the
    configuration for people who are not among these. Rows: ``protocol subject candidate brier chosen``.
    """
    names = list(dict.fromkeys(pairs["model"]))
    group = dict(zip(pairs["subject"], pairs["group"], strict=True))
    keys = ["window", "group", "other"]
    states, _ = probabilities(pairs)
    columns = [f"p_{state}" for state in states]
    by_model = {name: part.set_index(keys).sort_index() for name, part in pairs.groupby("model", sort=False)}
    first = by_model[names[0]]
    label = pd.Index(states).get_indexer(first["label"])
    other = first.index.get_level_values("other").to_numpy()
    rows = []
    for candidate in list_candidates(names):
        probability = np.mean([by_model[name][columns].to_numpy() for name in candidate.split(AND)], axis=0)
        error = square_error(probability, label)
        for person in ["", *people]:
            counted = other == group[person] if person else np.ones(len(other), bool)
            rows.append({"subject": person, "candidate": candidate, "brier": error[counted].mean()})
    table = pd.DataFrame(rows).assign(protocol=pairs["protocol"].iloc[0])
    best = table.groupby("subject", sort=False)["brier"].idxmin()
    table["chosen"] = table.index.isin(best)
    return table[["protocol", "subject", "candidate", "brier", "chosen"]]


def apply_choice(predictions: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Predictions of each person, of one task and protocol, by the configuration chosen without that person.

    The same columns, a row a window and seed, under the model name ``chosen``; people are left out, under a seed, of
    whom a member of their configuration has no prediction, as they are of that member.
    """
    choice = scored[scored["chosen"]].set_index("subject")["candidate"]
    columns = [name for name in predictions.columns if name.startswith("p_")]
    tables = []
    for person, own in predictions.groupby("subject", sort=False):
        members = choice[person].split(AND)
        parts = [own[own["model"] == name].set_index(["seed", "window"]).sort_index() for name in members]
        common = functools.reduce(pd.Index.intersection, [part.index for part in parts])
        mean = np.mean([part.loc[common, columns].to_numpy() for part in parts], axis=0)
        means = dict(zip(columns, mean.T, strict=True))
        tables.append(parts[0].loc[common].assign(model=CHOSEN, **means).reset_index()[list(predictions.columns)])
    tables = [table for table in tables if len(table)]
    if not tables:
        raise InputError("no prediction by the configurations that were chosen; evaluate all of the models again.")
    return pd.concat(tables).sort_values("seed", kind="stable").reset_index(drop=True)
