"""Many folds, kept as they finish, with one person's failure kept from the others; and the final model, so trained."""

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import (
    FoldResult,
    FoldWindows,
    Job,
    accepted_rest,
    divide,
    failed_fold,
    fit_model,
    mean_fold,
    run_fold,
    windows_of_classes,
)
from wesadlib.evaluation.kept_folds import fold_files, load_fold, save_fold
from wesadlib.evaluation.protocols import draw_subjects, make_protocol, subjects_of
from wesadlib.evaluation.workers import run_on_workers
from wesadlib.params import Params


def evaluate(
    model: str | Sequence[str],
    windows: xr.Dataset,
    *,
    protocol: str = "cold_start",
    seeds: Iterable[int] = (0,),
    params: Params | None = None,
    return_training: bool = False,
    **options: Any,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Predict every person's windows by a model that was trained on other people.

    Parameters
    ----------
    model : str or sequence of str
        Registered names.
    windows : Dataset
        Windows ``(window, channel, time)`` with what the models need (``feature``, ``signal``) and, where quality was
        assessed, ``verdict``: refused ones teach nothing, but are predicted. Those of states not among
        ``params.classes`` are left out.
    protocol : str, optional
        One of :data:`~wesadlib.evaluation.protocols.PROTOCOLS`.
    seeds : iterable of int, optional
        Seeds of the draw of validation people and of the fit.
    params : Params, optional
        The run's parameters; default :class:`~wesadlib.params.Params`.
    return_training : bool, optional
        Return the training table as well.
    **options
        `folds` and `progress` of :func:`run_folds`.

    Returns
    -------
    predictions : DataFrame
        ``task model protocol seed subject window start_s label p_<state>… accepted``, a row a window;
        `window` is its position in `windows`.
    training : DataFrame
        With `return_training`, a row a fold: task, model, protocol, seed, subject, error (empty where all went well),
        validation people, numbers of windows, best epoch and epochs (NaN for a model that is not trained by them),
        losses by epoch, seconds, and the cluster's node.

    Warns
    -----
    UserWarning
        When some folds fail: the other people's predictions are returned all the same. When all do, it is an error.
    """
    params = Params() if params is None else params
    names = [model] if isinstance(model, str) else list(dict.fromkeys(model))
    windows = windows_of_classes(make_protocol(protocol, params, 0).prepare(windows), params.classes)
    jobs = [
        Job(name, protocol, seed, fold)
        for name in names
        for seed in dict.fromkeys(seeds)
        for fold in make_protocol(protocol, params, seed).split(windows)
    ]
    tables = run_folds(jobs, windows, params, **options)
    return tables if return_training else tables[0]


def run_folds(
    jobs: Sequence[Job], windows: xr.Dataset, params: Params, *, folds: str | Path | None = None, progress: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run folds with positions in `windows`; the protocols, the learning curve and the audit all come through here.

    A mean of models trains nothing of its own: its members' folds run once, whoever asks for them. Each fold is kept in
    the folder `folds` as soon as it is finished, and not run again. It warns when some fail, and returns what
    :func:`evaluate` does, with the training table.
    """
    arrays = FoldWindows.from_dataset(windows)
    prototypes = {name: models.create(name, params) for name in dict.fromkeys(job.model for job in jobs)}
    members = [
        [dataclasses.replace(job, model=name) for name in getattr(prototypes[job.model], "members", [job.model])]
        for job in jobs
    ]
    needed = {part.key: part for parts in members for part in parts}
    prototypes |= {job.model: models.create(job.model, params) for job in needed.values()}
    files = {} if folds is None else fold_files(Path(folds), needed.values(), prototypes, arrays)
    results = {key: load_fold(path) for key, path in files.items() if path.exists()}
    errors: dict[tuple, Exception] = {}
    with tqdm(total=len(needed), initial=len(results), desc="folds", unit="fold", disable=not progress) as bar:
        left = [job for key, job in needed.items() if key not in results]
        for job, result in _run(left, prototypes, arrays, params, bar):
            if isinstance(result, Exception):
                errors[job.key] = result
                result = failed_fold(job, prototypes[job.model], result)
            elif files:
                save_fold(files[job.key], result)
            results[job.key] = result
            bar.update()
    composed = [
        mean_fold(job, [results[part.key] for part in parts])
        if hasattr(prototypes[job.model], "members")
        else results[job.key]
        for job, parts in zip(jobs, members, strict=True)
    ]
    # A mean fails with any of its members, so that nothing may be left although other members' folds went well.
    if errors and all(result.training["error"] for result in composed):
        raise next(errors[key] for key in needed if key in errors)
    for key in needed:
        if key in errors:
            warnings.warn(f"{results[key].training['error']} The other folds are kept.", stacklevel=2)
    predictions = pd.concat([result.predictions for result in composed if len(result.predictions)], ignore_index=True)
    return predictions, pd.DataFrame([result.training for result in composed])


def _run(
    jobs: Sequence[Job], prototypes: Mapping[str, models.Model], windows: FoldWindows, params: Params, bar: tqdm
) -> Iterator[tuple[Job, FoldResult | Exception]]:
    if params.workers and jobs:
        yield from run_on_workers(jobs, prototypes, windows, params.workers, params.ray_address)
        return
    for job in jobs:

        def show(epoch: int, epochs: int, train_loss: float, validation_loss: float, job: Job = job) -> None:
            losses = f"loss {train_loss:.3f}, validation {validation_loss:.3f}"
            bar.set_postfix_str(f"{job}: epoch {epoch}/{epochs}, {losses}")

        try:
            yield job, run_fold(prototypes[job.model], windows, job, None if bar.disable else show)
        except Exception as error:
            # One person's fold must not cost the others theirs; whoever asked is told.
            yield job, error


def fit_final(
    model: str, windows: xr.Dataset, *, params: Params | None = None, seed: int = 0, protocol: str = "cold_start"
) -> models.Model:
    """Train the model to be used, by the recipe that was scored, with nobody left out to test on.

    As in a fold, ``params.validation_subjects`` people, drawn by the seed, decide when training stops and teach
    nothing; the number of epochs is not carried over from the folds.

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
    usable, at_rest = (np.sort(np.concatenate([*part.values()])) for part in splitter.usable(windows))
    drawn = draw_subjects(people, params.validation_subjects, seed)
    validating = np.isin(windows["subject"].values[usable], drawn)
    arrays = FoldWindows.from_dataset(windows)
    train, validation = divide(prototype, arrays, usable[~validating], usable[validating])
    rest = accepted_rest(arrays, at_rest, where)
    return fit_model(prototype, train, validation, seed=seed, where=where, rest=rest)
