"""Calls that wait together are computed together.

Ray Serve has a decorator for this, which closes a batch when its first call has waited long enough, whether or not
anything is free to compute it: without a wait it makes batches of one, with one every lone call is delayed. Here
whatever is waiting when a thread becomes free is its next batch, so that batches grow with the load and a lone call
waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple


class Busy(Exception):
    """More calls are waiting than are allowed to.

    Attributes
    ----------
    retry_after_s : int
        When to ask again.
    """

    def __init__(self, detail: str, retry_after_s: int = 1):
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class _Waiting(NamedTuple):
    call: Any
    weight: int
    result: asyncio.Future


class Batcher:
    """Hand calls to threads, as many at a time as are waiting.

    Parameters
    ----------
    compute : callable
        Takes a list of calls and returns a result for each, in order; runs in a thread. A result that is an exception
        is raised where that call waits.
    threads : int
        How many batches are computed at a time.
    size : int
        Largest sum of weights in a batch; a heavier call makes a batch by itself.
    wait_s : float
        How long a free thread waits for more calls to come, where several came together before: those who were just
        answered ask again at about the same time. A lone call waits for nobody.
    queue_length : int
        Largest sum of weights that waits for a thread.
    """

    def __init__(
        self,
        compute: Callable[[list[Any]], Sequence[Any]],
        *,
        threads: int,
        size: int,
        wait_s: float,
        queue_length: int,
    ):
        self._compute = compute
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answers")
        self._free, self._size, self._wait_s, self._queue_length = threads, size, wait_s, queue_length
        self._waiting: deque[_Waiting] = deque()
        self._waiting_weight = 0
        self._several = False
        self._tasks: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """Sum of the weights that wait for a thread."""
        return self._waiting_weight

    def require_room(self) -> None:
        """Raise :class:`Busy` where a call would be refused, so that nothing need be made ready for it."""
        if self._waiting_weight >= self._queue_length:
            raise Busy(f"{self._waiting_weight} windows are waiting already; ask again later.")

    async def __call__(self, call: Any, weight: int = 1) -> Any:
        """Compute one call.

        Raises
        ------
        Busy
            When too many are waiting.
        """
        self.require_room()
        loop = asyncio.get_running_loop()
        result = loop.create_future()
        self._waiting.append(_Waiting(call, weight, result))
        self._waiting_weight += weight
        if self._free:
            self._free -= 1
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await result

    async def _work(self) -> None:
        try:
            while self._waiting:
                if self._wait_s and self._several:
                    await asyncio.sleep(self._wait_s)
                batch = self._take()
                self._several = len(batch) > 1
                if batch:
                    await self._run(batch)
        finally:
            self._free += 1

    def _take(self) -> list[_Waiting]:
        batch, weight = [], 0
        while self._waiting and (not batch or weight + self._waiting[0].weight <= self._size):
            first = self._waiting.popleft()
            self._waiting_weight -= first.weight
            # Whoever has gone is not computed for.
            if not first.result.done():
                batch.append(first)
                weight += first.weight
        return batch

    async def _run(self, batch: list[_Waiting]) -> None:
        calls = [waiting.call for waiting in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._compute, calls)
        except Exception as error:
            results = [error] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            if waiting.result.done():
                continue
            if isinstance(result, Exception):
                waiting.result.set_exception(result)
            else:
                waiting.result.set_result(result)
