"""Many folds, resumed, with one person's failure kept from the others; and the final model by the same recipe."""

import dataclasses
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, Progress, accepted_rest, divide, fit_model, windows_of_classes
from wesadlib.evaluation.gathering import failed_fold, gather, mean_fold
from wesadlib.evaluation.parallel import run_folds
from wesadlib.evaluation.protocols import make_protocol
from wesadlib.evaluation.resume import fold_file, load_fold, save_fold, windows_digest
from wesadlib.evaluation.splits import draw_subjects, subjects_of
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
    params, workers, ray_address, folds, progress
        As for :func:`run_jobs`.
    return_training : bool, optional
        Return the training table as well.

    Returns
    -------
    predictions : DataFrame
        ``task model protocol seed subject window start_s label p_<state>… accepted``, a row a window;
        `window` is its position in `windows`.
    training : DataFrame
        With `return_training`, a row a fold: task, model, protocol, seed, subject, error (empty where all went well),
        validation people, numbers of windows, best epoch and epochs (NaN for a model that is not trained by epochs),
        losses by epoch, seconds, and the cluster's node.

    Raises
    ------
    InputError
        When a name is unknown, a state has no window, there are too few people to leave one out, a person has too
        little rest for the protocol, or every fold fails.

    Warns
    -----
    UserWarning
        When some folds fail: the other people's predictions are returned all the same.
    """
    params = Params() if params is None else params
    names = [model] if isinstance(model, str) else list(dict.fromkeys(model))
    for name in names:
        models.create(name, params)
    windows = windows_of_classes(make_protocol(protocol, params, 0).prepare(windows), params.classes)
    jobs = [
        Job(name, protocol, seed, fold)
        for name in names
        for seed in dict.fromkeys(seeds)
        for fold in make_protocol(protocol, params, seed).split(windows)
    ]
    options = {"workers": workers, "ray_address": ray_address, "folds": folds, "progress": progress}
    predictions, training = run_jobs(jobs, windows, params, **options)
    return (predictions, training) if return_training else predictions


def run_jobs(
    jobs: Sequence[Job],
    windows: xr.Dataset,
    params: Params,
    *,
    workers: int | None = None,
    ray_address: str | None = None,
    folds: str | Path | None = None,
    progress: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run folds; the protocols, the learning curve and the audit all come through here.

    Parameters
    ----------
    jobs : sequence of Job
        What to run, with positions in `windows`. A mean of models trains nothing of its own: its members' folds run
        once, whoever asks for them.
    windows : Dataset
        What :func:`~wesadlib.evaluation.folds.windows_of_classes` gives.
    params : Params
        The run's parameters.
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

    Returns
    -------
    predictions, training : DataFrame
        As :func:`evaluate` returns them.

    Raises
    ------
    InputError
        When a kept fold is damaged, no cluster answers, or every fold fails.

    Warns
    -----
    UserWarning
        When some folds fail.
    """
    workers = params.workers if workers is None else workers
    ray_address = params.ray_address if ray_address is None else ray_address
    prototypes = {name: models.create(name, params) for name in dict.fromkeys(job.model for job in jobs)}
    needed, members = _members(jobs, prototypes)
    prototypes |= {job.model: models.create(job.model, params) for job in needed if job.model not in prototypes}
    files: dict[int, Path] = {}
    if folds is not None:
        content = windows_digest(windows)
        files = {k: fold_file(Path(folds), job, prototypes[job.model], content) for k, job in enumerate(needed)}
    tables = {k: load_fold(path) for k, path in files.items() if path.exists()}
    left = [k for k in range(len(needed)) if k not in tables]
    failures: dict[int, Exception] = {}
    with tqdm(total=len(needed), initial=len(tables), desc="folds", unit="fold", disable=not progress) as bar:
        for k, result in run_folds(left, needed, prototypes, windows, bar, workers, ray_address):
            if isinstance(result, Exception):
                failures[k] = result
                tables[k] = failed_fold(needed[k], prototypes[needed[k].model], result)
            else:
                tables[k] = result
                if files:
                    save_fold(files[k], result)
            bar.update()
    composed = [
        mean_fold(job, [tables[k] for k in parts]) if hasattr(prototypes[job.model], "members") else tables[parts[0]]
        for job, parts in zip(jobs, members, strict=True)
    ]
    # A mean fails with any of its members, so that nothing may be left although other members' folds went well.
    if failures and all(table.attrs["training"]["error"] for table in composed):
        raise failures[min(failures)]
    for k in sorted(failures):
        warnings.warn(f"{tables[k].attrs['training']['error']} The other folds are kept.", stacklevel=2)
    return gather(composed)


def _members(jobs: Sequence[Job], prototypes: dict[str, models.Model]) -> tuple[list[Job], list[list[int]]]:
    # The folds to train, each once, and for every job the positions of those that it is made of.
    needed, place, members = [], {}, []
    for job in jobs:
        parts = getattr(prototypes[job.model], "members", None)
        own = [job] if parts is None else [dataclasses.replace(job, model=name) for name in parts]
        for part in own:
            if _key(part) not in place:
                place[_key(part)] = len(needed)
                needed.append(part)
        members.append([place[_key(part)] for part in own])
    return needed, members


def _key(job: Job) -> tuple[str, str, int, str]:
    return job.model, job.protocol, job.seed, job.fold.held_out


def fit_final(
    model: str,
    windows: xr.Dataset,
    *,
    params: Params | None = None,
    seed: int = 0,
    protocol: str = "cold_start",
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
    protocol : str, optional
        What the model will know of a new person: nothing, or, ``rest_calibrated``, windows at rest. Then it is fitted
        with the rest of everybody, and learns from what the folds of that protocol test.
    progress : callable, optional
        Told of each epoch, ``(epoch, epochs, train_loss, validation_loss)``.

    Returns
    -------
    Model
        Fitted.

    Raises
    ------
    InputError
        When a name is unknown, the protocol is for no device, a state has no window, a person has too little baseline
        for rest, or nobody is left to train on.
    """
    params = Params() if params is None else params
    splitter = make_protocol(protocol, params, seed)
    if not splitter.deployable:
        raise InputError(f"the final model cannot be of the protocol `{protocol}`: {splitter.seen}")
    prototype = models.create(model, params)
    windows = windows_of_classes(windows, params.classes)
    people = subjects_of(windows)
    if len(people) < params.validation_subjects + 1:
        raise InputError(
            f"{len(people)} subject(s) ({', '.join(people)}): the final model needs "
            f"{params.validation_subjects} to validate on and one to train on; give more subjects."
        )
    where = f"final model ({model}, seed {seed})"
    parts = splitter.parts(windows)
    usable, at_rest = (np.sort(np.concatenate([*part.values()])) for part in parts)
    drawn = draw_subjects(people, params.validation_subjects, seed)
    validating = np.isin(windows["subject"].values[usable], drawn)
    train, validation = divide(prototype, windows, usable[~validating], usable[validating])
    rest = windows.isel(window=accepted_rest(windows, at_rest, where)) if len(at_rest) else None
    return fit_model(prototype, train, validation, seed=seed, where=where, rest=rest, progress=progress)
