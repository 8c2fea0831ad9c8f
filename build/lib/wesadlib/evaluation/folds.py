"""One fold, from its windows to its predictions; the same code here and on a worker."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from wesadlib import models
from wesadlib.data import STATES
from wesadlib.errors import InputError
from wesadlib.evaluation.protocols import Fold, subjects_of
from wesadlib.models import Examples
from wesadlib.models.base import Progress

#: Everything that is not stress, as one state.
NON_STRESS = "non-stress"
PARTS_OF_NON_STRESS = ("baseline", "amusement")


@dataclass(frozen=True)
class Job:
    """One fold of one model under one seed."""

    model: str
    protocol: str
    seed: int
    fold: Fold

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What names it among the folds of a run."""
        return self.model, self.protocol, self.seed, self.fold.held_out

    def __str__(self) -> str:
        return f"{self.fold.held_out} ({self.model}, {self.protocol}, seed {self.seed})"


@dataclass(frozen=True)
class FoldWindows:
    """Windows that folds point into: as models take them, whether quality accepted each, its place in the run's."""

    examples: Examples
    accepted: np.ndarray
    position: np.ndarray

    @classmethod
    def from_dataset(cls, windows: xr.Dataset) -> Self:
        """Arrays of what :func:`windows_of_classes` gives."""
        return cls(Examples.from_dataset(windows), accepted(windows), windows["position"].values)


class FoldResult(NamedTuple):
    """Predictions, a row a window, none where the fold failed; and the fold's row of the training table."""

    predictions: pd.DataFrame
    training: dict[str, Any]


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
    prototype: models.Model, windows: FoldWindows, train: np.ndarray, validation: np.ndarray
) -> tuple[Examples, Examples | None]:
    """Windows that a model learns from, and those that decide when it stops, by positions of different people.

    Windows that quality refused teach nothing. A model whose class says ``validates = False`` has nothing to stop or to
    choose, so it learns from the validation people as well, and gets None.
    """
    good = windows.accepted
    if not getattr(prototype, "validates", True):
        everybody = np.union1d(train, validation)
        return windows.examples.take(everybody[good[everybody]]), None
    return windows.examples.take(train[good[train]]), windows.examples.take(validation[good[validation]])


def accepted_rest(windows: FoldWindows, calibration: np.ndarray, where: str) -> Examples | None:
    """The windows at rest that quality accepts, at least one of each person; None where there are none."""
    if not len(calibration):
        return None
    subject = windows.examples.subject
    good = calibration[windows.accepted[calibration]]
    without = [person for person in dict.fromkeys(subject[calibration]) if person not in subject[good]]
    if without:
        raise InputError(
            f"{where}: no accepted window at rest of {', '.join(without)}; raise `rest_minutes`, relax the quality "
            "thresholds, or leave them out by `subjects`."
        )
    return windows.examples.take(good)


def fit_model(
    prototype: models.Model,
    train: Examples,
    validation: Examples | None,
    *,
    seed: int,
    where: str,
    rest: Examples | None = None,
    progress: Progress | None = None,
) -> models.Model:
    """Fit a copy of an unfitted model by the one recipe of folds and of the final model.

    Fitting runs on one thread, so that its sums, and with them its numbers, are the same beside others and alone.
    `train` and `validation` are what :func:`divide` gives, `rest` the same people's windows at rest, where the protocol
    shows them; `where` begins an error's sentence, such as ``fold of S3``.
    """
    for state in prototype.classes:
        if not (train.label == state).any():
            raise InputError(
                f"{where}: no accepted window of `{state}` among the training people "
                f"{', '.join(people_of(train)) or '(none left)'}; give more subjects or relax the quality thresholds."
            )
    if validation is not None and not len(validation):
        raise InputError(
            f"{where}: no accepted window of the validation people; relax the quality thresholds or raise "
            "`validation_subjects`."
        )
    with threadpool_limits(limits=1):
        return copy.deepcopy(prototype).fit(train, validation, rest=rest, seed=seed, progress=progress)


def run_fold(prototype: models.Model, windows: FoldWindows, job: Job, progress: Progress | None = None) -> FoldResult:
    """Train an unfitted model on a fold's training people and predict every window of its test person."""
    fold, began = job.fold, time.perf_counter()
    where = f"fold of {job}"
    train, validation = divide(prototype, windows, fold.train, fold.validation)
    test = windows.examples.take(fold.test)
    rest = accepted_rest(windows, fold.calibration, where)
    of_tested = None if rest is None else np.isin(rest.subject, test.subject)
    rest_of_others, rest_of_tested = (None, None) if rest is None else (rest.take(~of_tested), rest.take(of_tested))
    model = fit_model(prototype, train, validation, seed=job.seed, where=where, rest=rest_of_others, progress=progress)
    seconds = time.perf_counter() - began
    with threadpool_limits(limits=1):
        probability = models.predict(model, test, rest_of_tested).astype(float)
    if not np.isfinite(probability).all():
        raise InputError(f"{where}: probabilities that are not numbers; training diverged, so lower `learning_rate`.")
    predictions = pd.DataFrame(
        {
            **_names(job, prototype),
            "subject": test.subject,
            "window": windows.position[fold.test],
            "start_s": test.start_s,
            "label": test.label,
            **{f"p_{state}": probability[:, k] for k, state in enumerate(model.classes)},
            "accepted": windows.accepted[fold.test],
        }
    )
    training = _training_row(
        job,
        prototype,
        validation_subjects=[] if validation is None else people_of(validation),
        train_windows=len(train),
        validation_windows=0 if validation is None else len(validation),
        seconds=seconds,
        **_epochs(model),
    )
    return FoldResult(predictions, training)


def people_of(examples: Examples) -> list[str]:
    """People of examples in the order in which they first appear."""
    return list(dict.fromkeys(examples.subject.tolist()))


def failed_fold(job: Job, prototype: models.Model, error: Exception) -> FoldResult:
    """No predictions, with the fold's row of the training table, which says in `error` what went wrong."""
    sentence = str(error) if isinstance(error, InputError) else f"fold of {job}: {type(error).__name__}: {error}"
    return FoldResult(pd.DataFrame(), _training_row(job, prototype, error=sentence))


def mean_fold(job: Job, members: Sequence[FoldResult]) -> FoldResult:
    """The fold of a plain mean, from the finished folds of its members: the same as fitting them once more."""
    failed = next((member.training for member in members if member.training["error"]), None)
    if failed:
        return FoldResult(pd.DataFrame(), failed | _NO_EPOCHS | {"model": job.model})
    predictions = members[0].predictions.assign(model=job.model)
    columns = [name for name in predictions.columns if name.startswith("p_")]
    predictions[columns] = np.mean([member.predictions[columns].to_numpy() for member in members], axis=0)
    seconds = sum(member.training["seconds"] for member in members)
    return FoldResult(predictions, members[0].training | _NO_EPOCHS | {"model": job.model, "seconds": seconds})


#: Of a model that is not trained by epochs.
_NO_EPOCHS: dict[str, Any] = {"best_epoch": np.nan, "epochs": np.nan, "train_loss": [], "validation_loss": []}


def _names(job: Job, prototype: models.Model) -> dict[str, Any]:
    return {
        "task": task_name(prototype.classes),
        "model": job.model,
        "protocol": job.protocol,
        "seed": job.seed,
    }


def _training_row(job: Job, prototype: models.Model, **values: Any) -> dict[str, Any]:
    counts = {"validation_subjects": [], "train_windows": 0, "validation_windows": 0}
    names = _names(job, prototype) | {"subject": job.fold.held_out, "error": ""}
    return names | counts | _NO_EPOCHS | {"seconds": np.nan, "node": ""} | values


def _epochs(model: models.Model) -> dict[str, Any]:
    history = getattr(model, "history_", None)
    if history is None:
        return _NO_EPOCHS
    losses = {name: history[name].astype(float).tolist() for name in ("train_loss", "validation_loss")}
    return {"best_epoch": float(model.best_epoch_), "epochs": float(len(history)), **losses}
