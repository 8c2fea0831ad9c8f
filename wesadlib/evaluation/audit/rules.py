"""The rules that are broken, the folds that break them, and the mark that their predictions carry."""

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.model_selection import StratifiedKFold

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation import runner
from wesadlib.evaluation.folds import Job
from wesadlib.evaluation.protocols import ColdStart
from wesadlib.evaluation.splits import Fold, subjects_of
from wesadlib.params import Params

#: Shortcut -> what is done, and what it is held against.
RULES: dict[str, tuple[str, str]] = {
    "shuffled": ("windows of everybody, drawn at random into five parts", "cold start"),
    "shuffled_no_overlap": ("the same, of windows that do not overlap", "cold start on these windows only"),
    "whole_recording": ("each person's windows scaled by that person's whole recording", "cold start"),
    "test_selected_epoch": ("the epoch chosen by the loss on the person who is tested", "cold start"),
    "best_of_several": ("the best of several seeds by the score on people left out", "mean of these seeds"),
    "dropped_windows": ("the least confident windows left out after the result is seen", "cold start on all windows"),
}

#: Into how many parts windows are shuffled.
PARTS = 5


def mark(predictions: pd.DataFrame, shortcut: str, role: str) -> pd.DataFrame:
    """Predictions with the columns by which nobody takes them for a result; a shortcut's protocol is its name."""
    protocol = shortcut if role == "shortcut" else predictions["protocol"]
    return predictions.assign(protocol=protocol, shortcut=shortcut, role=role, deployable=False)


def without_overlap(windows: xr.Dataset) -> np.ndarray:
    """Positions of windows of which no two of a person share a moment, the earliest first.

    Parameters
    ----------
    windows : Dataset
        Windows with ``subject`` and ``start_s (window)`` and the attribute ``window_s``.
    """
    subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values.astype(float)
    kept = []
    for person in subjects_of(windows):
        end = -np.inf
        for k in np.flatnonzero(subject == person)[np.argsort(start_s[subject == person], kind="stable")]:
            if start_s[k] >= end - 1e-6:
                kept.append(k)
                end = start_s[k] + float(windows.attrs["window_s"])
    return np.sort(np.array(kept, dtype=np.intp))


def shuffled_folds(windows: xr.Dataset, seed: int, among: np.ndarray | None = None) -> list[Fold]:
    """Folds that ask nobody whose windows they are: a random fifth is tested, another may decide when to stop.

    Parameters
    ----------
    windows : Dataset
        Windows with ``label (window)``.
    seed : int
        Seed of the draw, which keeps the share of each state.
    among : ndarray of int, optional
        Positions of the windows to take; default all.

    Raises
    ------
    InputError
        When a state has fewer windows than there are parts.
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
    """Share of tested windows that have a moment in common with a window, of the same person, that is learnt from.

    Parameters
    ----------
    windows : Dataset
        Windows with ``subject`` and ``start_s (window)`` and the attribute ``window_s``.
    folds : list of Fold
        Folds that together test each window at most once.
    """
    subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values.astype(float)
    touched = []
    for fold in folds:
        learnt = np.union1d(fold.train, fold.validation)
        near = np.abs(start_s[fold.test, None] - start_s[learnt]) < float(windows.attrs["window_s"]) - 1e-6
        touched += (near & (subject[fold.test, None] == subject[learnt])).any(axis=1).tolist()
    return float(np.mean(touched))


def cold_folds(windows: xr.Dataset, params: Params, seed: int, among: np.ndarray) -> list[Fold]:
    """The folds of a cold start, of some of the windows only."""
    return [
        Fold(fold.held_out, *(np.intersect1d(part, among) for part in (fold.train, fold.validation, fold.test)))
        for fold in ColdStart(params.validation_subjects, seed).split(windows)
    ]


def told_folds(windows: xr.Dataset, params: Params, seed: int) -> list[Fold]:
    """The folds of a cold start whose person, when left out, decides when training stops."""
    return [
        Fold(fold.held_out, np.union1d(fold.train, fold.validation), validation=fold.test, test=fold.test)
        for fold in ColdStart(params.validation_subjects, seed).split(windows)
    ]


def picks_epochs(model: str, params: Params) -> bool:
    """Whether a model can let validation people choose the epoch whose weights are kept."""
    return bool(getattr(models.create(model, params.model_copy(update={"pick_epoch": True})), "validates", True))


def predict(
    names: list[str], protocol: str, seed: int, split: list[Fold], windows: xr.Dataset, params: Params, **options
) -> pd.DataFrame:
    """Run folds of several models by the runner that runs all folds; `options` are those of the runner."""
    jobs = [Job(name, protocol, seed, fold) for name in names for fold in split]
    return runner.run_jobs(jobs, windows, params, **options)[0]
