"""One fold, from its windows to its predictions; the same code here and on a worker."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from wesadlib import models
from wesadlib.data import STATES
from wesadlib.errors import InputError
from wesadlib.evaluation.splits import Fold, subjects_of

#: Everything that is not stress, as one state.
NON_STRESS = "non-stress"
PARTS_OF_NON_STRESS = ("baseline", "amusement")

#: What a model reports of an epoch: epoch (from 1), epochs at most, training loss, validation loss.
Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True)
class Job:
    """One fold of one model under one seed."""

    model: str
    protocol: str
    seed: int
    fold: Fold

    def __str__(self) -> str:
        return f"{self.fold.held_out} ({self.model}, {self.protocol}, seed {self.seed})"


def task_name(classes: Sequence[str]) -> str:
    """Name of the task of telling `classes` apart.

    >>> task_name(["baseline", "stress"])
    'stress-baseline'
    >>> task_name(["baseline", "stress", "amusement"])
    'amusement-stress-baseline'
    """
    return "-".join(sorted(classes, key=lambda state: -STATES.index(state) if state in STATES else 1))


def windows_of_classes(windows: xr.Dataset, classes: Sequence[str]) -> xr.Dataset:
    """Windows of the states to tell apart, each with its ``position (window)`` among all.

    Where ``non-stress`` is one of them, windows of baseline and amusement get that label; the coordinate
    ``state (window)`` keeps what was recorded.

    Raises
    ------
    InputError
        When a state has no window, or would be part of another.
    """
    recorded = windows["label"].values.astype(str)
    label = recorded
    if NON_STRESS in classes:
        both = [name for name in classes if name in PARTS_OF_NON_STRESS]
        if both:
            raise InputError(f"`classes` names {NON_STRESS} and `{both[0]}`, which is part of it; name one of them.")
        label = np.where(np.isin(recorded, PARTS_OF_NON_STRESS), NON_STRESS, recorded)
    for state in classes:
        if not (label == state).any():
            raise InputError(
                f"no window of `{state}` among the {len(label)} windows of "
                f"{', '.join(subjects_of(windows)) or 'nobody'}; give more subjects or take it out of `classes`."
            )
    chosen = np.flatnonzero(np.isin(label, classes))
    coordinates = {"label": label[chosen], "state": recorded[chosen], "position": chosen}
    return windows.isel(window=chosen).assign_coords({name: ("window", value) for name, value in coordinates.items()})


def accepted(windows: xr.Dataset) -> np.ndarray:
    """Whether quality accepted each window, bool (window,); without ``verdict`` nothing was refused, so all are."""
    if "verdict" in windows:
        return windows["verdict"].values.astype(bool)
    return np.ones(windows.sizes["window"], dtype=bool)


def divide(
    prototype: models.Model, windows: xr.Dataset, train: np.ndarray, validation: np.ndarray
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Windows that a model learns from, and those that decide when it stops.

    Windows that quality refused teach nothing. A model whose class says ``validates = False`` has nothing to stop or
    to choose, so it learns from the validation people as well, and gets None.

    Parameters
    ----------
    prototype : Model
        The model, unfitted.
    windows : Dataset
        Windows.
    train, validation : ndarray of int, (window,)
        Positions in `windows`, of different people.
    """
    good = accepted(windows)
    if not getattr(prototype, "validates", True):
        together = np.union1d(train, validation)
        return windows.isel(window=together[good[together]]), None
    return windows.isel(window=train[good[train]]), windows.isel(window=validation[good[validation]])


def fit_model(
    prototype: models.Model,
    train: xr.Dataset,
    validation: xr.Dataset | None,
    *,
    seed: int,
    where: str,
    rest: xr.Dataset | None = None,
    progress: Progress | None = None,
) -> models.Model:
    """Fit a copy of an unfitted model by the one recipe of folds and of the final model.

    Fitting runs on one thread, so that its sums, and with them its numbers, are the same beside others and alone.

    Parameters
    ----------
    prototype : Model
        Unfitted; left as it is.
    train, validation : Dataset
        What :func:`divide` gives.
    seed : int
        Seed of the fit.
    where : str
        Beginning of an error's sentence, such as ``fold of S3``.
    rest : Dataset, optional
        Windows at rest of the people in `train` and `validation`, where the protocol shows them.
    progress : callable, optional
        Told of each epoch.

    Raises
    ------
    InputError
        When a state has no accepted window to train on, or no accepted window is left to validate on.
    """
    for state in prototype.classes:
        if not (train["label"].values == state).any():
            raise InputError(
                f"{where}: no accepted window of `{state}` among the training people "
                f"{', '.join(subjects_of(train)) or '(none left)'}; give more subjects or relax the quality thresholds."
            )
    if validation is not None and not validation.sizes["window"]:
        raise InputError(
            f"{where}: no accepted window of the validation people; relax the quality thresholds or raise "
            "`validation_subjects`."
        )
    with threadpool_limits(limits=1):
        given, validation, rest = (
            None if part is None else models.Examples.from_dataset(part) for part in (train, validation, rest)
        )
        return copy.deepcopy(prototype).fit(given, validation, rest=rest, seed=seed, progress=progress)


def run_fold(
    prototype: models.Model, windows: xr.Dataset, job: Job, progress: Progress | None = None, node: str = ""
) -> pd.DataFrame:
    """Train on a fold's training people and predict every window of its test person.

    Parameters
    ----------
    prototype : Model
        Unfitted.
    windows : Dataset
        The windows that the fold's positions point into, with ``position (window)``: their place in the run's
        windows.
    job : Job
        What to run.
    progress : callable, optional
        Told of each epoch.
    node : str, optional
        The cluster's name of the machine that this runs on, for the record.

    Returns
    -------
    DataFrame
        Predictions, a row a window; ``attrs["training"]`` is the fold's row of the training table.
    """
    fold, began = job.fold, time.perf_counter()
    where = f"fold of {job}"
    train, validation = divide(prototype, windows, fold.train, fold.validation)
    test = windows.isel(window=fold.test)
    rest_of_others, rest_of_tested = _divide_rest(windows, fold, where)
    options = {"seed": job.seed, "where": where, "rest": rest_of_others, "progress": progress}
    model = fit_model(prototype, train, validation, **options)
    seconds = time.perf_counter() - began

    with threadpool_limits(limits=1):
        tested = models.Examples.from_dataset(test)
        at_rest = None if rest_of_tested is None else models.Examples.from_dataset(rest_of_tested)
        probabilities = models.predict(model, tested, at_rest)
    if not np.isfinite(probabilities).all():
        raise InputError(f"{where}: probabilities that are not numbers; training diverged, so lower `learning_rate`.")
    table = pd.DataFrame(
        {
            "task": task_name(model.classes),
            "model": job.model,
            "protocol": job.protocol,
            "seed": job.seed,
            "subject": test["subject"].values.astype(str),
            "window": test["position"].values,
            "start_s": test["start_s"].values,
            "label": test["label"].values.astype(str),
            **{f"p_{state}": probabilities[:, k] for k, state in enumerate(model.classes)},
            "accepted": accepted(test),
        }
    )
    table.attrs["training"] = {
        **describe_job(job, prototype),
        "error": "",
        "validation_subjects": [] if validation is None else subjects_of(validation),
        "train_windows": train.sizes["window"],
        "validation_windows": 0 if validation is None else validation.sizes["window"],
        **describe_epochs(model),
        "seconds": seconds,
        "node": node,
    }
    return table


def describe_job(job: Job, prototype: models.Model) -> dict[str, Any]:
    """Names of a fold in the training table."""
    return {
        "task": task_name(prototype.classes),
        "model": job.model,
        "protocol": job.protocol,
        "seed": job.seed,
        "subject": job.fold.held_out,
    }


def _divide_rest(windows: xr.Dataset, fold: Fold, where: str) -> tuple[xr.Dataset | None, xr.Dataset | None]:
    # Of those who teach and of those who are tested.
    if not len(fold.calibration):
        return None, None
    good = accepted_rest(windows, fold.calibration, where)
    tested = subjects_of(windows.isel(window=fold.test))
    own = np.isin(windows["subject"].values.astype(str)[good], tested)
    return windows.isel(window=good[~own]), windows.isel(window=good[own])


def accepted_rest(windows: xr.Dataset, calibration: np.ndarray, where: str) -> np.ndarray:
    """Those of some windows at rest that quality accepts.

    Parameters
    ----------
    windows : Dataset
    calibration : ndarray of int (rest_window,)
        Positions in `windows`.
    where : str
        Beginning of an error's sentence.

    Raises
    ------
    InputError
        When a person has none.
    """
    subject = windows["subject"].values.astype(str)
    good = calibration[accepted(windows)[calibration]]
    without = [person for person in dict.fromkeys(subject[calibration]) if person not in subject[good]]
    if without:
        raise InputError(
            f"{where}: no accepted window at rest of {', '.join(without)}; raise `rest_minutes`, relax the quality "
            "thresholds, or leave them out by `subjects`."
        )
    return good


def describe_epochs(model: models.Model) -> dict[str, Any]:
    """A fitted model's epochs in the training table; NaN where it has none."""
    # Models that are not trained by epochs have no history, and say so by NaN rather than by a number of epochs.
    history = getattr(model, "history_", None)
    if history is None:
        return {"best_epoch": float("nan"), "epochs": float("nan"), "train_loss": [], "validation_loss": []}
    return {
        "best_epoch": float(model.best_epoch_),
        "epochs": float(len(history)),
        "train_loss": history["train_loss"].astype(float).tolist(),
        "validation_loss": history["validation_loss"].astype(float).tolist(),
    }
