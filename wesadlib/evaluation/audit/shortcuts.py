"""Rules that are broken on purpose: folds that no protocol has, and honest predictions that are chosen among."""

from collections.abc import Sequence
from functools import partial
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
    """Every shortcut, by the models that a run audits and its first seed, and what some are held against.

    Where windows are shuffled, a window's neighbours, which share half of it, and the person's other windows are learnt
    from; what is left of the gain without overlap is the person.
    """
    models, seed = params.audit_models, params.seeds[0]
    labelled = windows_of_classes(windows, params.classes)
    apart = non_overlapping(labelled, float(labelled.attrs["window_s"]))
    cold = cold_folds(labelled, params, seed)
    mixed, mixed_apart = shuffled_folds(labelled, seed), shuffled_folds(labelled, seed, apart)
    cold_apart = [
        Fold(fold.held_out, *(np.intersect1d(part, apart) for part in (fold.train, fold.validation, fold.test)))
        for fold in cold
    ]
    run = partial(predict, seed=seed, windows=labelled, params=params, **options)
    whole = runner.evaluate(models, windows, protocol="whole_recording", seeds=[seed], params=params, **options)
    several = runner.evaluate(models, windows, seeds=range(params.audit_seeds), params=params, **options)
    trained = filter_predictions(
        predictions[predictions["seed"] == seed], task=task_name(params.classes), protocol=ColdStart.name
    )
    sure = [drop_unsure(filter_predictions(trained, model=name), params.dropped_share) for name in models]
    parts = [
        tag(run(models, "shuffled", mixed), "shuffled", "shortcut"),
        tag(run(models[:1], "shuffled_no_overlap", mixed_apart), "shuffled_no_overlap", "shortcut"),
        tag(run(models[:1], "cold_start_no_overlap", cold_apart), "shuffled_no_overlap", "reference"),
        tag(whole, "whole_recording", "shortcut"),
        tag(best_seed(several), "best_of_several", "shortcut"),
        tag(several, "best_of_several", "reference"),
        tag(pd.concat(sure), "dropped_windows", "shortcut"),
    ]
    choosing = params.model_copy(update={"pick_epoch": True})
    if networks := [name for name in models if getattr(registry.create(name, choosing), "validates", True)]:
        # The tested person chooses the epoch; who would have chosen it is learnt from as well.
        folds = [Fold(fold.held_out, np.union1d(fold.train, fold.validation), fold.test, fold.test) for fold in cold]
        chosen = run(networks, "test_selected_epoch", folds, params=choosing)
        parts.append(tag(chosen, "test_selected_epoch", "shortcut"))
    return pd.concat(parts, ignore_index=True)


def best_seed(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of each model only the seed with the highest accuracy on the people left out."""
    keys = ["model", "seed"]
    scores = decide(predictions).groupby(keys, sort=False)["correct"].mean()
    best = scores.groupby("model", sort=False).idxmax()
    return predictions[pd.MultiIndex.from_frame(predictions[keys]).isin(best)]


def drop_unsure(predictions: pd.DataFrame, share: float) -> pd.DataFrame:
    """Predictions of one model without the `share` of windows of which it is least sure, by the mean of its seeds."""
    confidence = decide(predictions).groupby("window")["confidence"].mean().sort_values(kind="stable")
    return predictions[predictions["window"].isin(confidence.index[round(share * len(confidence)) :])]


def tag(predictions: pd.DataFrame, shortcut: str, role: str) -> pd.DataFrame:
    """Predictions with the columns by which nobody takes them for a result; a shortcut's protocol is its name."""
    protocol = shortcut if role == "shortcut" else predictions["protocol"]
    return predictions.assign(protocol=protocol, shortcut=shortcut, role=role, deployable=False)


def predict(
    names: Sequence[str],
    protocol: str,
    split: Sequence[Fold],
    *,
    seed: int,
    windows: xr.Dataset,
    params: Params,
    **options,
) -> pd.DataFrame:
    """Run folds of several models by the runner that runs all folds."""
    jobs = [Job(name, protocol, seed, fold) for name in names for fold in split]
    return runner.run_folds(jobs, windows, params, **options)[0]


def cold_folds(windows: xr.Dataset, params: Params, seed: int) -> list[Fold]:
    """The folds of a cold start."""
    return list(ColdStart(params.validation_subjects, seed).split(windows))


def shuffled_folds(windows: xr.Dataset, seed: int, among: np.ndarray | None = None) -> list[Fold]:
    """Folds that ask nobody whose windows they are: a random fifth of each state is tested, another may validate."""
    among = np.arange(windows.sizes["window"]) if among is None else among
    label = windows["label"].values.astype(str)[among]
    states, counts = np.unique(label, return_counts=True)
    if counts.min() < PARTS:
        raise InputError(
            f"{counts.min()} window(s) of `{states[counts.argmin()]}` to shuffle into {PARTS} parts, which need one "
            "each; give more subjects."
        )
    parts = [among[part] for _, part in StratifiedKFold(PARTS, shuffle=True, random_state=seed).split(label, label)]
    folds = []
    for k in range(PARTS):
        test, validation, *train = parts[k:] + parts[:k]
        folds.append(Fold(f"part {k + 1}", np.sort(np.concatenate(train)), validation, test))
    return folds


def overlap_share(windows: xr.Dataset, folds: list[Fold]) -> float:
    """Share of tested windows that have a moment in common with a window, of the same person, that is learnt from."""
    subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values.astype(float)
    shared = []
    for fold in folds:
        learnt = np.union1d(fold.train, fold.validation)
        near = np.abs(start_s[fold.test, None] - start_s[learnt]) < float(windows.attrs["window_s"]) - 1e-6
        shared += (near & (subject[fold.test, None] == subject[learnt])).any(axis=1).tolist()
    return float(np.mean(shared))
