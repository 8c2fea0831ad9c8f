"""The route ``WS /stream``: samples as they come, and a prediction every hop; see :mod:`.stream_messages`."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect
from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_exponential

from wesadlib.bundle import Answer
from wesadlib.serving import wire
from wesadlib.serving.guard import describe_error, make_problem, unusable
from wesadlib.serving.schemas import ProblemItem
from wesadlib.serving.service import Busy, Service
from wesadlib.serving.stream_buffer import StreamBuffer, StreamWindow
from wesadlib.serving.stream_messages import MAX_SCORE, End, Ready, Start, StreamPrediction
from wesadlib.serving.wire import BodyError, Form, read_message

#: What a client may name beside its token, where it can send that as a subprotocol only.
SUBPROTOCOL = "wesad"
#: Seconds over which a client's samples are counted, and for which it may send nothing; largest message, MiB.
RATE_OVER_S, IDLE_S, MAX_MESSAGE_MB = 10.0, 300.0, 4
#: Windows of one stream that are answered together, where so many are due; bytes that are read beside the event loop.
_TOGETHER, _LARGE = 8, 2**16
_logger = logging.getLogger(__name__)


class Streams:
    """The streams that a replica holds."""

    def __init__(self, service: Service):
        self._service = service
        self._tasks: set[asyncio.Task] = set()
        self._ending = False

    async def serve(self, websocket: WebSocket) -> None:
        """Answer one connection until it ends."""
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", ()) else None)
        session = StreamSession(self._service, websocket)
        if len(self._tasks) >= self._service.settings.max_streams:
            error = HTTPException(503, "This server has as many streams as it takes; try again later.")
            return await session.close(*_close_reason(error))
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            with self._service.metrics.open_streams.track_inprogress():
                code, message = await session.run()
        except asyncio.CancelledError:
            if not self._ending:
                raise
            task.uncancel()
            code, message = 1012, None
        finally:
            self._tasks.discard(task)
        await session.close(code, message)

    async def end(self) -> None:
        """Close every stream with 1012: the server ends, and its client takes it up elsewhere."""
        self._ending = True
        for task in (tasks := [*self._tasks]):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._service.settings.request_time_s)


class StreamSession:
    """One stream from its first message to its end; the person's scores so far are here and nowhere else."""

    def __init__(self, service: Service, websocket: WebSocket):
        self._service, self._websocket = service, websocket
        self._form: Form = "json"
        self._start: Start | None = None
        self._name = secrets.token_urlsafe(16)
        self._samples_left = RATE_OVER_S * service.settings.stream_samples_per_s
        self._counted_s = time.monotonic()

    async def run(self) -> tuple[int, dict[str, Any] | None]:
        """Converse until there is nothing more to say; gives the close code, and what is said before."""
        try:
            await self._converse(await self._begin())
            return 1000, {"type": "end"}
        except WebSocketDisconnect:
            return 1000, None
        except Exception as error:
            return _close_reason(error)

    async def close(self, code: int, message: dict[str, Any] | None) -> None:
        """Say what there is to say, and close."""
        try:
            if message:
                await self._send(message)
            await self._websocket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            pass  # It is closed already.

    async def _begin(self) -> StreamBuffer:
        settings, bundle = self._service.settings, self._service.bundle
        start, _ = await self._receive(settings.request_time_s, "No start message came in time.")
        channels, window_s = bundle.config["channels"], bundle.config["window_s"]
        _check_channels(start, channels)
        rest = None if start.rest is None else self._service.signer.read(start.rest, bundle.version)
        buffer = StreamBuffer(
            {name: start.channels[name].rate_hz for name in channels},
            window_s=window_s,
            hop_s=start.hop_s,
            start_s=start.start_s,
        )
        scores = _read_scores(start, round(start.start_s / start.hop_s))
        begins_s = start.start_s - start.hop_s * np.arange(len(scores), 0, -1)
        self._follower = bundle.follow(rest, scores, begins_s)
        self._start = start.model_copy(update={"scores": None})
        ready = Ready(
            model_version=bundle.version,
            window_s=window_s,
            hop_s=start.hop_s,
            samples_per_s=settings.stream_samples_per_s,
            next=buffer.next,
        )
        await self._send(ready.model_dump())
        return buffer

    async def _converse(self, buffer: StreamBuffer) -> None:
        while True:
            message, read_s = await self._receive(IDLE_S, f"Nothing came for {IDLE_S:g} s.")
            if isinstance(message, End):
                return
            self._spend(sum(len(chunk.values) for chunk in message.values()))
            buffer.add(message)
            # Nothing further is read before this is answered: a client that is ahead waits.
            while windows := buffer.due(_TOGETHER):
                await self._answer(windows, buffer, read_s)

    async def _answer(self, windows: Sequence[StreamWindow], buffer: StreamBuffer, read_s: float) -> None:
        retry = AsyncRetrying(
            retry=retry_if_exception_type(Busy),
            wait=wait_exponential(0.05, max=1.0),
            stop=stop_before_delay(self._service.settings.request_time_s),
            reraise=True,
        )
        results = await retry(
            self._service.answer,
            [wire.Samples(window.channels, buffer.rates_hz) for window in windows],
            rest=self._start.rest,
            follower=self._follower,
            person=self._start.person,
            # Windows of a stream overlap, and are all of one person, whoever that is.
            session=self._name,
            start_s=[window.start_s for window in windows],
            hop_s=buffer.hop_s,
        )
        for window, result in zip(windows, results, strict=True):
            if not isinstance(result.answer, Answer):
                raise BodyError(unusable(result.answer).detail, unusable(result.answer).errors)
            prediction = StreamPrediction.model_construct(
                start_s=window.start_s,
                end_s=window.end_s,
                answer=result.answer,
                score=result.score,
                latency_ms=1e3 * (time.perf_counter() - read_s),
            )
            await self._send(prediction.model_dump())

    async def _receive(self, most_s: float, sentence: str) -> tuple[Any, float]:
        """The next message, and when it was read; raises HTTPException 408 with the sentence where none comes."""
        try:
            event = await asyncio.wait_for(self._websocket.receive(), most_s)
        except TimeoutError:
            raise HTTPException(408, sentence) from None
        read_s = time.perf_counter()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1006))
        text = event.get("text")
        form: Form = "binary" if text is None else "json"
        body = event["bytes"] if text is None else text.encode()
        if self._start is None:
            self._form = form
        if len(body) > MAX_MESSAGE_MB * 2**20:
            raise BodyError(f"A message has at most {MAX_MESSAGE_MB:g} MiB.", status=413)
        message = await asyncio.to_thread(read_message, body, form) if len(body) >= _LARGE else read_message(body, form)
        if isinstance(message, Start) == (self._start is not None):
            raise BodyError("A stream begins with a start message, and has one only.")
        return message, read_s

    async def _send(self, message: dict[str, Any]) -> None:
        body = wire.write(message, self._form)
        await (self._websocket.send_text(body.decode()) if self._form == "json" else self._websocket.send_bytes(body))

    def _spend(self, samples: int) -> None:
        """Take samples from what the client may still send, a bucket of 10 s that fills at the allowed rate."""
        per_s, now_s = self._service.settings.stream_samples_per_s, time.monotonic()
        filled = self._samples_left + per_s * (now_s - self._counted_s)
        self._samples_left, self._counted_s = min(RATE_OVER_S * per_s, filled) - samples, now_s
        if self._samples_left < 0:
            raise HTTPException(429, f"A stream sends at most {per_s:g} samples a second over {RATE_OVER_S:g} s.")


def _check_channels(start: Start, wanted: Sequence[str]) -> None:
    unknown = f"unknown channel, this model uses {', '.join(wanted)}"
    details = {f"channels.{name}": unknown for name in start.channels if name not in wanted}
    details |= {f"channels.{name}": "missing channel" for name in wanted if name not in start.channels}
    if details:
        items = [ProblemItem(name=name, detail=detail) for name, detail in details.items()]
        raise BodyError("This stream cannot be answered.", items)


def _read_scores(start: Start, earlier: int) -> np.ndarray:
    """Scores (window,) of the windows before the start, NaN for those without."""
    packed = isinstance(start.scores, bytes)
    whole = not packed or len(start.scores) % 8 == 0
    scores = np.array([] if not whole else np.frombuffer(start.scores, "<f8") if packed else start.scores or [], float)
    if not whole or len(scores) > earlier or np.isinf(scores).any() or (np.abs(scores) > MAX_SCORE).any():
        detail = f"one of at most {MAX_SCORE:g} either way, or none, for each of the {earlier} windows before `start_s`"
        raise BodyError("This stream cannot be taken up.", [ProblemItem(name="scores", detail=detail)])
    return scores


def _close_reason(error: Exception) -> tuple[int, dict[str, Any]]:
    problem, _ = describe_error(error)
    if problem.status == 500:
        # The error's own words could repeat a sample.
        _logger.error("a stream failed: %s", type(error).__name__)
        problem = make_problem(500, "The server failed at this stream.")
    code = {413: 1009, 500: 1011, 503: 1013}.get(problem.status, 1008)
    # Its own `type`, the kind of problem, gives way to the message's.
    return code, problem.model_dump() | {"type": "problem"}
