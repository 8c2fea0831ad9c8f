"""Many streams in real time, and how late their predictions come.

Every stream sends a second of samples each second; those of all streams are the same bytes, made beforehand, so that
the clients take as little of the machine as they can. Their hops are spread evenly over time.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import uvloop
import websockets

from wesadlib.serving import wire
from wesadlib.serving.wire import Chunk, write_samples

HOP_S, WINDOW_S, LATE_S = 5.0, 60.0, 0.5
#: Predictions still awaited so long after the last is due count as missing.
PATIENCE_S = 10.0


def measure_streams(
    port: int, channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], streams: int, seconds: float
) -> dict[str, float]:
    """Open streams that repeat one window's native samples, and time their predictions.

    The time is `seconds` after each has sent a whole window at once. ``streams``; ``streams_predictions``, those that
    were due; ``streams_late_percent``, of these, what came later than half a second after the samples that completed it
    were due to be sent, or did not come; ``streams_missing``, how many did not come; ``streams_p50_ms streams_p95_ms
    streams_p99_ms`` of those that came.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        times = runner.run(_open_all(port, Frames(channels, rates_hz, seconds), streams))
    due = streams * int(seconds // HOP_S)
    late = due - sum(value <= LATE_S for value in times)
    quantiles = 1e3 * np.quantile(times, [0.5, 0.95, 0.99]) if times else [np.nan] * 3
    return {
        "streams": streams,
        "streams_predictions": due,
        "streams_late_percent": 100 * late / due,
        "streams_missing": due - len(times),
        **{f"streams_{name}_ms": float(value) for name, value in zip(("p50", "p95", "p99"), quantiles, strict=True)},
    }


class Frames:
    """What each stream sends: its start, a whole window, and then a second at a time."""

    def __init__(self, channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], seconds: float):
        described = {name: {"rate_hz": rate} for name, rate in rates_hz.items()}
        self.start = wire.write({"type": "start", "channels": described, "hop_s": HOP_S}, "binary")

        def samples(begin_s: float, end_s: float) -> bytes:
            spans = {name: (round(begin_s * rate), round(end_s * rate)) for name, rate in rates_hz.items()}
            parts = {name: np.arange(*span) % len(channels[name]) for name, span in spans.items()}
            return write_samples({n: Chunk(spans[n][0], channels[n][part]) for n, part in parts.items()}, "binary")

        self.window = samples(0, WINDOW_S)
        self.seconds = [samples(WINDOW_S + second, WINDOW_S + second + 1) for second in range(int(seconds))]


async def _open_all(port: int, frames: Frames, streams: int) -> list[float]:
    begun = time.perf_counter()
    # All windows at once would be a load of its own: that one comes first, untimed.
    steady = begun + max(2 * HOP_S, streams / 20)
    opened = (_stream(port, frames, begun + k / 20, steady + HOP_S * k / streams) for k in range(streams))
    outcomes = await asyncio.gather(*opened, return_exceptions=True)
    return [value for times in outcomes if isinstance(times, list) for value in times]


async def _stream(port: int, frames: Frames, opened: float, steady: float) -> list[float]:
    await _until(opened)
    async with websockets.connect(f"ws://127.0.0.1:{port}/stream", compression=None, max_size=None, proxy=None) as line:
        await line.send(frames.start)
        await line.send(frames.window)
        due: dict[int, float] = {}
        times: list[float] = []
        listening = asyncio.create_task(_listen(line, due, times, len(frames.seconds) // int(HOP_S)))
        for second, part in enumerate(frames.seconds, 1):
            await _until(steady + second)
            if second % HOP_S == 0:
                due[round(second / HOP_S)] = steady + second
            await line.send(part)
        await asyncio.wait([listening], timeout=PATIENCE_S)
        listening.cancel()
        return times


async def _listen(line: Any, due: Mapping[int, float], times: list[float], wanted: int) -> None:
    async for frame in line:
        message = msgpack.unpackb(frame)
        window = round(message.get("start_s", 0) / HOP_S)
        if message["type"] == "prediction" and window in due:
            times.append(time.perf_counter() - due[window])
        if len(times) == wanted:
            return


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))
