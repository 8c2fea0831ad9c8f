"""Models beside the people whom they have not seen: asked about these people's windows as they are, and destroyed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib import models
from wesadlib.artefacts import replacing
from wesadlib.evaluation.destruction import MAIN, WHOLE, destroy, permute_sensor, select_sensors, signal_of
from wesadlib.evaluation.folds import FoldWindows, Job, divide, fit_model, task_name
from wesadlib.evaluation.kept_folds import fold_files
from wesadlib.evaluation.predictions import clock_alone
from wesadlib.evaluation.protocols import ColdStart, make_protocol
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.statistics import holm, paired_test, ratio_interval
from wesadlib.evaluation.workers import shared_workers
from wesadlib.features import feature_values
from wesadlib.models import Examples, Model
from wesadlib.params import Params
from wesadlib.signals import windows_from_channels


def fit_people(
    names: Sequence[str], windows: xr.Dataset, params: Params, people: Sequence[str], *, folds: Path
) -> dict[tuple[str, str], Model]:
    """Model's name and person -> the model of the cold start's fold that left the person out, kept beside the fold."""
    arrays = FoldWindows.from_dataset(windows)
    seed = params.seeds[0]
    split = [fold for fold in make_protocol(ColdStart.name, params, seed).split(windows) if fold.held_out in people]
    fitted = {}
    for name in names:
        prototype = models.create(name, params)
        jobs = [Job(name, ColdStart.name, seed, fold) for fold in split]
        files = fold_files(folds, jobs, {name: prototype}, arrays)
        for job in jobs:
            folder = files[job.key].with_suffix("")
            if not folder.is_dir():
                train, validation = divide(prototype, arrays, job.fold.train, job.fold.validation)
                model = fit_model(prototype, train, validation, seed=seed, where=f"model of {job}")
                with replacing(folder) as new:
                    model.save(new)
            fitted[name, job.fold.held_out] = models.load(folder)
    return fitted


def read_features(examples: Examples) -> Examples:
    """The same windows with features read anew from their harmonised signals."""
    rates_hz = dict.fromkeys(examples.channels, examples.rate_hz)
    cuts = [(dict(zip(examples.channels, window, strict=True)), rates_hz) for window in examples.signal]
    window_s = examples.signal.shape[-1] / examples.rate_hz
    values, names = feature_values(windows_from_channels(cuts, rate_hz=examples.rate_hz, window_s=window_s))
    return replace(examples, feature=values, feature_names=names)


def destroy_windows(windows: xr.Dataset, rung: str) -> xr.Dataset:
    """Windows with signals destroyed and features read from what is left, on which models can be trained again."""
    examples = Examples.from_dataset(windows)
    left = read_features(replace(examples, signal=destroy(examples.signal, examples.rate_hz, rung)))
    bare = windows.drop_dims("feature_name", errors="ignore")
    signal = windows["signal"].transpose("window", "channel", "time").copy(data=left.signal)
    return bare.assign({"signal": signal, "feature": (("window", "feature_name"), left.feature)}).assign_coords(
        feature_name=list(left.feature_names)
    )


def predict_people(fitted: Mapping[tuple[str, str], Model], examples: Examples) -> pd.DataFrame:
    """Predictions, as folds give them, of each person's windows by the models that left the person out."""
    parts = []
    for (name, person), model in fitted.items():
        rows = np.flatnonzero(examples.subject == person)
        probability = models.predict(model, examples.take(rows))
        names = {"task": task_name(model.classes), "model": name, "protocol": ColdStart.name, "seed": 0}
        windows = {"subject": person, "window": rows, "label": examples.label[rows], "accepted": True}
        columns = {f"p_{state}": probability[:, k] for k, state in enumerate(model.classes)}
        parts.append(pd.DataFrame(names | windows | columns))
    return pd.concat(parts, ignore_index=True)


def score_people(predictions: pd.DataFrame, part: str, condition: str) -> pd.DataFrame:
    """``part condition model subject accuracy roc_auc`` of predictions of one task and protocol."""
    scores = score(predictions, by="subject").assign(part=part, condition=condition)
    return scores[["part", "condition", "model", "subject", "accuracy", "roc_auc"]]


def score_rungs(fitted: Mapping[tuple[str, str], Model], examples: Examples, rungs: Sequence[str]) -> pd.DataFrame:
    """The part ``fixed``: scores of fixed models on whole and on destroyed windows, all with features read anew."""
    reads_features = any(model.feature_names_ for model in fitted.values())
    rows = np.isin(examples.subject, [person for _, person in fitted])
    parts = []
    for rung in (WHOLE, *rungs):
        left = replace(examples, signal=destroy(examples.signal, examples.rate_hz, rung)).take(rows)
        left = read_features(left) if reads_features else left
        parts.append(score_people(predict_people(fitted, left), "fixed", rung))
    return pd.concat(parts, ignore_index=True)


def score_sensors(fitted: Mapping[tuple[str, str], Model], examples: Examples) -> pd.DataFrame:
    """Scores of fixed models where one sensor's windows are another's of the same person, the part ``permuted``."""
    permuted = {name: permute_sensor(examples, name) for name in dict.fromkeys(map(signal_of, examples.channels))}
    parts = {WHOLE: examples} | permuted
    scores = [score_people(predict_people(fitted, part), "permuted", name) for name, part in parts.items()]
    return pd.concat(scores, ignore_index=True)


def score_retrained(
    names: Sequence[str], quick: Sequence[str], windows: xr.Dataset, params: Params, *, folds: Path
) -> pd.DataFrame:
    """Scores of models trained and tested alike: the parts ``again`` (rungs), ``without`` and ``alone`` (one sensor).

    The last two are of `quick` models, and ``alone`` of the clock, which knows when a window starts and nothing else.
    """
    sensors = dict.fromkeys(map(signal_of, map(str, windows["channel"].values)))
    changes = [("again", rung, names, partial(destroy_windows, rung=rung)) for rung in MAIN]
    changes += [("without", name, quick, partial(select_sensors, sensors={*sensors} - {name})) for name in sensors]
    changes += [("alone", name, quick, partial(select_sensors, sensors={name})) for name in sensors]
    options = {"seeds": params.seeds[:1], "params": params, "folds": folds, "progress": False}
    with shared_workers(params, windows):
        whole = evaluate(list(dict.fromkeys([*names, *quick])), windows, **options)
        of_quick = whole[whole["model"].isin(quick)]
        parts = [score_people(whole, "again", WHOLE)]
        parts += [score_people(of_quick, part, WHOLE) for part in ("without", "alone")]
        parts.append(score_people(clock_alone(whole), "alone", "clock"))
        for part, condition, trained, change in changes:
            if trained:
                parts.append(score_people(evaluate(trained, change(windows), **options), part, condition))
    return pd.concat(parts, ignore_index=True)


def compare_people(scores: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """Scores (:func:`score_people`) of each model and condition, over people, and against itself on whole windows.

    ``difference low high p`` are of accuracy, people as pairs; ``p_holm`` is adjusted for all tests of the table.
    """
    rows = []
    for (part, condition, model), people in scores.groupby(["part", "condition", "model"], sort=False):
        row = {"part": part, "condition": condition, "model": model, "people": len(people)}
        for name in ("accuracy", "roc_auc"):
            low, high = ratio_interval(people[name], np.ones(len(people)), bootstrap=bootstrap)
            row |= {name: people[name].mean(), f"{name}_low": float(low), f"{name}_high": float(high)}
        row |= dict.fromkeys(("difference", "low", "high", "p"), np.nan)
        own = scores[(scores["part"] == part) & (scores["condition"] == WHOLE) & (scores["model"] == model)]
        if condition != WHOLE and len(own) > 1:
            accuracy = (table.set_index("subject")["accuracy"] for table in (own, people))
            test = paired_test(*accuracy, bootstrap=bootstrap)
            row |= {"difference": test.difference, "low": test.low, "high": test.high, "p": test.p_permutation}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"]))
