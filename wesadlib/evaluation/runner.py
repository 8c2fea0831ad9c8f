"""Many folds: one after the other or as Ray tasks, resumed and retried, with the same numbers either way."""

import logging
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, Progress, Show, divide, fit_model, gather, run_fold, windows_of_classes
from wesadlib.evaluation.protocols import PROTOCOLS, draw_subjects, subjects_of
from wesadlib.evaluation.resume import fold_file, load_fold, save_fold, windows_digest
from wesadlib.params import Params

#: How often a fold whose worker died is started again.
RETRIES = 2

#: Ray sends nothing home, leaves no token file in the user's home, lets a worker see the accelerator that this process
#: sees, and does not restart for ever what runs out of memory.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": str(RETRIES),
}


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
    workers = params.workers if workers is None else workers
    ray_address = params.ray_address if ray_address is None else ray_address
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
        for k, table in _run(left, jobs, prototypes, windows, bar, workers, ray_address):
            tables[k] = table
            if files:
                save_fold(files[k], table)
            bar.update()
    predictions, training = gather([tables[k] for k in range(len(jobs))])
    return (predictions, training) if return_training else predictions


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
    train, validation = divide(prototype, windows, np.flatnonzero(~validating), np.flatnonzero(validating))
    where = f"final model ({model}, seed {seed})"
    return fit_model(prototype, train, validation, seed=seed, where=where, progress=progress)


def _run(
    left: list[int],
    jobs: list[Job],
    prototypes: dict[str, models.Model],
    windows: xr.Dataset,
    bar: tqdm,
    workers: int,
    ray_address: str,
) -> Iterator[tuple[int, pd.DataFrame]]:
    # Yields each fold as soon as it is finished, so that the caller can keep it.
    if workers and left:
        with _ray_session(ray_address, workers, windows.nbytes) as ray:
            yield from _run_on_ray(ray, left, jobs, prototypes, windows, bar, workers)
    else:
        for k in left:
            progress = None if bar.disable else Show(str(jobs[k]), bar.set_postfix_str)
            yield k, run_fold(prototypes[jobs[k].model], windows, jobs[k], progress)


class _Board:
    """Where Ray workers leave their latest line for the process that shows the bar."""

    def __init__(self):
        self.line = ""

    def write(self, line: str) -> None:
        self.line = line

    def read(self) -> str:
        return self.line


def _fold_on_ray(prototype: models.Model, windows: xr.Dataset, job: Job, board: Any) -> pd.DataFrame:
    import ray

    progress = None if board is None else Show(str(job), board.write.remote)
    return run_fold(prototype, windows, job, progress, node=ray.get_runtime_context().get_node_id())


@contextmanager
def _ray_session(address: str, workers: int, nbytes: int) -> Iterator[Any]:
    # A session that is open already is used and left open; what is started here is shut down here.
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    _refuse_silent(address)
    here = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": max(2 * nbytes, 200 << 20)}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else here))
    except ConnectionError:
        raise _no_cluster(address) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_silent(address: str) -> None:
    # Ray would knock for minutes at a door where nobody is.
    if address in ("", "auto"):
        return
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except (OSError, ValueError):
        raise _no_cluster(address) from None


def _no_cluster(address: str) -> InputError:
    return InputError(f"ray_address={address!r}: no Ray cluster answers there; leave it empty for this machine.")


def _run_on_ray(
    ray: Any,
    left: list[int],
    jobs: list[Job],
    prototypes: dict[str, models.Model],
    windows: xr.Dataset,
    bar: tqdm,
    workers: int,
) -> Iterator[tuple[int, pd.DataFrame]]:
    shared = ray.put(windows)
    unfitted = {name: ray.put(prototype) for name, prototype in prototypes.items()}
    board = None if bar.disable else ray.remote(num_cpus=0)(_Board).remote()
    fold = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(_fold_on_ray)
    waiting, running, lost = iter(left), {}, {}
    try:
        while True:
            for k in islice(waiting, workers - len(running)):
                running[fold.remote(unfitted[jobs[k].model], shared, jobs[k], board)] = k
            if not running:
                break
            finished, _ = ray.wait(list(running), timeout=0.5)
            for reference in finished:
                k = running.pop(reference)
                try:
                    yield k, ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise (error.cause if isinstance(error.cause, InputError) else error) from None
                except ray.exceptions.RayError as error:
                    lost[k] = error
            if board is not None:
                bar.set_postfix_str(ray.get(board.read.remote()))
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
    if lost:
        raise InputError(_sentence_on_lost(lost, jobs))


def _sentence_on_lost(lost: dict[int, Exception], jobs: list[Job]) -> str:
    causes = ", ".join(sorted({type(error).__name__ for error in lost.values()}))
    return (
        f"fold of {', '.join(str(jobs[k]) for k in lost)}: the worker died {RETRIES + 1} times ({causes}); lower "
        "`workers` or free memory and run again, which resumes from the folds that were kept."
    )
