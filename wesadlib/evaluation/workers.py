"""Folds as Ray tasks, on this machine or a cluster: started again where a worker dies, with the same numbers."""

import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import xarray as xr

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import FoldResult, FoldWindows, Job, run_fold
from wesadlib.params import Params

#: How often a fold whose worker died is started again.
RETRIES = 2

#: Ray sends nothing home, lets a worker see the accelerator that this process sees, does not restart for ever what runs
#: out of memory, and does not put its workers behind everybody else's.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": str(RETRIES),
    "RAY_worker_niceness": "0",
}

#: Of a Ray that is started here: on loopback, and deaf to whoever lacks its token, since whoever reaches one of Ray's
#: ports can have any code run. Ray keeps to loopback by itself on systems that ask people at each port that is opened.
CLOSED = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}


@contextmanager
def shared_workers(params: Params, windows: xr.Dataset) -> Iterator[None]:
    """A block in which all folds run on the same workers, whose start takes seconds; without ``workers`` nothing.

    `windows` are the largest that folds of the block are given: memory is set aside for copies of them.
    """
    if not params.workers:
        yield
        return
    with _session(params.ray_address, params.workers, windows.nbytes):
        yield


def run_on_workers(
    jobs: Sequence[Job], prototypes: Mapping[str, models.Model], windows: FoldWindows, workers: int, address: str
) -> Iterator[tuple[Job, FoldResult | Exception]]:
    """Run folds, `workers` at a time, and yield each, or the error that ended it, as soon as it is finished."""
    with _session(address, workers, 0 if windows.examples.signal is None else windows.examples.signal.nbytes) as ray:
        shared = ray.put(windows)
        unfitted = {name: ray.put(prototype) for name, prototype in prototypes.items()}
        fold = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(_run_fold)
        waiting, running = list(reversed(jobs)), {}
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    job = waiting.pop()
                    running[fold.remote(unfitted[job.model], shared, job)] = job
                (finished,), _ = ray.wait(list(running))
                job = running.pop(finished)
                yield job, _result(ray, finished, job)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _run_fold(prototype: models.Model, windows: FoldWindows, job: Job) -> FoldResult:
    import ray

    predictions, training = run_fold(prototype, windows, job)
    return FoldResult(predictions, training | {"node": ray.get_runtime_context().get_node_id()})


def _result(ray: Any, finished: Any, job: Job) -> FoldResult | Exception:
    try:
        return ray.get(finished)
    except ray.exceptions.RayTaskError as error:
        # What went wrong, as it is said where no worker is; the worker's traceback stays behind it.
        error.cause.__cause__ = None if isinstance(error.cause, InputError) else error
        return error.cause
    except ray.exceptions.RayError as error:
        return InputError(
            f"fold of {job}: the worker died {RETRIES + 1} times ({type(error).__name__}); lower `workers` or free "
            "memory and run again, which resumes from the folds that were kept."
        )


def start_patiently(start: Callable[[], Any]) -> Any:
    """Start Ray, again where a busy machine needed longer than the half minute that Ray gives itself."""
    from tenacity import Retrying, retry_if_exception_message, stop_after_attempt

    late = retry_if_exception_message(match="The current node timed out during startup")
    return Retrying(retry=late, stop=stop_after_attempt(3), reraise=True)(start)


@contextmanager
def _session(address: str, workers: int, nbytes: int) -> Iterator[Any]:
    # A session that is open already is used and left open; what is started here is shut down here.
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Ray reads them once, where it is imported.
    late = not address and "ray" in sys.modules and os.environ.get("RAY_AUTH_MODE") != CLOSED["RAY_AUTH_MODE"]
    if not address:
        os.environ.update(CLOSED)
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ModuleNotFoundError:
        raise InputError(
            "folds side by side need Ray: `pip install 'wesadlib[serve]'`; or set `workers` to 0."
        ) from None
    if ray.is_initialized():
        yield ray
        return
    if late:
        raise InputError("Ray was imported before its ports could be closed: set RAY_AUTH_MODE=token before.")
    here = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": max(4 * nbytes, 400 << 20)}
    try:
        if address not in ("", "auto"):
            # Ray would knock for minutes at a door where nobody is.
            parts = urlsplit(address if "//" in address else f"//{address}")
            socket.create_connection((parts.hostname, parts.port), timeout=5).close()
        options = {"log_to_driver": False, "logging_level": logging.ERROR} | ({} if address else here)
        start_patiently(lambda: ray.init(address or "local", **options))
    except (OSError, ValueError, ConnectionError):
        raise InputError(
            f"ray_address={address!r}: no Ray cluster answers there; leave it empty for this machine."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()
