"""Many folds: one after the other or as Ray tasks, resumed and retried, with the same numbers either way."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import (
    Job,
    Progress,
    fit_model,
    fold_file,
    load_fold,
    run_fold,
    save_fold,
    windows_digest,
)
from wesadlib.evaluation.protocols import PROTOCOLS, draw_subjects, subjects_of
from wesadlib.params import Params


def evaluate(
    model: str | Sequence[str],
    windows: xr.Dataset,
    *,
    protocol: str = "cold_start",
    seeds: Iterable[int] = (0,),
    params: Params | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    folds: str | Path | None = None,
    progress: bool = True,
    return_training: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Predict every person's windows by a model that was trained on other people.

    Parameters
    ----------
    model : str or sequence of str
        Registered names.
    windows : Dataset
        Windows ``(window, channel, time)`` with what the models need (``feature``, ``signal``) and, where
        quality was assessed, ``verdict``: refused windows teach nothing, but are predicted. Windows of states
        that are not among ``params.classes`` are left out.
    protocol : str, optional
        One of :data:`~wesadlib.evaluation.protocols.PROTOCOLS`.
    seeds : iterable of int, optional
        Seeds of the draw of validation people and of the fit.
    params : Params, optional
        The run's parameters; default :class:`~wesadlib.params.Params`.
    workers : int, optional
        Folds at a time, default ``params.workers``; 0: one after the other in this process. The numbers are
        the same.
    ray_address : str, optional
        A Ray cluster on whose nodes this library is installed, default ``params.ray_address``; empty: this
        machine.
    folds : path, optional
        Folder in which each fold is kept as soon as it is finished; those that are there already are not run
        again.
    progress : bool, optional
        Show a bar with the fold, the epoch and the losses.
    return_training : bool, optional
        Return the training table as well.

    Returns
    -------
    predictions : DataFrame
        ``task model protocol seed subject window start_s label p_<state>… accepted``, a row a window;
        `window` is its position in `windows`.
    training : DataFrame
        With `return_training`, a row a fold: validation people, numbers of windows, best epoch and epochs
        (NaN for a model that is not trained by epochs), losses by epoch, seconds, and the cluster's node.

    Raises
    ------
    InputError
        When a name is unknown, a state has no window, there are too few people to leave one out, or the
        worker of a fold keeps dying; folds that were finished are kept in `folds`.
    """
    params = Params() if params is None else params
    if protocol not in PROTOCOLS:
        raise InputError(f"unknown protocol `{protocol}`; the protocols are {', '.join(PROTOCOLS)}.")
    prototypes = {name: models.create(name, params) for name in ([model] if isinstance(model, str) else model)}
    windows = windows_of_classes(windows, params.classes)
    jobs = [
        Job(name, protocol, seed, fold)
        for name in prototypes
        for seed in dict.fromkeys(seeds)
        for fold in PROTOCOLS[protocol](params.validation_subjects, seed).split(windows)
    ]
    files: dict[int, Path] = {}
    if folds is not None:
        content = windows_digest(windows)
        files = {k: fold_file(Path(folds), job, prototypes[job.model], content, params) for k, job in enumerate(jobs)}
    tables = {k: load_fold(path) for k, path in files.items() if path.exists()}
    left = [k for k in range(len(jobs)) if k not in tables]
    with tqdm(total=len(jobs), initial=len(tables), desc="folds", unit="fold", disable=not progress) as bar:
        for k, table in _run_serially(left, jobs, prototypes, windows, bar):
            tables[k] = table
            if files:
                save_fold(files[k], table)
            bar.update()
    return _gather([tables[k] for k in range(len(jobs))], return_training)


def fit_final(
    model: str,
    windows: xr.Dataset,
    *,
    params: Params | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> models.Model:
    """Train the model to be used, by the recipe that was scored, with nobody left out to test on.

    As in a fold, ``params.validation_subjects`` people, drawn by the seed, decide when training stops and
    teach nothing; the number of epochs is not carried over from the folds. So the only difference from what
    was scored is one more person to learn from.

    Parameters
    ----------
    model : str
        Registered name.
    windows : Dataset
        As for :func:`evaluate`.
    params : Params, optional
        The run's parameters; default :class:`~wesadlib.params.Params`.
    seed : int, optional
        Seed of the draw of validation people and of the fit.
    progress : callable, optional
        Told of each epoch, ``(epoch, epochs, train_loss, validation_loss)``.

    Returns
    -------
    Model
        Fitted.

    Raises
    ------
    InputError
        When the name is unknown, a state has no window, or nobody is left to train on.
    """
    params = Params() if params is None else params
    prototype = models.create(model, params)
    windows = windows_of_classes(windows, params.classes)
    people = subjects_of(windows)
    if len(people) < params.validation_subjects + 1:
        raise InputError(
            f"{len(people)} subject(s) ({', '.join(people)}): the final model needs "
            f"{params.validation_subjects} to validate on and one to train on; give more subjects."
        )
    validating = np.isin(windows["subject"].values, draw_subjects(people, params.validation_subjects, seed))
    return fit_model(
        prototype,
        windows.isel(window=~validating),
        windows.isel(window=validating),
        seed=seed,
        where=f"final model ({model}, seed {seed})",
        progress=progress,
    )


def windows_of_classes(windows: xr.Dataset, classes: Sequence[str]) -> xr.Dataset:
    """Windows of the states to tell apart, each with its ``position (window)`` among all.

    Raises
    ------
    InputError
        When a state has no window.
    """
    label = windows["label"].values.astype(str)
    for state in classes:
        if not (label == state).any():
            raise InputError(
                f"no window of `{state}` among the {len(label)} windows of "
                f"{', '.join(subjects_of(windows)) or 'nobody'}; give more subjects or take it out of `classes`."
            )
    chosen = np.flatnonzero(np.isin(label, classes))
    return windows.isel(window=chosen).assign_coords(position=("window", chosen))


def _gather(tables: list[pd.DataFrame], return_training: bool) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    training = pd.DataFrame([table.attrs["training"] for table in tables])
    for table in tables:
        table.attrs = {}
    predictions = pd.concat(tables, ignore_index=True)
    return (predictions, training) if return_training else predictions


def _run_serially(
    left: list[int], jobs: list[Job], prototypes: dict[str, models.Model], windows: xr.Dataset, bar: tqdm
) -> Iterator[tuple[int, pd.DataFrame]]:
    for k in left:
        job = jobs[k]
        bar.set_postfix_str(str(job))

        def show(epoch: int, epochs: int, train_loss: float, validation_loss: float, job: Job = job) -> None:
            bar.set_postfix_str(_line(job, epoch, epochs, train_loss, validation_loss))

        yield k, run_fold(prototypes[job.model], windows, job, show)


def _line(job: Job, epoch: int, epochs: int, train_loss: float, validation_loss: float) -> str:
    return f"{job}, epoch {epoch}/{epochs}, loss {train_loss:.3f}, validation {validation_loss:.3f}"
