"""Streams as a client holds them: opened, broken, taken up again."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from wesadlib.errors import InputError
from wesadlib.serving import calls
from wesadlib.serving.stream_messages import Ready, StreamPrediction
from wesadlib.serving.stream_talk import Frame, StreamTalk

#: What says that a connection broke, or none came about.
_BROKEN = (OSError, EOFError, ConnectionClosed, InvalidHandshake)
#: Codes of a close after which the same would be answered again.
_FINAL_CODES = (1002, 1003, 1007, 1008, 1009, 1010)
#: How long a server may be silent, s: one that is far behind reads no ping before the samples that were sent ahead.
_SILENCE_S = 60.0
_NOT_OPEN = "A stream is used inside the `with` that opens it."
#: Before a stream is taken up that has just broken at the same place, s.
_PAUSE_S = 0.25
T = TypeVar("T")


class StreamLost(ConnectionError):
    """A stream broke and could not be taken up again."""


class AsyncStream:
    """A stream that predictions are read from while samples are sent.

    Whatever breaks on the way, it is taken up again where it was: no prediction is missing and none comes twice.

    Parameters
    ----------
    talk : StreamTalk
        What is said.
    url : str
        Where the server listens.
    timeout_s : float
        How long a connection may take to come about.
    token : str, optional
        The bearer token, where the server asks for one.
    retry_s : float
        For how long it is tried to open the stream, and at least to take it up again.

    Raises
    ------
    RequestRefused
        On opening and everywhere after, when the server refuses what it was told.
    StreamLost
        When the server cannot be reached, or not in time any more.
    """

    def __init__(self, talk: StreamTalk, url: str, *, timeout_s: float, token: str | None, retry_s: float):
        self._talk = talk
        self._url = f"ws{url.removeprefix('http').rstrip('/')}/stream"
        self._timeout_s, self._retry_s = timeout_s, retry_s
        self._keywords: dict[str, Any] = {
            "additional_headers": {"authorization": f"Bearer {token}"} if token else {},
            "open_timeout": timeout_s,
            "ping_timeout": _SILENCE_S,
            # Were predictions left unread, the server would wait, and so would whoever sends it samples.
            "max_queue": None,
            # Samples hardly shrink, and on this machine there is no proxy.
            "compression": None,
            "proxy": None,
        }
        self._saying = asyncio.Lock()
        self._answers: asyncio.Queue[StreamPrediction | None] = asyncio.Queue()
        self._error: Exception | None = None
        self._connection: ClientConnection | None = None
        self._reading: asyncio.Task | None = None
        # How far the stream had come at most when it broke, and since when that has been so.
        self._broke_at: tuple[tuple[int, ...], float] = ((), 0.0)

    async def send(self, channels: Mapping[str, Any], first: Mapping[str, int] | None = None) -> None:
        """Send samples as they come, no faster than the server takes them; what is NaN counts as missing.

        Parameters
        ----------
        channels : mapping of str to array (time)
            Of all channels or of some, at their native rates. Channels go on side by side: one that is two seconds
            behind the others is answered as missing.
        first : mapping of str to int, optional
            Index of the first sample since the stream's start; without it a channel goes on where it was.

        Raises
        ------
        InputError
            When a channel is unknown, or the stream is not open or was ended.
        """
        async with self._saying:
            await self._say(self._talk.samples(channels, first))

    async def end(self) -> None:
        """Say that there is nothing more to come."""
        async with self._saying:
            await self._say([self._talk.end()])

    async def close(self) -> None:
        """Close the connection, whether or not all is answered."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._connection.close()

    async def __aenter__(self) -> "AsyncStream":
        await self._open()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[StreamPrediction]:
        return self

    async def __anext__(self) -> StreamPrediction:
        """The next prediction; there are no more when the server has answered the end."""
        self._require_open()
        prediction = await self._answers.get()
        if prediction is not None:
            return prediction
        self._answers.put_nowait(None)
        self._check()
        raise StopAsyncIteration

    async def _open(self) -> None:
        known = self._talk.ready
        patience = calls.patience(self._patience_s(), _is_passing)
        try:
            async with self._saying:
                self._connection, lacking = await AsyncRetrying(**patience)(self._connect)
                await self._send(lacking)
        except _BROKEN as error:
            if isinstance(error, InvalidStatus):
                answer, body = error.response, bytes(error.response.body or b"")
                calls.check(httpx.Response(answer.status_code, headers=[*answer.headers.raw_items()], content=body))
            what = "the stream broke and could not be resumed" if known else "no stream could be opened"
            raise StreamLost(f"{what} at {self._url}: {error}") from error

    def _patience_s(self) -> float:
        # At first as any request is tried again, later for as long as the server keeps the stream.
        return max(self._retry_s, self._talk.ready.grace_s if self._talk.ready else 0.0)

    async def _open_again(self, error: Exception) -> None:
        """Take the stream up, unless that has brought nothing for too long: a server may fail at each attempt."""
        now, progress = time.monotonic(), self._talk.progress
        if progress > self._broke_at[0]:
            self._broke_at = progress, now
        elif now - self._broke_at[1] > self._patience_s():
            raise StreamLost(f"the stream breaks at the same place again and again: {error}") from error
        else:
            await asyncio.sleep(_PAUSE_S)
        await self._open()

    async def _connect(self) -> tuple[ClientConnection, list[Frame]]:
        connection = await connect(self._url, **self._keywords)
        try:
            await connection.send(self._talk.start().body)
            async with asyncio.timeout(self._timeout_s):
                ready = self._talk.receive(await connection.recv())
            if not isinstance(ready, Ready):
                raise ConnectionError("the server has no room for a stream")
            return connection, self._talk.again(ready)
        except BaseException:
            await connection.close()
            raise

    async def _read(self) -> None:
        try:
            while not self._talk.finished:
                try:
                    said = self._talk.receive(await self._connection.recv())
                except _BROKEN as error:
                    if not _is_passing(error):
                        raise StreamLost(f"the server closed the stream: {error}") from error
                    await self._open_again(error)
                else:
                    if isinstance(said, StreamPrediction):
                        self._answers.put_nowait(said)
        except Exception as error:
            self._error = error
        finally:
            self._answers.put_nowait(None)

    async def _say(self, frames: list[Frame]) -> None:
        self._require_open()
        self._check()
        await self._send(frames)

    async def _send(self, frames: list[Frame]) -> None:
        # Where the connection breaks, the reader opens another and says again what was lost.
        with suppress(ConnectionClosed):
            for frame in frames:
                await self._connection.send(frame.body)
                await asyncio.sleep(frame.pause_s)

    def _require_open(self) -> None:
        if self._reading is None:
            raise InputError(_NOT_OPEN)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


class Stream:
    """:class:`AsyncStream` for programs that wait: it lives in a thread of its own, which reads at all times."""

    def __init__(self, talk: StreamTalk, url: str, **keywords: Any):
        self._stream = AsyncStream(talk, url, **keywords)
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, channels: Mapping[str, Any], first: Mapping[str, int] | None = None) -> None:
        """Send samples, see :meth:`AsyncStream.send`."""
        self._await(self._stream.send(channels, first))

    def end(self) -> None:
        """Say that there is nothing more to come."""
        self._await(self._stream.end())

    def __iter__(self) -> Iterator[StreamPrediction]:
        with suppress(StopAsyncIteration):
            while True:
                yield self._await(anext(self._stream))

    def __enter__(self) -> "Stream":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stream", daemon=True)
        self._thread.start()
        try:
            self._await(self._stream.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._await(self._stream.close())
        finally:
            self._stop()

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or self._loop.is_closed():
            work.close()
            raise InputError(_NOT_OPEN)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, InvalidStatus):
        return error.response.status_code in (429, 502, 503, 504)
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return error.rcvd.code not in _FINAL_CODES
    return isinstance(error, _BROKEN) or calls.is_busy(error)
