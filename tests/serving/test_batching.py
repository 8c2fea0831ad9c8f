"""Calls that wait together are computed together, and nobody waits for ever."""

import asyncio
import threading

import pytest

from wesadlib.serving.batching import Batcher, Busy


class Gate:
    """Computes batches of numbers when it is let, and remembers them."""

    def __init__(self):
        self.batches, self.open = [], threading.Event()

    def __call__(self, calls):
        self.open.wait(5)
        self.batches.append(calls)
        return [ValueError(call) if call < 0 else 10 * call for call in calls]


def batcher(compute, **options):
    return Batcher(compute, **{"threads": 1, "size": 4, "wait_s": 0.0, "queue_length": 100} | options)


async def started(calls):
    tasks = [asyncio.create_task(call) for call in calls]
    # The first is taken by the thread before the others come.
    for _ in range(20):
        await asyncio.sleep(0.001)
    return tasks


def test_what_waits_while_a_batch_is_computed_is_the_next_batch():
    async def run():
        gate = Gate()
        ask = batcher(gate)
        first = await started([ask(1)])
        others = await started([ask(call) for call in range(2, 9)])
        assert ask.waiting == 7
        gate.open.set()
        assert await asyncio.gather(*first, *others) == [10, 20, 30, 40, 50, 60, 70, 80]
        assert gate.batches == [[1], [2, 3, 4, 5], [6, 7, 8]]
        assert ask.waiting == 0

    asyncio.run(run())


def test_weights_bound_a_batch_and_a_heavy_call_goes_alone():
    async def run():
        gate = Gate()
        ask = batcher(gate)
        tasks = await started([ask(1)]) + await started([ask(2, 3), ask(3, 2), ask(4, 9), ask(5, 1)])
        gate.open.set()
        await asyncio.gather(*tasks)
        assert gate.batches == [[1], [2], [3], [4], [5]]

    asyncio.run(run())


def test_a_failure_is_raised_where_its_call_waits_and_nowhere_else():
    async def run():
        gate = Gate()
        gate.open.set()
        ask = batcher(gate, wait_s=0.01)
        found = await asyncio.gather(ask(1), ask(-2), ask(3), return_exceptions=True)
        assert gate.batches == [[1, -2, 3]]
        assert (found[0], found[2]) == (10, 30) and isinstance(found[1], ValueError)

    asyncio.run(run())


def test_a_failure_of_the_whole_ends_no_later_call():
    async def run():
        failing = [True]

        def compute(calls):
            if failing:
                raise RuntimeError(failing.pop())
            return calls

        ask = batcher(compute)
        with pytest.raises(RuntimeError):
            await ask(1)
        assert await ask(2) == 2

    asyncio.run(run())


def test_past_the_queue_one_is_told_at_once_and_it_is_served_again_later():
    async def run():
        gate = Gate()
        ask = batcher(gate, queue_length=3)
        tasks = await started([ask(1)]) + await started([ask(2), ask(3), ask(4)])
        with pytest.raises(Busy) as refused:
            await ask(5)
        assert refused.value.retry_after_s >= 1
        gate.open.set()
        assert await asyncio.gather(*tasks) == [10, 20, 30, 40]
        assert await ask(6) == 60

    asyncio.run(run())


def test_who_has_gone_is_not_computed_for():
    async def run():
        gate = Gate()
        ask = batcher(gate)
        first, gone, stays = await started([ask(1)]) + await started([ask(2), ask(3)])
        gone.cancel()
        await asyncio.sleep(0)
        gate.open.set()
        assert await asyncio.gather(first, stays) == [10, 30]
        assert gate.batches == [[1], [3]]
        assert ask.waiting == 0

    asyncio.run(run())


def test_another_loop_may_ask_too():
    ask = batcher(lambda calls: calls)
    assert [asyncio.run(ask(1)), asyncio.run(ask(2))] == [1, 2]


def test_as_many_batches_at_a_time_as_there_are_threads():
    async def run():
        barrier = threading.Barrier(2, timeout=5)

        def compute(calls):
            barrier.wait()
            return calls

        ask = batcher(compute, threads=2, size=1)
        assert await asyncio.gather(ask(1), ask(2)) == [1, 2]

    asyncio.run(run())
