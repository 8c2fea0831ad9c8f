"""Calls that wait together are computed together, and nobody waits for ever."""

import asyncio
import threading

import pytest

from wesadlib.serving.service import Batcher, Busy

pytestmark = pytest.mark.anyio


class Gate:
    """Computes batches of numbers when it is let, and remembers them."""

    def __init__(self, open=False):
        self.batches, self.open = [], threading.Event()
        if open:
            self.open.set()

    def __call__(self, calls):
        self.open.wait(60)
        self.batches.append(calls)
        return [ValueError(call) if call < 0 else 10 * call for call in calls]


def batcher(compute, **options):
    return Batcher(compute, **{"threads": 1, "size": 4, "queue_length": 100} | options)


async def started(*calls):
    tasks = [asyncio.create_task(call) for call in calls]
    # The first is taken by the thread before the others come.
    for _ in range(20):
        await asyncio.sleep(0.001)
    return tasks


async def test_what_waits_while_a_batch_is_computed_is_the_next_batch_bounded_by_weight():
    gate = Gate()
    ask = batcher(gate)
    tasks = await started(ask(1)) + await started(*(ask(call) for call in range(2, 9)))
    tasks += await started(ask(9, 3), ask(10, 2), ask(11, 9), ask(12, 1))
    assert ask.waiting == 7 + 15
    gate.open.set()
    assert await asyncio.gather(*tasks) == [10 * call for call in range(1, 13)]
    assert gate.batches == [[1], [2, 3, 4, 5], [6, 7, 8], [9], [10], [11], [12]]
    assert ask.waiting == 0


async def test_a_failure_is_raised_where_its_call_waits_and_nowhere_else():
    gate = Gate()
    ask = batcher(gate)
    tasks = await started(ask(0)) + await started(ask(1), ask(-2), ask(3))
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.batches == [[0], [1, -2, 3]]
    assert (results[1], results[3]) == (10, 30) and isinstance(results[2], ValueError)


async def test_a_failure_of_the_whole_ends_no_later_call():
    failing = [True]

    def compute(calls):
        if failing:
            raise RuntimeError(failing.pop())
        return calls

    ask = batcher(compute)
    with pytest.raises(RuntimeError):
        await ask(1)
    assert await ask(2) == 2


async def test_past_the_queue_one_is_refused_at_once_and_it_is_served_again_later():
    gate = Gate()
    ask = batcher(gate, queue_length=3)
    tasks = await started(ask(1)) + await started(ask(2), ask(3), ask(4))
    with pytest.raises(Busy) as refused:
        await ask(5)
    assert (refused.value.status_code, refused.value.headers) == (503, {"retry-after": "1"})
    assert refused.value.detail == "3 windows are waiting already; ask again later."
    gate.open.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40]
    assert await ask(6) == 60


async def test_who_has_gone_is_not_computed_for():
    gate = Gate()
    ask = batcher(gate)
    first, gone, stays = await started(ask(1)) + await started(ask(2), ask(3))
    gone.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    assert await asyncio.gather(first, stays) == [10, 30]
    assert gate.batches == [[1], [3]]


async def test_several_that_came_together_are_waited_for_and_a_lone_call_is_not():
    gate = Gate(open=True)
    ask = batcher(gate)
    assert await ask(1) == 10
    assert await asyncio.gather(ask(2), ask(3)) == [20, 30]
    assert await asyncio.gather(ask(4), ask(5)) == [40, 50]
    batches = gate.batches
    assert batches[0] == [1] and [call for batch in batches for call in batch] == [1, 2, 3, 4, 5]


async def test_as_many_batches_at_a_time_as_there_are_threads():
    barrier = threading.Barrier(2, timeout=60)

    def compute(calls):
        barrier.wait()
        return calls

    ask = batcher(compute, threads=2, size=1)
    assert await asyncio.gather(ask(1), ask(2)) == [1, 2]
