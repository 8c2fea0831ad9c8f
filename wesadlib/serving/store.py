"""The store as replicas reach it: one for all of them, in a process of its own that none of them takes along."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from wesadlib.serving.memory import Forgotten, Limits, Rest, Snapshot, Store
from wesadlib.serving.reservoir import Rows

#: Name of the actor, and seconds between its looks at what is too old.
_NAME, _SWEEP_S = "store", 5.0


class AsyncStore:
    """A :class:`~wesadlib.serving.memory.Store` somewhere; its methods, awaited.

    Parameters
    ----------
    call : callable
        Given the name of a method and its arguments, calls it where the store is.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]]):
        self._call = call

    async def keep_rest(self, person: str, profile: np.ndarray, model_version: str) -> tuple[str, Rest]:
        """Remember a person at rest."""
        return await self._call("keep_rest", person, profile, model_version)

    async def get_rest(self, handle: str) -> Rest | None:
        """Find a person at rest."""
        return await self._call("get_rest", handle)

    async def forget(self, person: str) -> Forgotten:
        """Forget all that is kept of a person."""
        return await self._call("forget", person)

    async def park(self, session: str, state: bytes, seconds: float, person: str | None = None) -> bool:
        """Hold the state of a stream whose connection dropped."""
        return await self._call("park", session, state, seconds, person)

    async def claim(self, session: str) -> bytes | None:
        """Take a parked stream out again."""
        return await self._call("claim", session)

    async def feed(self, model_version: str, people: Sequence[str], features: np.ndarray, unnamed: int = 0) -> None:
        """Add windows that a model answered."""
        await self._call("feed", model_version, people, features, unnamed)

    async def drift_rows(self, model_version: str) -> Rows:
        """Give the windows that are kept of a model."""
        return await self._call("drift_rows", model_version)

    async def report_metrics(self, replica: str, text: str) -> None:
        """Note what a replica says of itself."""
        await self._call("report_metrics", replica, text)

    async def metrics(self) -> list[Snapshot]:
        """What every replica said last."""
        return await self._call("metrics")


class LocalStore(AsyncStore):
    """A store in this process, for an app without Ray.

    Parameters
    ----------
    settings : Settings, optional
        Its bounds; default: :class:`~wesadlib.serving.memory.Limits`.
    store : Store, optional
        Default: a new one.
    """

    def __init__(self, settings: Any = None, store: Store | None = None):
        store = store or Store(Limits.of(settings))

        async def call(name: str, *arguments: Any) -> Any:
            return getattr(store, name)(*arguments)

        super().__init__(call)
        self.store = store


class _Home:
    """The process in which a store lives; one call at a time, for all run on its event loop."""

    def __init__(self, limits: Limits):
        self._store = Store(limits)
        self._sweeping: asyncio.Task | None = None

    async def call(self, name: str, *arguments: Any) -> Any:
        # By itself too, for what is kept has to go also when there is no replica left that would ask.
        self._sweeping = self._sweeping or asyncio.create_task(self._sweep())
        return getattr(self._store, name)(*arguments)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._store.sweep()


def ray_store(settings: Any, namespace: str) -> AsyncStore:
    """The one store of an app on a Ray cluster, made where there is none yet.

    It belongs to no replica and ends with the cluster. Where its own process fails, Ray starts it anew, empty: handles
    are unknown then, streams begin again.

    Parameters
    ----------
    settings : Settings
        Its bounds hold from now on, for a store that is there already too.
    namespace : str
        The app's: two apps on one cluster share nothing.
    """
    import ray
    from ray.exceptions import RayActorError

    limits = Limits.of(settings)
    options = {"name": _NAME, "namespace": namespace, "get_if_exists": True, "lifetime": "detached"}
    home = ray.remote(_Home).options(num_cpus=0, max_restarts=-1, max_task_retries=1, **options).remote(limits)
    # One that is there already was made with those of an earlier start.
    home.call.remote("bound", limits)

    async def call(name: str, *arguments: Any) -> Any:
        try:
            return await home.call.remote(name, *arguments)
        except RayActorError:
            detail = "What the server remembers of people and streams cannot be reached at this moment."
            raise HTTPException(503, detail, {"retry-after": "1"}) from None

    return AsyncStore(call)
