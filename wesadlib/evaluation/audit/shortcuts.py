"""The shortcuts themselves: windows, or predictions that were made honestly, in; marked predictions out."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.evaluation import runner
from wesadlib.evaluation.audit import rules
from wesadlib.evaluation.audit.rules import mark, predict
from wesadlib.evaluation.folds import task_name, windows_of_classes
from wesadlib.evaluation.predictions import decide, filter_predictions
from wesadlib.evaluation.protocols import ColdStart
from wesadlib.params import Params


def shuffled(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """Shuffle the windows of everybody into five parts, and predict each by a model of the other four.

    A window's neighbours, which share half of it, and the person's other windows are then learnt from.

    Parameters
    ----------
    windows : Dataset
        As for :func:`~wesadlib.evaluation.runner.evaluate`.
    models : sequence of str
        Registered names.
    params : Params
        The run's parameters.
    seed : int, optional
        Seed of the shuffle and of the fit.
    **options
        `workers`, `ray_address`, `folds` and `progress` of the runner.

    Returns
    -------
    DataFrame
        Predictions of every window, marked as a shortcut.
    """
    windows = windows_of_classes(windows, params.classes)
    folds = rules.shuffled_folds(windows, seed)
    return mark(predict(list(models), "shuffled", seed, folds, windows, params, **options), "shuffled", "shortcut")


def shuffled_no_overlap(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """The same of windows no two of which share a moment, and, as its reference, a cold start on these windows only.

    What is left of the shortcut's gain is not overlap: it is the person, whose other windows are learnt from.
    """
    windows = windows_of_classes(windows, params.classes)
    among, name = rules.without_overlap(windows), "shuffled_no_overlap"
    broken = predict(list(models), name, seed, rules.shuffled_folds(windows, seed, among), windows, params, **options)
    honest = rules.cold_folds(windows, params, seed, among)
    reference = predict(list(models), "cold_start_no_overlap", seed, honest, windows, params, **options)
    return pd.concat([mark(broken, name, "shortcut"), mark(reference, name, "reference")], ignore_index=True)


def select_epoch_on_test_person(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """Leave one subject out, and keep the weights of the epoch with the lowest loss on that very subject.

    Models that have no epochs to choose from are left out. All else is as in a cold start, whose models learn from the
    same people.

    Raises
    ------
    InputError
        When none of the models is trained by epochs.
    """
    names = [name for name in models if rules.picks_epochs(name, params)]
    if not names:
        raise InputError(f"none of the models {', '.join(models)} has epochs to choose from; name one that has.")
    windows, name = windows_of_classes(windows, params.classes), "test_selected_epoch"
    choosing = params.model_copy(update={"pick_epoch": True})
    folds = rules.told_folds(windows, params, seed)
    return mark(predict(names, name, seed, folds, windows, choosing, **options), name, "shortcut")


def whole_recording(
    windows: xr.Dataset,
    models: Sequence[str],
    params: Params,
    predictions: pd.DataFrame | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Scale each person's windows by that person's whole recording, the tested person's too, and do not say so.

    Parameters
    ----------
    predictions : DataFrame, optional
        The run's predictions; those of the protocol ``whole_recording`` are taken, so that nothing is trained twice.
    """
    name, parts, known = "whole_recording", [], set()
    if predictions is not None:
        chosen = (predictions["protocol"] == name) & (predictions["task"] == task_name(params.classes))
        parts = [predictions[chosen & predictions["model"].isin(list(models))].dropna(axis=1, how="all")]
        known = set(predictions.loc[chosen, "model"])
    left = [model for model in models if model not in known]
    if left:
        parts.append(runner.evaluate(left, windows, protocol=name, seeds=[seed], params=params, **options))
    together = pd.concat([part for part in parts if len(part)], ignore_index=True)
    # In the order in which the models were asked for, wherever each comes from.
    order = together["model"].map(list(dict.fromkeys(models)).index)
    return mark(together.iloc[order.argsort(kind="stable")].reset_index(drop=True), name, "shortcut")


def best_of_several(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seeds: Sequence[int], **options: Any
) -> pd.DataFrame:
    """Train by several seeds under a cold start, and show only the one with the highest accuracy on people left out.

    Its reference is all that was trained, of which the best is one.
    """
    tried = runner.evaluate(list(models), windows, protocol="cold_start", seeds=seeds, params=params, **options)
    name, best = "best_of_several", []
    for model, own in _accuracy_by_seed(tried).groupby("model", sort=False):
        seed = own.loc[own["accuracy"].idxmax(), "seed"]
        best.append(tried[(tried["model"] == model) & (tried["seed"] == seed)])
    return pd.concat([mark(pd.concat(best), name, "shortcut"), mark(tried, name, "reference")], ignore_index=True)


def seed_scores(several: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every seed of which :func:`best_of_several` shows the best: ``model seed accuracy``."""
    return _accuracy_by_seed(several[several["role"] == "reference"])


def _accuracy_by_seed(tried: pd.DataFrame) -> pd.DataFrame:
    keys = [tried["model"], tried["seed"]]
    return decide(tried)["correct"].groupby(keys, sort=False).mean().rename("accuracy").reset_index()


def dropped_windows(
    predictions: pd.DataFrame, models: Sequence[str], params: Params, *, share: float = 0.1
) -> pd.DataFrame:
    """Leave out the windows of which the model is least sure, once its predictions are there, and score the rest.

    Parameters
    ----------
    predictions : DataFrame
        The run's predictions; those of the cold start are taken.
    share : float, optional
        Share of the windows, by mean confidence of the seeds, that is left out of all scores.

    Raises
    ------
    InputError
        When a model has no predictions of a cold start.
    """
    kept = []
    for model in models:
        own = filter_predictions(predictions, task=task_name(params.classes), protocol=ColdStart.name, model=model)
        confidence = decide(own)["confidence"].groupby(own["window"]).mean().sort_values(kind="stable")
        kept.append(own[own["window"].isin(confidence.index[round(share * len(confidence)) :])])
    return mark(pd.concat(kept, ignore_index=True), "dropped_windows", "shortcut")
