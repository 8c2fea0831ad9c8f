"""What every route asks: answers to windows, by the bundle of the moment, many calls at a time."""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from starlette.exceptions import HTTPException

from wesadlib.bundle import Answer, Bundle
from wesadlib.serving.drift_store import Drift
from wesadlib.serving.metrics import Metrics
from wesadlib.serving.rest import RestSigner
from wesadlib.serving.settings import Settings
from wesadlib.serving.wire import Samples, attempt

T = TypeVar("T")


class Busy(HTTPException):
    """More windows are waiting than are allowed to."""

    def __init__(self, waiting: int):
        super().__init__(503, f"{waiting} windows are waiting already; ask again later.", {"retry-after": "1"})


class _Call(NamedTuple):
    """Windows of one request, and the rest of their person."""

    windows: Sequence[Samples]
    rest: np.ndarray | None


class Batcher:
    """Hand calls to threads, as many at a time as are waiting; an exception among the results is raised to its call.

    Ray Serve has a decorator for this, which delays every lone call or makes batches of one. Here whatever is waiting
    when a thread becomes free is its next batch, so that batches grow with the load and a lone call waits for nobody.
    `size` bounds the sum of weights in a batch (a heavier call makes one by itself), `queue_length` of those that wait;
    where several came together before, a free thread waits `wait_s` for more.
    """

    def __init__(
        self, compute: Callable[[list], Sequence[Any]], *, threads: int, size: int, wait_s: float, queue_length: int
    ):
        self._compute, self._size, self._wait_s, self._queue_length = compute, size, wait_s, queue_length
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answers")
        self._free = threads
        self._calls: deque[tuple[Any, int, asyncio.Future]] = deque()
        self._several = False
        self._tasks: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """Sum of the weights that wait for a thread."""
        return sum(weight for _, weight, _ in self._calls)

    async def __call__(self, call: Any, weight: int = 1) -> Any:
        """Compute one call; raises :class:`Busy` when too many are waiting."""
        if (waiting := self.waiting) >= self._queue_length:
            raise Busy(waiting)
        loop = asyncio.get_running_loop()
        result = loop.create_future()
        self._calls.append((call, weight, result))
        if self._free:
            self._free -= 1
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await result

    async def _work(self) -> None:
        try:
            while self._calls:
                if self._wait_s and self._several:
                    await asyncio.sleep(self._wait_s)
                batch = self._take()
                self._several = len(batch) > 1
                if batch:
                    await self._run(*zip(*batch, strict=True))
        finally:
            self._free += 1

    def _take(self) -> list[tuple[Any, asyncio.Future]]:
        batch, total = [], 0
        while self._calls and (not total or total + self._calls[0][1] <= self._size):
            call, weight, result = self._calls.popleft()
            # Whoever has gone is not computed for.
            if not result.done():
                batch.append((call, result))
                total += weight
        return batch

    async def _run(self, calls: Sequence[Any], waiting: Sequence[asyncio.Future]) -> None:
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._compute, list(calls))
        except Exception as error:
            results = [error] * len(waiting)
        for future, result in zip(waiting, results, strict=True):
            if not future.done():
                (future.set_exception if isinstance(result, Exception) else future.set_result)(result)


def example_window(bundle: Bundle) -> Samples:
    """The first window of a bundle's own example."""
    window_s = bundle.config["window_s"]
    return Samples(*bundle.example().windows(window_s, window_s)[0])


class Service:
    """A bundle that answers, with what is counted beside it; `rest_key` signs people's rest, alike in all replicas."""

    def __init__(
        self,
        bundle: Bundle,
        settings: Settings,
        metrics: Metrics | None = None,
        drift: Drift | None = None,
        rest_key: str | None = None,
    ):
        self.bundle, self.settings = bundle, settings
        self.metrics = metrics or Metrics(bundle)
        self.drift = drift or Drift(bundle, settings)
        self.signer = RestSigner(rest_key, settings.rest_age_h)
        self.ready = False
        self._batcher = Batcher(
            self._compute,
            threads=settings.threads,
            size=settings.batch_size,
            wait_s=settings.batch_wait_ms / 1e3,
            queue_length=settings.queue_length,
        )

    async def warm_up(self) -> None:
        """Answer the bundle's own example, so that the first request meets nothing for the first time."""
        await self._batcher(_Call([example_window(self.bundle)], None))
        # What was imported stays: to look through it for garbage again and again would hold up answers by 0.1 s.
        gc.collect()
        gc.freeze()
        self.ready = True

    async def answer(
        self, windows: Sequence[Samples], *, rest: str | None = None, **origin: Any
    ) -> list[Answer | dict[str, str]]:
        """Answer windows, in order; what is wrong with one, channel by channel, stands in its place.

        `rest` is the person's, signed (401 or 409 where it cannot be used); `origin` says whose they are and when they
        began, as :meth:`wesadlib.serving.drift_store.Drift.add` takes it. Raises :class:`Busy` when too many wait.
        """
        values = None if rest is None else self.signer.read(rest, self.bundle.version)
        if not windows:
            return []
        try:
            results = await self._batcher(_Call(windows, values), len(windows))
        finally:
            self.metrics.queue(self._batcher.waiting)
        self.metrics.answered(results)
        self.drift.add(results, **origin)
        return [result.answer for result in results]

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what would hold up the event loop."""
        return await asyncio.to_thread(function, *arguments)

    def _compute(self, calls: list[_Call]) -> list[Any]:
        windows = [window for call in calls for window in call.windows]
        self.metrics.queue(self._batcher.waiting)
        self.metrics.batch(len(windows))
        results = iter(self._classify(windows, [call.rest for call in calls for _ in call.windows]))
        parts = [[next(results) for _ in call.windows] for call in calls]
        return [next((result for result in part if isinstance(result, Exception)), part) for part in parts]

    def _classify(self, windows: list[Samples], rests: list[np.ndarray | None]) -> list[Any]:
        try:
            return self.bundle.classify(windows, rests)
        except Exception:
            # One window must not spoil the others that happened to be computed with it.
            pairs = zip(windows, rests, strict=True)
            return [attempt(lambda pair=pair: self.bundle.classify([pair[0]], [pair[1]])[0]) for pair in pairs]
