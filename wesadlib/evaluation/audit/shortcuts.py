"""Rules that are broken on purpose: windows, or predictions that were made honestly, in; tagged predictions out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.model_selection import StratifiedKFold

from wesadlib import models as registry
from wesadlib.errors import InputError
from wesadlib.evaluation import runner
from wesadlib.evaluation.folds import Job, task_name, windows_of_classes
from wesadlib.evaluation.predictions import decide, filter_predictions
from wesadlib.evaluation.protocols import ColdStart, Fold, non_overlapping
from wesadlib.params import Params

#: Shortcut -> what is done, and what it is held against.
RULES: dict[str, tuple[str, str]] = {
    "shuffled": ("windows of all people shuffled into five parts", "cold start"),
    "shuffled_no_overlap": ("the same, without overlapping windows", "cold start on these windows only"),
    "whole_recording": ("each person's windows scaled by that person's whole recording", "cold start"),
    "test_selected_epoch": ("epoch selected by the loss on the test person", "cold start"),
    "best_of_several": ("best of several seeds by test score", "mean of these seeds"),
    "dropped_windows": ("least confident windows dropped after scoring", "cold start on all windows"),
}

#: Into how many parts windows are shuffled.
PARTS = 5


def run_shortcuts(windows: xr.Dataset, predictions: pd.DataFrame, params: Params, **options: Any) -> pd.DataFrame:
    """Every shortcut, by the models that a run audits and its first seed; what `predictions` hold is not trained."""
    models, seed = params.audit_models, params.seeds[0]
    trained = predictions[predictions["seed"] == seed]
    parts = [
        shuffled(windows, models, params, seed=seed, **options),
        shuffled_no_overlap(windows, models[:1], params, seed=seed, **options),
        whole_recording(windows, models, params, trained, seed=seed, **options),
        best_of_several(windows, models, params, seeds=range(params.audit_seeds), **options),
        dropped_windows(trained, models, params, share=params.dropped_share),
    ]
    if networks := [name for name in models if selects_epoch(name, params)]:
        parts.append(select_epoch_on_test_person(windows, networks, params, seed=seed, **options))
    return pd.concat(parts, ignore_index=True)


def shuffled(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """Shuffle the windows of everybody into five parts, and predict each by a model of the other four.

    A window's neighbours, which share half of it, and the person's other windows are then learnt from.
    The arguments, here and below, are those of :func:`~wesadlib.evaluation.runner.evaluate`, with one seed of the
    shuffle and of the fit; predictions of every window are tagged as a shortcut.
    """
    windows = windows_of_classes(windows, params.classes)
    folds = shuffled_folds(windows, seed)
    return tag(predict(models, "shuffled", seed, folds, windows, params, **options), "shuffled", "shortcut")


def shuffled_no_overlap(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """The same of windows no two of which share a moment, and, as its reference, a cold start on these windows only.

    What is left of the shortcut's gain is not overlap: it is the person, whose other windows are learnt from.
    """
    windows, name = windows_of_classes(windows, params.classes), "shuffled_no_overlap"
    subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values.astype(float)
    apart = non_overlapping(subject, start_s, float(windows.attrs["window_s"]))
    broken = predict(models, name, seed, shuffled_folds(windows, seed, apart), windows, params, **options)
    honest = [
        Fold(fold.held_out, *(np.intersect1d(part, apart) for part in (fold.train, fold.validation, fold.test)))
        for fold in cold_folds(windows, params, seed)
    ]
    reference = predict(models, "cold_start_no_overlap", seed, honest, windows, params, **options)
    return pd.concat([tag(broken, name, "shortcut"), tag(reference, name, "reference")], ignore_index=True)


def select_epoch_on_test_person(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """Leave one subject out, and keep the weights of the epoch with the lowest loss on that very subject.

    Models that have no epochs to choose from are left out; if none has, it is refused. All else is as in a cold start,
    whose models learn from the same people.
    """
    names = [name for name in models if selects_epoch(name, params)]
    if not names:
        raise InputError(f"none of the models {', '.join(models)} has epochs to choose from; name one that has.")
    windows, name = windows_of_classes(windows, params.classes), "test_selected_epoch"
    folds = [
        Fold(fold.held_out, np.union1d(fold.train, fold.validation), validation=fold.test, test=fold.test)
        for fold in cold_folds(windows, params, seed)
    ]
    choosing = params.model_copy(update={"pick_epoch": True})
    return tag(predict(names, name, seed, folds, windows, choosing, **options), name, "shortcut")


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

    Of the run's `predictions` those of the protocol ``whole_recording`` are taken, so that nothing is trained twice.
    """
    name, parts, left = "whole_recording", [], list(models)
    if predictions is not None:
        chosen = (predictions["protocol"] == name) & (predictions["task"] == task_name(params.classes))
        parts = [predictions[chosen & predictions["model"].isin(left)].dropna(axis=1, how="all")]
        left = [model for model in models if model not in set(predictions.loc[chosen, "model"])]
    if left:
        parts.append(runner.evaluate(left, windows, protocol=name, seeds=[seed], params=params, **options))
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    # In the order in which the models were asked for, wherever each comes from.
    order = table["model"].map(list(dict.fromkeys(models)).index)
    return tag(table.iloc[order.argsort(kind="stable")].reset_index(drop=True), name, "shortcut")


def best_of_several(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seeds: Sequence[int], **options: Any
) -> pd.DataFrame:
    """Train by several seeds under a cold start, and show only the one with the highest accuracy on people left out.

    Its reference is all that was trained, of which the best is one.
    """
    trained = runner.evaluate(list(models), windows, protocol="cold_start", seeds=seeds, params=params, **options)
    name, best = "best_of_several", []
    correct = decide(trained)["correct"].groupby([trained["model"], trained["seed"]], sort=False).mean()
    for model, scores in correct.groupby("model", sort=False):
        _, seed = scores.idxmax()
        best.append(trained[(trained["model"] == model) & (trained["seed"] == seed)])
    return pd.concat([tag(pd.concat(best), name, "shortcut"), tag(trained, name, "reference")], ignore_index=True)


def dropped_windows(
    predictions: pd.DataFrame, models: Sequence[str], params: Params, *, share: float = 0.1
) -> pd.DataFrame:
    """Leave out of all scores the `share` of windows of which the model is least sure, once its predictions are there.

    Of the run's `predictions` those of the cold start are taken; confidence is the mean of the seeds.
    """
    kept = []
    for model in models:
        cold = filter_predictions(predictions, task=task_name(params.classes), protocol=ColdStart.name, model=model)
        confidence = decide(cold)["confidence"].groupby(cold["window"]).mean().sort_values(kind="stable")
        kept.append(cold[cold["window"].isin(confidence.index[round(share * len(confidence)) :])])
    return tag(pd.concat(kept, ignore_index=True), "dropped_windows", "shortcut")


def tag(predictions: pd.DataFrame, shortcut: str, role: str) -> pd.DataFrame:
    """Predictions with the columns by which nobody takes them for a result; a shortcut's protocol is its name."""
    protocol = shortcut if role == "shortcut" else predictions["protocol"]
    return predictions.assign(protocol=protocol, shortcut=shortcut, role=role, deployable=False)


def predict(
    names: Sequence[str], protocol: str, seed: int, split: list[Fold], windows: xr.Dataset, params: Params, **options
) -> pd.DataFrame:
    """Run folds of several models by the runner that runs all folds; `options` are those of the runner."""
    jobs = [Job(name, protocol, seed, fold) for name in names for fold in split]
    return runner.run_folds(jobs, windows, params, **options)[0]


def cold_folds(windows: xr.Dataset, params: Params, seed: int) -> list[Fold]:
    """The folds of a cold start."""
    return list(ColdStart(params.validation_subjects, seed).split(windows))


def selects_epoch(model: str, params: Params) -> bool:
    """Whether a model can let validation people choose the epoch whose weights are kept."""
    return bool(getattr(registry.create(model, params.model_copy(update={"pick_epoch": True})), "validates", True))


def shuffled_folds(windows: xr.Dataset, seed: int, among: np.ndarray | None = None) -> list[Fold]:
    """Folds that ask nobody whose windows they are: a random fifth is tested, another may decide when to stop.

    The draw keeps the share of each state, `among` all windows or those at some positions.
    """
    among = np.arange(windows.sizes["window"]) if among is None else among
    label = windows["label"].values.astype(str)[among]
    states, counts = np.unique(label, return_counts=True)
    if counts.min() < PARTS:
        raise InputError(
            f"{counts.min()} window(s) of `{states[counts.argmin()]}` to shuffle into {PARTS} parts, which need one "
            "each; give more subjects."
        )
    parts = [part for _, part in StratifiedKFold(PARTS, shuffle=True, random_state=seed).split(label, label)]
    return [
        Fold(
            f"part {k + 1}",
            train=among[np.sort(np.concatenate([parts[j] for j in range(PARTS) if j not in (k, (k + 1) % PARTS)]))],
            validation=among[parts[(k + 1) % PARTS]],
            test=among[parts[k]],
        )
        for k in range(PARTS)
    ]


def overlap_share(windows: xr.Dataset, folds: list[Fold]) -> float:
    """Share of tested windows that have a moment in common with a window, of the same person, that is learnt from."""
    subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values.astype(float)
    shared = []
    for fold in folds:
        learnt = np.union1d(fold.train, fold.validation)
        near = np.abs(start_s[fold.test, None] - start_s[learnt]) < float(windows.attrs["window_s"]) - 1e-6
        shared += (near & (subject[fold.test, None] == subject[learnt])).any(axis=1).tolist()
    return float(np.mean(shared))
