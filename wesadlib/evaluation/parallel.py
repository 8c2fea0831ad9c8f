"""Folds one after the other or as Ray tasks, retried where a worker dies, with the same numbers either way."""

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, run_fold
from wesadlib.params import Params

#: How often a fold whose worker died is started again.
RETRIES = 2

#: Ray sends nothing home, lets a worker see the accelerator that this process sees, and does not restart for ever what
#: runs out of memory.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": str(RETRIES),
}


#: Of a Ray that is started here: on loopback, and deaf to whoever lacks its token, since whoever reaches one of Ray's
#: ports can have any code run. Ray keeps to loopback by itself on systems that ask people at each port that is opened.
CLOSED = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}


def run_folds(
    left: list[int],
    jobs: Sequence[Job],
    prototypes: dict[str, models.Model],
    windows: xr.Dataset,
    bar: tqdm,
    workers: int,
    ray_address: str,
) -> Iterator[tuple[int, pd.DataFrame | Exception]]:
    """Run folds and yield each as soon as it is finished, so that the caller can keep it, or the error that ended it.

    Parameters
    ----------
    left : list of int
        Positions in `jobs` of the folds to run.
    jobs : sequence of Job
        All folds.
    prototypes : dict
        Model name -> unfitted model.
    windows : Dataset
        The windows that the folds' positions point into.
    bar : tqdm
        Where progress is shown.
    workers : int
        Folds at a time; 0: one after the other in this process.
    ray_address : str
        A Ray cluster; empty: this machine.
    """
    if workers and left:
        with _ray_session(ray_address, workers, windows.nbytes) as ray:
            yield from _run_on_ray(ray, left, jobs, prototypes, windows, bar, workers)
    else:
        for k in left:
            progress = None if bar.disable else Show(str(jobs[k]), bar.set_postfix_str)
            try:
                result = run_fold(prototypes[jobs[k].model], windows, jobs[k], progress)
            except Exception as error:
                # One person's fold must not cost the others theirs; whoever asked is told.
                result = error
            yield k, result


@contextmanager
def shared_workers(params: Params, windows: xr.Dataset) -> Iterator[None]:
    """A block in which all folds run on the same workers: to start them takes seconds.

    Parameters
    ----------
    params : Params
        The run's parameters; without ``workers`` the block changes nothing.
    windows : Dataset
        The largest windows that folds of the block are given: memory is set aside for copies of them.

    Raises
    ------
    InputError
        When no cluster answers at ``ray_address``.
    """
    if not params.workers:
        yield
        return
    with _ray_session(params.ray_address, params.workers, windows.nbytes):
        yield


class Show:
    """A model's report of an epoch as one line, handed on to whatever shows it."""

    def __init__(self, job: str, hand_on: Callable[[str], Any]):
        self.job, self.hand_on = job, hand_on

    def __call__(self, epoch: int, epochs: int, train_loss: float, validation_loss: float) -> None:
        """Take the report of an epoch."""
        self.hand_on(f"{self.job}: epoch {epoch}/{epochs}, loss {train_loss:.3f}, validation {validation_loss:.3f}")


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
    if not address:
        os.environ.update(CLOSED)
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    if ray.is_initialized():
        yield ray
        return
    _refuse_silent(address)
    here = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": max(4 * nbytes, 400 << 20)}
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
    jobs: Sequence[Job],
    prototypes: dict[str, models.Model],
    windows: xr.Dataset,
    bar: tqdm,
    workers: int,
) -> Iterator[tuple[int, pd.DataFrame | Exception]]:
    shared = ray.put(windows)
    unfitted = {name: ray.put(prototype) for name, prototype in prototypes.items()}
    board = None if bar.disable else ray.remote(num_cpus=0)(_Board).remote()
    fold = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(_fold_on_ray)
    waiting, running = iter(left), {}
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
                    result = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    # What went wrong, as it is said where no worker is; the worker's traceback stays behind it.
                    result = error.cause
                    result.__cause__ = None if isinstance(result, InputError) else error
                except ray.exceptions.RayError as error:
                    result = _lost(error, jobs[k])
                yield k, result
            if board is not None:
                bar.set_postfix_str(ray.get(board.read.remote()))
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _lost(error: Exception, job: Job) -> InputError:
    return InputError(
        f"fold of {job}: the worker died {RETRIES + 1} times ({type(error).__name__}); lower `workers` or free memory "
        "and run again, which resumes from the folds that were kept."
    )
