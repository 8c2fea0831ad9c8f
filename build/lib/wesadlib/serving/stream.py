"""The route ``WS /stream``: samples as they come, and a prediction every hop; see :mod:`.stream_messages`."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect
from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_exponential

from wesadlib.bundle import Answer
from wesadlib.serving import wire
from wesadlib.serving.problems import describe_error, make_problem, unusable
from wesadlib.serving.schemas import Problem, ProblemItem
from wesadlib.serving.service import Busy, Service
from wesadlib.serving.stream_buffer import StreamBuffer, StreamWindow
from wesadlib.serving.stream_messages import End, Ready, Start, StreamPrediction, problem_message, read_message
from wesadlib.serving.wire import BodyError, Form

#: What a client may name beside its token, where it can send that as a subprotocol only.
SUBPROTOCOL = "wesad"
#: Seconds over which a client's samples are counted, and for which it may send nothing.
RATE_OVER_S, IDLE_S = 10.0, 300.0
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
            await session.close(*_close_reason(error))
            return
        task = asyncio.current_task()
        self._tasks.add(task)
        self._service.metrics.streams(1)
        try:
            code, message = await session.run()
        except asyncio.CancelledError:
            if not self._ending:
                raise
            task.uncancel()
            code, message = 1012, None
        finally:
            self._tasks.discard(task)
            self._service.metrics.streams(-1)
        await session.close(code, message)

    async def end(self) -> None:
        """Close every stream with 1012: the server ends, and its client takes it up elsewhere."""
        self._ending = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._service.settings.request_time_s)


class StreamSession:
    """One stream from its first message to its end."""

    def __init__(self, service: Service, websocket: WebSocket):
        self._service, self._websocket = service, websocket
        self._form: Form = "json"
        self._start: Start | None = None
        self._rate = _Rate(service.settings.stream_samples_per_s)
        self._name = secrets.token_urlsafe(16)

    async def run(self) -> tuple[int, dict[str, Any] | None]:
        """Converse until there is nothing more to say; gives the close code, and what is said before."""
        try:
            buffer = await self._begin()
            await self._converse(buffer)
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
        if not isinstance(start, Start):
            raise BodyError("A stream begins with a start message, and has one only.")
        channels, window_s = bundle.config["channels"], bundle.config["window_s"]
        _check_start(start, channels, settings.hop_min_s)
        if start.rest is not None:
            self._service.signer.read(start.rest, bundle.version)
        rates_hz = {name: start.channels[name].rate_hz for name in channels}
        buffer = StreamBuffer(
            rates_hz, window_s=window_s, hop_s=start.hop_s, lag_s=settings.lag_s, start_s=start.start_s
        )
        self._start = start
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
            if isinstance(message, Start):
                raise BodyError("A stream begins with a start message, and has one only.")
            self._rate.spend(sum(len(chunk.values) for chunk in message.values()))
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
        answers = await retry(
            self._service.answer,
            [wire.Samples(window.channels, buffer.rates_hz) for window in windows],
            rest=self._start.rest,
            person=self._start.person,
            # Windows of a stream overlap, and are all of one person, whoever that is.
            session=self._name,
            start_s=[window.start_s for window in windows],
            hop_s=buffer.hop_s,
        )
        for window, answer in zip(windows, answers, strict=True):
            if not isinstance(answer, Answer):
                raise BodyError(unusable(answer).detail, unusable(answer).errors)
            latency_ms = 1e3 * (time.perf_counter() - read_s)
            prediction = StreamPrediction.model_construct(
                start_s=window.start_s, end_s=window.end_s, answer=answer, latency_ms=latency_ms
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
        most_mb = self._service.settings.max_message_mb
        if len(body) > most_mb * 2**20:
            raise BodyError(f"A message has at most {most_mb:g} MiB.", status=413)
        if len(body) < _LARGE:
            return read_message(body, form), read_s
        return await self._service.in_thread(read_message, body, form), read_s

    async def _send(self, message: dict[str, Any]) -> None:
        body = wire.write(message, self._form)
        await (self._websocket.send_text(body.decode()) if self._form == "json" else self._websocket.send_bytes(body))


class _Rate:
    """How many samples a client may still send: a bucket of 10 s that fills at the allowed rate."""

    def __init__(self, per_s: float):
        self._per_s, self._left, self._time_s = per_s, RATE_OVER_S * per_s, time.monotonic()

    def spend(self, samples: int) -> None:
        now_s = time.monotonic()
        self._left = min(RATE_OVER_S * self._per_s, self._left + self._per_s * (now_s - self._time_s)) - samples
        self._time_s = now_s
        if self._left < 0:
            detail = f"A stream sends at most {self._per_s:g} samples a second over {RATE_OVER_S:g} s."
            raise HTTPException(429, detail)


def stream_router(streams: Streams) -> APIRouter:
    """Make the route."""
    router = APIRouter()
    router.add_api_websocket_route("/stream", streams.serve)

    described = {101: {"description": "a WebSocket"}, 426: {"model": Problem, "description": "Not asked for one."}}

    @router.get("/stream", name="stream", responses=described)
    async def refuse() -> None:
        """Open a WebSocket: `Start`, `SamplesMessage` and `End` go there; `Ready` and `StreamPrediction` come back."""
        raise HTTPException(426, "This is a WebSocket: ask for an upgrade.", {"upgrade": "websocket"})

    return router


def _check_start(start: Start, wanted: Sequence[str], hop_min_s: float) -> None:
    unknown = f"unknown channel, this model uses {', '.join(wanted)}"
    details = {f"channels.{name}": unknown for name in start.channels if name not in wanted}
    details |= {f"channels.{name}": "missing channel" for name in wanted if name not in start.channels}
    if start.hop_s < hop_min_s:
        details["hop_s"] = f"at least {hop_min_s:g} s, not {start.hop_s:g}"
    if details:
        items = [ProblemItem(name=name, detail=detail) for name, detail in details.items()]
        raise BodyError("This stream cannot be answered.", items)


def _close_reason(error: Exception) -> tuple[int, dict[str, Any]]:
    problem, _ = describe_error(error)
    if problem.status == 500:
        # The error's own words could repeat a sample.
        _logger.error("a stream failed: %s", type(error).__name__)
        problem = make_problem(500, "The server failed at this stream.")
    code = {413: 1009, 500: 1011, 503: 1013}.get(problem.status, 1008)
    return code, problem_message(problem)
