"""A stream as its client holds it: what it sends, what it keeps to send again, and how it is taken up after a drop."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import numpy as np
from anyio.from_thread import BlockingPortal
from tenacity import AsyncRetrying
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from wesadlib.errors import InputError
from wesadlib.evaluation.running import MOST_SCORES
from wesadlib.serving import wire
from wesadlib.serving.calls import ASK_AGAIN, RequestRefused, asks_again, check, retries, waiting
from wesadlib.serving.schemas import Problem
from wesadlib.serving.stream_messages import Ready, StreamPrediction
from wesadlib.serving.wire import Chunk, write_samples

#: What says that a connection broke, or none came about.
_BROKEN = (OSError, EOFError, ConnectionClosed, InvalidHandshake)
#: Codes of a close after which the same would be answered again.
_FINAL_CODES = (1002, 1003, 1007, 1008, 1009, 1010)
#: A broken stream is tried to be taken up for so long, s, and given up after so many breaks without a prediction
#: between them: a server may fail at the same window each time.
_RESUME_S, _MOST_BREAKS = 60.0, 10
#: Longer each time that a stream breaks at the same place, s.
_PAUSE_S = 0.5
#: Longest part of a stream in one message, s: a message is bounded, and a minute of the chest in JSON is not small.
_LONGEST_S = 10.0


class StreamLost(ConnectionError):
    """A stream broke and could not be taken up again."""


class AsyncStream:
    """A stream that predictions are read from while samples are sent; :meth:`AsyncClient.stream` opens it.

    Samples are kept until all windows that they are in were answered, and every window's score. After a drop the stream
    is started anew with the scores at the first window without an answer: none is missing and none comes twice.
    """

    def __init__(
        self,
        url: str,
        rates_hz: Mapping[str, float],
        *,
        hop_s: float,
        form: wire.Form,
        retry_s: float,
        http: Mapping[str, Any],
        **start: str | None,
    ):
        if form not in wire.CONTENT_TYPES:
            raise InputError(f"form {form!r} is unknown; it is one of {', '.join(wire.CONTENT_TYPES)}.")
        # A scheme may be written in any case.
        self._url = f"ws{str(httpx.URL(url)).removeprefix('http').rstrip('/')}/stream"
        self._rates_hz = {name: float(rate) for name, rate in rates_hz.items()}
        self._hop_s, self._form, self._retry_s = float(hop_s), form, retry_s
        channels = {name: {"rate_hz": rate} for name, rate in self._rates_hz.items()}
        self._start = {"type": "start", "channels": channels, "hop_s": self._hop_s}
        self._start |= {name: value for name, value in start.items() if value is not None}
        self._keywords: dict[str, Any] = {
            "additional_headers": http["headers"],
            "open_timeout": http["timeout"],
            # A server that is far behind reads no ping before the samples that were sent ahead.
            "ping_timeout": 60.0,
            # Were predictions left unread, the server would wait, and so would whoever sends it samples.
            "max_queue": None,
            # Samples hardly shrink.
            "compression": None,
            "proxy": http["trust_env"] or None,
            "ssl": http["verify"] if self._url.startswith("wss") else None,
        }
        self._kept: deque[dict[str, Chunk]] = deque()
        self._next = dict.fromkeys(self._rates_hz, 0)
        #: Of each window up to the last that was answered, NaN where there is none.
        self._scores: list[float] = []
        self._samples_per_s, self._ended = math.inf, False
        self._sending = asyncio.Lock()
        self._predictions: asyncio.Queue[StreamPrediction | None] = asyncio.Queue()
        self._reading: asyncio.Task | None = None

    async def send(self, channels: Mapping[str, Any]) -> None:
        """Send samples as they come, no faster than the server takes them; what is NaN counts as missing.

        `channels` are arrays (time) of all channels or of some, at their native rates, which go on side by side: one
        that is two seconds behind the others is answered as missing.
        """
        self._check()
        if self._ended:
            raise InputError("This stream was ended: it takes no more samples.")
        samples = {}
        for name, values in channels.items():
            if name not in self._rates_hz:
                raise InputError(f"{name}: this stream has the channels {', '.join(self._rates_hz)}.")
            samples[name] = Chunk(self._next[name], np.asarray(values, np.float32))
            if samples[name].values.ndim != 1:
                raise InputError(f"{name}: samples are an array (time), not one of shape {np.shape(values)}.")
        async with self._sending:
            chunks = list(_cut(samples, self._rates_hz))
            self._kept.extend(chunks)
            self._next |= {name: part.stop for name, part in samples.items()}
            await self._write(chunks)

    async def end(self) -> None:
        """Say that there is nothing more to come."""
        self._check()
        async with self._sending:
            self._ended = True
            await self._write([])

    async def __aenter__(self) -> "AsyncStream":
        await self._open(self._retry_s)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._connection.close()

    def __aiter__(self) -> AsyncIterator[StreamPrediction]:
        return self

    async def __anext__(self) -> StreamPrediction:
        """The next prediction; there are no more when the server has answered the end."""
        if self._reading is None or (prediction := await self._predictions.get()) is None:
            self._predictions.put_nowait(None)
            self._check()
            raise StopAsyncIteration
        return prediction

    def _check(self) -> None:
        if self._reading is None:
            raise InputError("A stream is used inside the `with` that opens it.")
        if self._reading.done() and not self._reading.cancelled():
            self._reading.result()

    async def _open(self, retry_s: float) -> None:
        """Connect, start where the first window is still wanted, and send again what was kept from there on."""
        async with self._sending:
            try:
                ready = await AsyncRetrying(**retries(retry_s, _is_passing))(self._connect)
            except _BROKEN as error:
                if isinstance(error, InvalidStatus):
                    answer = error.response
                    headers, content = [*answer.headers.raw_items()], bytes(answer.body or b"")
                    check(httpx.Response(answer.status_code, headers=headers, content=content))
                raise StreamLost(f"no stream could be opened at {self._url}: {error}") from error
            self._samples_per_s = ready.samples_per_s
            await self._write([rest for chunk in self._kept if (rest := _from(chunk, ready.next))])

    async def _connect(self) -> Ready:
        self._connection: ClientConnection = await connect(self._url, **self._keywords)
        try:
            await self._send(wire.write(self._start | self._resumption(), self._form))
            async with asyncio.timeout(self._keywords["open_timeout"]):
                ready = self._receive(await self._connection.recv())
            if not isinstance(ready, Ready):
                raise ConnectionError("the server did not take it up")
            return ready
        except BaseException:
            await self._connection.close()
            raise

    def _resumption(self) -> dict[str, Any]:
        """What a stream that dropped is started with besides."""
        if not self._scores:
            return {}
        start, scores = {"start_s": len(self._scores) * self._hop_s}, np.array(self._scores[-MOST_SCORES:], "<f8")
        if not np.isnan(scores).all():
            start["scores"] = scores.tobytes() if self._form == "binary" else scores.tolist()
        return start

    async def _send(self, body: bytes) -> None:
        await self._connection.send(body.decode() if self._form == "json" else body)

    async def _write(self, chunks: Iterable[dict[str, Chunk]]) -> None:
        # Where the connection breaks, the reader opens another and sends again what was kept.
        with suppress(ConnectionClosed):
            for chunk in chunks:
                await self._send(write_samples(chunk, self._form))
                await asyncio.sleep(sum(len(samples.values) for samples in chunk.values()) / self._samples_per_s)
            if self._ended:
                await self._send(wire.write({"type": "end"}, self._form))

    async def _read(self) -> None:
        breaks, answered = 0, len(self._scores)
        try:
            while True:
                try:
                    while prediction := self._receive(await self._connection.recv()):
                        self._predictions.put_nowait(prediction)
                    return
                except (*_BROKEN, RequestRefused) as error:
                    if not _is_passing(error):
                        raise
                    breaks, answered = breaks + 1 if answered == len(self._scores) else 1, len(self._scores)
                    if breaks > _MOST_BREAKS:
                        raise StreamLost(f"the stream breaks at the same place again and again: {error}") from error
                await asyncio.sleep(min(_PAUSE_S * (breaks - 1), 5.0))
                await self._open(max(self._retry_s, _RESUME_S))
        except ConnectionClosed as error:
            raise StreamLost(f"the server closed the stream: {error}") from error
        finally:
            self._predictions.put_nowait(None)

    def _receive(self, frame: str | bytes) -> Ready | StreamPrediction | None:
        """Read what the server says; None is the end."""
        form = "json" if isinstance(frame, str) else "binary"
        message = wire.read(frame.encode() if isinstance(frame, str) else frame, form)
        kind = message.pop("type")
        if kind == "ready":
            return Ready(**message)
        if kind == "problem":
            raise RequestRefused(message["status"], Problem(**message))
        if kind == "end":
            return None
        prediction = StreamPrediction(**message)
        self._scores += [math.nan] * (round(prediction.start_s / self._hop_s) - len(self._scores))
        self._scores.append(math.nan if prediction.score is None else prediction.score)
        wanted = {name: round(len(self._scores) * self._hop_s * rate) for name, rate in self._rates_hz.items()}
        while self._kept and not _from(self._kept[0], wanted):
            self._kept.popleft()
        return prediction


class Stream:
    """:class:`AsyncStream` for programs that wait."""

    send = waiting(AsyncStream.send)
    end = waiting(AsyncStream.end)
    __exit__ = waiting(AsyncStream.__aexit__)

    def __init__(self, stream: AsyncStream, portal: BlockingPortal):
        self._awaited, self._portal = stream, portal

    def __enter__(self) -> "Stream":
        self._portal.call(self._awaited.__aenter__)
        return self

    def __iter__(self) -> Iterator[StreamPrediction]:
        with suppress(StopAsyncIteration):
            while True:
                yield self._portal.call(partial(anext, self._awaited))


def _from(chunk: Mapping[str, Chunk], first: Mapping[str, int]) -> dict[str, Chunk]:
    """What of a chunk lies at these indices or after."""
    parts = {name: samples.after(first.get(name, 0)) for name, samples in chunk.items()}
    return {name: samples for name, samples in parts.items() if len(samples.values)}


def _cut(samples: Mapping[str, Chunk], rates_hz: Mapping[str, float]) -> Iterator[dict[str, Chunk]]:
    """Cut samples, all channels at the same times: the server goes on without those that lag behind one."""
    begin_s = min((part.first / rates_hz[name] for name, part in samples.items()), default=0)
    end_s = max((part.stop / rates_hz[name] for name, part in samples.items()), default=0)
    for cut_s in np.arange(begin_s, end_s, _LONGEST_S) + _LONGEST_S:
        stops = {name: round(cut_s * rates_hz[name]) for name in samples}
        chunk = {name: Chunk(p.first, p.values[: max(stops[name] - p.first, 0)]) for name, p in samples.items()}
        if chunk := {name: part for name, part in chunk.items() if len(part.values)}:
            yield chunk
        samples = _from(samples, stops)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, InvalidStatus):
        return error.response.status_code in (*ASK_AGAIN, 504)
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return error.rcvd.code not in _FINAL_CODES
    return isinstance(error, _BROKEN) or asks_again(error)
