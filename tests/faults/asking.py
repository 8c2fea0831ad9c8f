"""Requests at a fixed rate beside a test, each with its time, its answer, or what became of it."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import httpx
import msgpack

from wesadlib.serving.wire import CONTENT_TYPES

#: Seconds after which a request without an answer hangs; what it then has for a status.
PATIENCE_S, HANGS, BROKEN = 120.0, -1, 0
_HEADERS = {"content-type": CONTENT_TYPES["binary"]}


class Asked(NamedTuple):
    """One request: which of the bodies, when it was sent and had ended (monotonic, s), and what came back whole."""

    which: int
    sent_s: float
    ended_s: float
    status: int
    headers: Mapping[str, str] = {}
    answer: Mapping[str, Any] = {}


@contextmanager
def asking(url: str, bodies: Sequence[bytes], rate: float, path: str = "/predict") -> Iterator[list[Asked]]:
    """Ask in turn while the block runs, `rate` a second, answered or not; then the list holds all that was sent."""
    asked: list[Asked] = []
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask(asked, over, url + path, bodies, rate)), daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join(2 * PATIENCE_S)
    assert not thread.is_alive()


async def _ask(asked: list[Asked], over: threading.Event, url: str, bodies: Sequence[bytes], rate: float) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
    async with (
        httpx.AsyncClient(timeout=PATIENCE_S, limits=limits, trust_env=False, headers=_HEADERS) as client,
        asyncio.TaskGroup() as tasks,
    ):
        begun = time.monotonic()
        for k in count():
            await asyncio.sleep(max(0.0, begun + k / rate - time.monotonic()))
            if over.is_set():
                break
            tasks.create_task(_ask_once(asked, client, url, k % len(bodies), bodies[k % len(bodies)]))


async def _ask_once(asked: list[Asked], client: httpx.AsyncClient, url: str, which: int, body: bytes) -> None:
    sent_s, read = time.monotonic(), {CONTENT_TYPES["binary"]: msgpack.unpackb, "application/problem+json": json.loads}
    try:
        response = await client.post(url, content=body)
        answer = read.get(response.headers.get("content-type", ""), lambda content: {})(response.content)
        outcome = response.status_code, response.headers, answer
    except httpx.TransportError as error:
        outcome = (HANGS if isinstance(error, httpx.TimeoutException) else BROKEN,)
    asked.append(Asked(which, sent_s, time.monotonic(), *outcome))
