"""Requests at a rate, or as fast as they are answered, from a process of its own: how much a server can take.

Over bare sockets: a client library would take more of the machine than some of the servers that it measures. Whatever
goes wrong with a request (a status other than 200, a connection that breaks, no answer in time) counts as an error.
"""

import asyncio
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np
import pandas as pd
import uvloop
from prometheus_client.parser import text_string_to_metric_families

#: Seconds after which an answer is no longer waited for; most connections at a time.
PATIENCE_S, MOST_CONNECTIONS = 10.0, 128
#: Past saturation are rates of which less than this share is answered in time, or whose 99th percentile is above this.
LEAST_ANSWERED, MOST_P99_MS = 0.95, 1000.0
#: Requests a second that are tried one after the other, until one is too high.
RATES = (25, 50, 100, 200, 300, 400, 600, 800, 1200, 1600, 2400)

_Row = tuple[float, float, int]


@dataclass(frozen=True)
class Target:
    """Where on this machine requests go, and what they carry: the bodies in turn, again and again."""

    port: int
    path: str
    content_type: str
    bodies: tuple[bytes, ...]

    def requests(self) -> list[bytes]:
        """Each body as a whole request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: {self.content_type}\r\n"
            f"accept: {self.content_type}\r\ncontent-length: "
        )
        return [f"{head}{len(body)}\r\n\r\n".encode() + body for body in self.bodies]


class Connection:
    """One connection that is kept, and opened again where it broke."""

    def __init__(self, port: int):
        self.port = port
        self.writer = None

    async def status(self, request: bytes) -> int:
        """Send one request and wait for the whole answer; 0 where there is none."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._exchange(request)
        except (OSError, EOFError, TimeoutError, ValueError):
            self.close()
            return 0

    async def _exchange(self, request: bytes) -> int:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(request)
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        headers = dict(line.split(b":", 1) for line in lines if line)
        await self.reader.readexactly(int(headers.get(b"content-length", 0)))
        if headers.get(b"connection", b"").strip() == b"close":
            self.close()
        return int(status.split()[1])

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self.writer is not None:
            self.writer.close()
        self.writer = None


@contextmanager
def clients() -> Iterator[Executor]:
    """A process of its own for the clients, which ends with the block, and with this process where that is killed."""
    with ProcessPoolExecutor(1, get_context("spawn"), _end_with_parent) as executor:
        executor.submit(os.getpid).result()
        yield executor


def _end_with_parent() -> None:
    # A pool's workers otherwise wait for ever.
    def watch() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def closed_loop(target: Target, clients: int, seconds: float, most: int | None = None) -> pd.DataFrame:
    """Each of some clients asks again as soon as it is answered, for `seconds` or until `most` were asked.

    ``start_s milliseconds status``, a row a request; the status is 0 where there was no answer.
    """
    return _run(_closed_loop(target, clients, seconds, most))


def open_loop(target: Target, rate: float, seconds: float) -> pd.DataFrame:
    """:func:`closed_loop` at a fixed rate, whether or not others are answered; time runs from when each was due."""
    return _run(_open_loop(target, rate, seconds))


def raise_rates(
    executor: Executor, target: Target, rates: Sequence[float], seconds: float, metrics: Callable[[], str]
) -> pd.DataFrame:
    """Ask at rising rates (requests a second), `seconds` at each, until one is too high; `metrics` gives the counts.

    A row a rate, up to the first that saturates the server: ``rate saturated batch_windows``, the last being how many
    windows were computed together on average, and what :func:`summarise_requests` says. A rate saturates when a request
    fails, less than 95 % of what was asked is answered in time, or the 99th percentile is above a second.
    """
    rows = []
    for rate in rates:
        before = count_batches(metrics())
        row = summarise_requests(executor.submit(open_loop, target, rate, seconds).result())
        windows, batches = np.subtract(count_batches(metrics()), before)
        kept_up = row["requests_per_s"] >= LEAST_ANSWERED * rate * seconds / (seconds + 1 / rate)
        saturated = bool(row["errors"]) or not kept_up or not row["p99_ms"] <= MOST_P99_MS
        batch_windows = windows / batches if batches else math.nan
        rows.append({"rate": rate, "saturated": saturated, "batch_windows": batch_windows, **row})
        if saturated:
            break
    return pd.DataFrame(rows)


def count_batches(metrics: str) -> tuple[float, float]:
    """Windows that a server's replicas have computed, and in how many batches, as ``GET /metrics`` says it."""
    totals = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            totals[sample.name] += sample.value
    return totals["wesad_batch_windows_sum"], totals["wesad_batch_windows_count"]


def summarise_requests(requests: pd.DataFrame) -> dict[str, float]:
    """Summarise requests, as :func:`closed_loop` gives them: ``requests errors requests_per_s p50_ms p95_ms p99_ms``.

    An error has a status other than 200; those without are counted over the time from the first that was due to the
    last that ended, and of them are the percentiles, NaN where there is none.
    """
    answered = requests["status"] == 200
    ended_s = requests["start_s"] + requests["milliseconds"] / 1e3
    taken_s = ended_s.max() - requests["start_s"].min()
    quantiles = requests.loc[answered, "milliseconds"].quantile([0.5, 0.95, 0.99])
    return {
        "requests": len(requests),
        "errors": int((~answered).sum()),
        "requests_per_s": float(answered.sum() / taken_s),
        **{f"p{round(100 * share)}_ms": float(value) for share, value in quantiles.items()},
    }


def _run(work: Coroutine[Any, Any, list[_Row]]) -> pd.DataFrame:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(work)
    return pd.DataFrame(rows, columns=["start_s", "milliseconds", "status"])


async def _closed_loop(target: Target, clients: int, seconds: float, most: int | None) -> list[_Row]:
    requests, rows, begun = cycle(target.requests()), [], time.perf_counter()
    left = iter(range(most)) if most is not None else cycle([0])

    async def ask() -> None:
        connection = Connection(target.port)
        while (start := time.perf_counter()) - begun < seconds and next(left, None) is not None:
            status = await connection.status(next(requests))
            rows.append((start - begun, 1e3 * (time.perf_counter() - start), status))
        connection.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return rows


async def _open_loop(target: Target, rate: float, seconds: float) -> list[_Row]:
    requests, rows, begun = cycle(target.requests()), [], time.perf_counter()
    free: list[Connection] = []
    allowed = asyncio.Semaphore(MOST_CONNECTIONS)

    async def ask(due: float) -> None:
        async with allowed:
            connection = free.pop() if free else Connection(target.port)
            late = time.perf_counter() - begun - due
            # Nobody waits for ever: what was not even sent in time is not sent.
            status = await connection.status(next(requests)) if late < PATIENCE_S else 0
            rows.append((due, 1e3 * (time.perf_counter() - begun - due), status))
            free.append(connection)

    async with asyncio.TaskGroup() as tasks:
        for k in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + k / rate - time.perf_counter()))
            tasks.create_task(ask(k / rate))
    for connection in free:
        connection.close()
    return rows
