"""A server of streams that does what a script says, and the words of one."""

from contextlib import asynccontextmanager, contextmanager

import msgpack
import numpy as np
from anyio.from_thread import start_blocking_portal
from websockets.asyncio.server import serve

RATES = {"wrist_bvp": 64.0, "wrist_eda": 4.0}
ANSWER = {
    "status": "rejected",
    "state": None,
    "probabilities": None,
    "confidence": None,
    "abstained": False,
    "quality": {},
    "reasons": [],
    "model_version": "0",
    "protocol": "cold_start",
}


def packed(kind, **fields):
    return msgpack.packb({"type": kind, **fields})


def ready(samples_per_s=10**8, **following):
    fields = {"model_version": "0", "window_s": 10.0, "hop_s": 5.0, "samples_per_s": samples_per_s}
    return packed("ready", **fields, next=dict.fromkeys(RATES, 0) | following)


def prediction(number, reasons=0, score=None):
    answer, begin_s = ANSWER | {"reasons": ["x" * 9000] * reasons}, 5.0 * number
    return packed("prediction", start_s=begin_s, end_s=begin_s + 10, answer=answer, score=score, latency_ms=1.0)


def seconds(begin, end):
    return {name: np.arange(begin * rate, end * rate, dtype=np.float32) for name, rate in RATES.items()}


@contextmanager
def scripted(*scripts, **keywords):
    """A server that treats its connections by these scripts, one after the other; gives its address."""
    waiting = list(scripts)

    @asynccontextmanager
    async def run():
        async with serve(lambda line: waiting.pop(0)(line), "127.0.0.1", 0, compression=None, **keywords) as server:
            yield server.sockets[0].getsockname()[1]

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(run()) as port:
        yield f"http://127.0.0.1:{port}"
    assert waiting == []


async def hear(line):
    return msgpack.unpackb(await line.recv())


#: Steps of a script: one message is heard, all up to the end are, the connection is broken off.
HEAR, HEAR_ALL, BREAK = "hear", "hear all", "break"


def plays(*steps, heard=None):
    """A script of steps: bytes are sent, a number is the code to close with; what is heard goes to a list."""
    heard = [] if heard is None else heard

    async def play(line):
        for step in steps:
            if step == BREAK:
                line.transport.abort()
            elif isinstance(step, int):
                await line.close(step, "no")
            elif isinstance(step, bytes):
                await line.send(step)
            else:
                heard.append(await hear(line))
                while step == HEAR_ALL and heard[-1] != {"type": "end"}:
                    heard.append(await hear(line))

    return play
