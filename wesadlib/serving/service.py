"""What every route asks: answers to windows, by one bundle, many calls at a time; and people's rest, as a value."""

import asyncio
import gc
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack
import numpy as np
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from starlette.exceptions import HTTPException

from wesadlib.bundle import Bundle, Result
from wesadlib.bundle.answer import Follower
from wesadlib.bundle.because import describe_movers
from wesadlib.bundle.compatibility import feature_units
from wesadlib.serving.drift_store import Drift
from wesadlib.serving.metrics import Metrics
from wesadlib.serving.schemas import MAX_TOKEN
from wesadlib.serving.settings import Settings
from wesadlib.serving.wire import Samples, attempt

#: In which later calls bring a person's rest.
REST_HEADER = "Wesad-Rest"
#: For how long a free thread waits for more, s.
_TOGETHER_S = 0.001


class Busy(HTTPException):
    """More windows are waiting than are allowed to."""

    def __init__(self, waiting: int):
        super().__init__(503, f"{waiting} windows are waiting already; ask again later.", {"retry-after": "1"})


class RestSigner:
    """Sign people's rest, and read what was signed with the same key, by default a random one, at most so long ago."""

    def __init__(self, key: str | None = None, age_h: float = 24.0):
        self.age_h = age_h
        options = {"key_derivation": "hmac", "digest_method": sha256}
        self._serializer = URLSafeTimedSerializer(
            key or secrets.token_hex(32), "wesad rest", msgpack, signer_kwargs=options
        )

    def sign(self, values: np.ndarray, model_version: str) -> str:
        """Sign a person's rest (value,), for the model that it was made by."""
        return self._serializer.dumps([model_version, np.asarray(values, "<f4").tobytes()]).decode()

    def read(self, token: str, model_version: str) -> np.ndarray:
        """Read a signed rest; raises HTTPException 401 or 409 with a sentence where it cannot be used."""
        again = "send the minutes at rest again."
        try:
            if len(token) > MAX_TOKEN:
                raise BadData("too long")
            version, values = self._serializer.loads(token, max_age=self.age_h * 3600)
        except SignatureExpired:
            raise HTTPException(401, f"This rest is older than {self.age_h:g} h; {again}") from None
        except BadData:
            raise HTTPException(401, f"This rest was not signed by this server, or was altered; {again}") from None
        if version != model_version:
            raise HTTPException(409, f"This rest was made for another model version; {again}")
        return np.frombuffer(values, "<f4")


class _Call(NamedTuple):
    """Windows of one request, and the rest of their person."""

    windows: Sequence[Samples]
    rest: np.ndarray | None


class Batcher:
    """Hand calls to threads, as many at a time as are waiting; an exception among the results is raised to its call.

    Ray Serve has a decorator for this, which delays every lone call or makes batches of one. Here whatever is waiting
    when a thread becomes free is its next batch, so that batches grow with the load and a lone call waits for nobody.
    `size` bounds the sum of weights in a batch (a heavier call makes one by itself), `queue_length` of those that wait;
    where several came together before, a free thread waits a moment for more.
    """

    def __init__(self, compute: Callable[[list], Sequence[Any]], threads: int, size: int, queue_length: int):
        self._compute, self._size, self._queue_length = compute, size, queue_length
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answers")
        self._free = threads
        self._several = False
        self._calls: deque[tuple[Any, int, asyncio.Future]] = deque()
        self._tasks: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """Sum of the weights that wait for a thread."""
        return sum(weight for _, weight, _ in self._calls)

    async def __call__(self, call: Any, weight: int = 1) -> Any:
        """Compute one call; raises :class:`Busy` when too many are waiting."""
        if (waiting := self.waiting) >= self._queue_length:
            raise Busy(waiting)
        result = asyncio.get_running_loop().create_future()
        self._calls.append((call, weight, result))
        if self._free:
            self._free -= 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await result

    async def _work(self) -> None:
        try:
            while self._calls:
                if self._several:
                    await asyncio.sleep(_TOGETHER_S)
                batch = self._take()
                self._several = len(batch) > 1
                if batch:
                    await self._run(batch)
        finally:
            self._free += 1

    def _take(self) -> list[tuple[Any, asyncio.Future]]:
        batch, total = [], 0
        while self._calls and (not total or total + self._calls[0][1] <= self._size):
            call, weight, result = self._calls.popleft()
            # Whoever waited for it may be gone.
            if not result.done():
                batch.append((call, result))
                total += weight
        return batch

    async def _run(self, batch: list[tuple[Any, asyncio.Future]]) -> None:
        calls, waiting = zip(*batch, strict=True)
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._executor, self._compute, list(calls))
        except Exception as error:
            results = [error] * len(waiting)
        for future, result in zip(waiting, results, strict=True):
            if not future.done():
                (future.set_exception if isinstance(result, Exception) else future.set_result)(result)


class Service:
    """A bundle that answers, with what is counted beside it; `rest_key` signs people's rest, alike in all replicas."""

    def __init__(self, bundle: Bundle, settings: Settings, drift: Drift | None = None, rest_key: str | None = None):
        self.bundle, self.settings = bundle, settings
        self.metrics, self.drift = Metrics(bundle), drift or Drift(bundle, settings.drift_windows)
        self.signer = RestSigner(rest_key, settings.rest_age_h)
        self.ready = False
        self._batcher = Batcher(self._compute, settings.threads, settings.batch_size, settings.queue_length)

    async def warm_up(self) -> None:
        """Answer the bundle's own example, so that the first request meets nothing for the first time."""
        window_s = self.bundle.config["window_s"]
        await self._batcher(_Call([Samples(*self.bundle.example().windows(window_s, window_s)[0])], None))
        # What was imported stays: to look through it for garbage again and again would hold up answers by 0.1 s.
        gc.collect()
        gc.freeze()
        self.ready = True

    async def answer(
        self,
        windows: Sequence[Samples],
        *,
        rest: str | None = None,
        follower: Follower | None = None,
        **origin: Any,
    ) -> list[Result]:
        """Answer windows, in order; what is wrong with one, channel by channel, stands in its answer's place.

        `rest` is the person's, signed (401 or 409 where it cannot be used), `follower` that of a stream; `origin` says
        whose they are and when they began, as :meth:`wesadlib.serving.drift_store.Drift.add` takes it. Raises
        :class:`Busy` when too many wait.
        """
        values = None if rest is None else self.signer.read(rest, self.bundle.version)
        if not windows:
            return []
        try:
            results = await self._batcher(_Call(windows, values), len(windows))
        finally:
            self.metrics.queue_windows.set(self._batcher.waiting)
        if follower:
            results = list(map(follower, results, origin["start_s"]))
        self.metrics.count_results(results)
        self.drift.add(results, **origin)
        return results

    def explain(self, result: Result, rest: str | None) -> Result:
        """The same with what moved the answer, where there is one."""
        if result.features is None:
            return result
        values = None if rest is None else self.signer.read(rest, self.bundle.version)
        because = describe_movers(self.bundle, result.features[None], values, feature_units(self.bundle))
        return result._replace(answer=result.answer.model_copy(update={"because": list(because)}))

    def require_ready(self) -> None:
        """Raise HTTPException 503 while the model has not answered its own example."""
        if not self.ready:
            raise HTTPException(503, "The model is not ready yet; ask again.", {"retry-after": "1"})

    def _compute(self, calls: list[_Call]) -> list[Any]:
        windows = [window for call in calls for window in call.windows]
        self.metrics.queue_windows.set(self._batcher.waiting)
        self.metrics.batch_windows.observe(len(windows))
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
