"""What every route asks: answers to windows, by the bundle of the moment, many calls at a time."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from starlette.exceptions import HTTPException

from wesadlib.bundle import Answer, Bundle
from wesadlib.serving.batching import Batcher
from wesadlib.serving.old_settings import Settings
from wesadlib.serving.wire import BodyError, Samples

if TYPE_CHECKING:
    from wesadlib.serving.old_metrics import Watch
    from wesadlib.serving.store import AsyncStore

#: What is said of one window: an answer, what is wrong with it channel by channel, or why it could not be read.
Result = Answer | dict[str, str] | BodyError
T = TypeVar("T")


@dataclass(frozen=True)
class _Call:
    """Windows of one request, and what becomes of their results."""

    read: Callable[[], Sequence[Samples | BodyError]]
    finish: Callable[[list[Result]], Any]
    profile: np.ndarray | None
    watched: dict[str, Any]


def example_window(bundle: Bundle) -> Samples:
    """The first window of a bundle's own example."""
    channels, rates_hz = bundle.example()
    window_s = bundle.config["window_s"]
    cut = {name: values[: round(window_s * rates_hz[name])] for name, values in channels.items()}
    return Samples(cut, dict(rates_hz))


class Service:
    """A bundle that answers, with what is remembered and watched beside it.

    Parameters
    ----------
    bundle : Bundle
        What answers.
    settings : Settings
        Limits and sizes.
    store : AsyncStore
        What outlives a replica.
    watch : Watch
        What is counted.

    Attributes
    ----------
    bundle : Bundle
        The bundle of the moment; a new one may be set at any time, and calls that are being computed keep the old one.
    ready : bool
        Whether it has answered its own example.
    """

    def __init__(self, bundle: Bundle, settings: Settings, store: "AsyncStore", watch: "Watch"):
        self.bundle = bundle
        self.store = store
        self.watch = watch
        self.ready = False
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Take other settings; calls that wait are answered under the old ones."""
        self.settings = settings
        self._batcher = Batcher(
            self._compute,
            threads=settings.threads,
            size=settings.batch_size,
            wait_s=settings.batch_wait_ms / 1e3,
            queue_length=settings.queue_length,
        )

    def require_room(self) -> None:
        """Raise :class:`~wesadlib.serving.batching.Busy` where a call would be refused: its body need not be read."""
        self._batcher.require_room()

    async def warm_up(self) -> None:
        """Answer the bundle's own example, so that the first request meets nothing for the first time."""
        await self.answer([example_window(self.bundle)])
        # What was imported stays: to look through it for garbage again and again would hold up answers by 0.1 s.
        gc.collect()
        gc.freeze()
        self.ready = True

    async def answer(
        self, windows: Sequence[Samples], *, rest: str | None = None, **watched: Any
    ) -> list[Answer | dict[str, str]]:
        """Answer windows, in order; what is wrong with one, channel by channel, stands in its place.

        Parameters
        ----------
        windows : sequence of (channels, rates_hz)
            As :meth:`wesadlib.bundle.Bundle.predict_windows` takes them.
        rest : str, optional
            Handle of the person's rest.
        **watched
            Whose they are and when they began, for :meth:`Watch.answered`.

        Raises
        ------
        Busy
            When too many calls are waiting.
        HTTPException
            404 where the handle is not known.
        """
        return await self.answer_body(lambda: windows, list, rest=rest, weight=len(windows), **watched)

    async def answer_body(
        self,
        read: Callable[[], Sequence[Samples | BodyError]],
        finish: Callable[[list[Result]], T],
        *,
        rest: str | None = None,
        weight: int = 1,
        **watched: Any,
    ) -> T:
        """Read windows, answer them, and make something of the results, all of it in the thread that computes.

        Parameters
        ----------
        read : callable
            Gives the windows, or an error in place of one.
        finish : callable
            Takes the results, in order.
        rest, **watched
            As in :meth:`answer`.
        weight : int
            About how many windows there will be.

        Raises
        ------
        BodyError
            As `read` does.
        Busy, HTTPException
            As in :meth:`answer`.
        """
        profile = None if rest is None else await self.profile(rest)
        self.watch.queue(self._batcher.waiting)
        return await self._batcher(_Call(read, finish, profile, watched), weight)

    async def profile(self, rest: str) -> np.ndarray:
        """What is kept of a person's rest.

        Raises
        ------
        HTTPException
            404 where the handle is unknown or too old, 409 where it was made for another model.
        """
        record = await self.store.get_rest(rest)
        if record is None:
            raise HTTPException(404, "This rest is not known here, or was forgotten; send the minutes at rest again.")
        if record["model_version"] != self.bundle.version:
            raise HTTPException(409, "This rest was made for another model version; send the minutes at rest again.")
        return record["profile"]

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what would hold up the event loop."""
        return await asyncio.to_thread(function, *arguments)

    def _compute(self, calls: list[_Call]) -> list[Any]:
        bundle = self.bundle
        read = [_attempt(call.read) for call in calls]
        windows, profiles = [], []
        for call, parts in zip(calls, read, strict=True):
            if not isinstance(parts, Exception):
                usable = [part for part in parts if not isinstance(part, BodyError)]
                windows += usable
                profiles += [call.profile] * len(usable)
        self.watch.batch(len(windows))
        judged = iter(_judge(bundle, windows, profiles))
        results = []
        for call, parts in zip(calls, read, strict=True):
            results.append(parts if isinstance(parts, Exception) else self._finish(call, parts, judged))
        return results

    def _finish(self, call: _Call, parts: Sequence[Samples | BodyError], judged: Any) -> Any:
        mine = [part if isinstance(part, BodyError) else next(judged) for part in parts]
        if failures := [found for found in mine if isinstance(found, Exception) and not isinstance(found, BodyError)]:
            return failures[0]
        self.watch.answered([found for found in mine if not isinstance(found, BodyError)], **call.watched)
        return _attempt(lambda: call.finish([getattr(found, "answer", found) for found in mine]))


def _judge(bundle: Bundle, windows: list[Samples], profiles: list[np.ndarray | None]) -> list[Any]:
    try:
        return bundle.classify(windows, profiles)
    except Exception:
        # One window must not spoil the others that happened to be computed with it.
        return [
            _attempt(lambda window=window, profile=profile: bundle.classify([window], [profile])[0])
            for window, profile in zip(windows, profiles, strict=True)
        ]


def _attempt(function: Callable[[], T]) -> T | Exception:
    try:
        return function()
    except Exception as error:
        return error
