"""One stream from its first message to its end; see :mod:`.stream_messages` for what is said."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect
from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_exponential

from wesadlib.bundle import Answer
from wesadlib.serving import wire
from wesadlib.serving.batching import Busy
from wesadlib.serving.problems import body_problem, make_problem, unusable
from wesadlib.serving.schemas import Problem, ProblemItem
from wesadlib.serving.service import Service
from wesadlib.serving.stream_buffer import StreamBuffer, StreamWindow
from wesadlib.serving.stream_messages import End, Ready, Start, StreamPrediction, problem_message, read_message

#: Seconds over which a client's samples are counted, and for which it may send nothing.
RATE_OVER_S, IDLE_S = 10.0, 300.0
#: How long, and how often, a stream is looked for that may not be parked yet: its connection has only just dropped.
CLAIM_S, CLAIM_EVERY_S = 1.0, 0.1
#: Windows of one stream that are answered together, where so many are due; bytes that are read beside the event loop.
_TOGETHER, _LARGE = 8, 2**16
_logger = logging.getLogger(__name__)


class _Refused(Exception):
    def __init__(self, problem: Problem, code: int):
        super().__init__(problem.detail)
        self.problem, self.code = problem, code


class Outcome(NamedTuple):
    """How a stream ends: the close code, what is said before, and whether it can be resumed."""

    code: int
    message: dict[str, Any] | None = None
    resumable: bool = False


class Conversation:
    """One connection and what it holds.

    Parameters
    ----------
    service : Service
        What answers.
    websocket : WebSocket
        Accepted.
    """

    def __init__(self, service: Service, websocket: WebSocket):
        self._service = service
        self._websocket = websocket
        self._form: wire.Form = "json"
        self._start: Start | None = None
        self._buffer: StreamBuffer | None = None
        self._session = ""
        self._rate = _Rate(service.settings.stream_samples_per_s)
        self._interrupted = self._over = False

    def interrupt(self, task: asyncio.Task) -> None:
        """Make :meth:`attend` return, unless it already has."""
        if not self._over:
            self._interrupted = True
            task.cancel()

    async def attend(self) -> Outcome:
        """Converse until there is nothing more to say."""
        try:
            await self._begin()
            await self._converse()
            return Outcome(1000, {"type": "end"})
        except WebSocketDisconnect:
            return Outcome(1000, resumable=True)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            asyncio.current_task().uncancel()
            return Outcome(1012, resumable=True)
        except Exception as error:
            return _refusal(error)
        finally:
            self._over = True

    async def end(self, outcome: Outcome) -> None:
        """Park what can be resumed, say what there is to say, and close."""
        if outcome.resumable and self._buffer is not None:
            try:
                state = self._buffer.to_bytes()
                await self._park(self._session, state, self._start.person)
            except Exception as error:
                _logger.error("a stream could not be parked: %s", type(error).__name__)
        try:
            if outcome.message:
                await self._send(outcome.message)
            await self._websocket.close(outcome.code)
        except (WebSocketDisconnect, RuntimeError):
            pass  # It is closed already.

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(self._service.settings.body_time_s):
                start, _ = await self._receive()
        except TimeoutError:
            raise _Refused(make_problem(408, "No start message came in time."), 1008) from None
        if not isinstance(start, Start):
            raise wire.BodyError("A stream begins with a start message, and has one only.")
        config = self._service.bundle.config
        _check_start(start, config["channels"], self._service.settings.hop_min_s)
        if start.rest is not None:
            await self._service.profile(start.rest)
        rates_hz = {name: start.channels[name].rate_hz for name in config["channels"]}
        shape = {"window_s": config["window_s"], "hop_s": start.hop_s}
        buffer = StreamBuffer(rates_hz, lag_s=self._service.settings.lag_s, **shape)
        self._session = secrets.token_urlsafe(16)
        if start.start_s is not None:
            buffer.restart(start.start_s)
        if start.session is not None:
            buffer = await self._resume(start, buffer)
        self._start, self._buffer = start, buffer
        ready = Ready(
            session=self._session,
            model_version=self._service.bundle.version,
            grace_s=self._service.settings.grace_s,
            samples_per_s=self._service.settings.stream_samples_per_s,
            next=buffer.next,
            **shape,
        )
        await self._send(ready.model_dump())

    async def _resume(self, start: Start, fresh: StreamBuffer) -> StreamBuffer:
        """The stream that was parked under a session, or else the fresh one."""
        deadline = time.monotonic() + CLAIM_S
        while (state := await self._service.store.claim(_place(start.session, start.person))) is None:
            if time.monotonic() > deadline:
                return fresh
            await asyncio.sleep(CLAIM_EVERY_S)
        parked = StreamBuffer.from_bytes(state)
        if parked.rates_hz != fresh.rates_hz or (parked.window_s, parked.hop_s) != (fresh.window_s, fresh.hop_s):
            # Whoever asks again as the stream was started finds it.
            await self._park(start.session, state, start.person)
            detail = "this stream was started with other channels, rates or another hop"
            raise wire.BodyError("This is not a start message.", [ProblemItem(name="session", detail=detail)])
        if start.start_s is not None:
            parked.restart(start.start_s)
        self._session = start.session
        return parked

    async def _park(self, session: str, state: bytes, person: str | None) -> None:
        await self._service.store.park(_place(session, person), state, self._service.settings.grace_s, person)

    async def _converse(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    message, read_s = await self._receive()
            except TimeoutError:
                detail = f"Nothing came for {IDLE_S:g} s."
                raise _Refused(make_problem(408, detail), 1008) from None
            if isinstance(message, End):
                return
            if isinstance(message, Start):
                raise wire.BodyError("A stream begins with a start message, and has one only.")
            self._rate.spend(sum(len(samples.values) for samples in message.values()))
            self._buffer.add(message)
            # Nothing further is read before this is answered: a client that is ahead waits.
            while windows := self._buffer.due(_TOGETHER):
                await self._answer(windows, read_s)

    async def _answer(self, windows: Sequence[StreamWindow], read_s: float) -> None:
        results = await self._ask(windows)
        for window, result in zip(windows, results, strict=True):
            if not isinstance(result, Answer):
                raise _Refused(unusable(result), 1008)
            prediction = StreamPrediction.model_construct(
                start_s=window.start_s,
                end_s=window.end_s,
                answer=result,
                latency_ms=1e3 * (time.perf_counter() - read_s),
            )
            await self._send(prediction.model_dump())
            self._buffer.answered(window)

    async def _ask(self, windows: Sequence[StreamWindow]) -> list[Answer | dict[str, str]]:
        patience = AsyncRetrying(
            retry=retry_if_exception_type(Busy),
            wait=wait_exponential(0.05, max=1.0),
            stop=stop_before_delay(self._service.settings.answer_time_s),
            reraise=True,
        )
        return await patience(
            self._service.answer,
            [wire.Samples(window.channels, window.rates_hz) for window in windows],
            rest=self._start.rest,
            person=self._start.person,
            # Windows of a stream overlap, and are all of one person, whoever that is.
            session=self._session,
            start_s=[window.start_s for window in windows],
            hop_s=self._buffer.hop_s,
        )

    async def _receive(self) -> tuple[Any, float]:
        """The next message, and when it was read."""
        event = await self._websocket.receive()
        read_s = time.perf_counter()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1006))
        text = event.get("text")
        form: wire.Form = "binary" if text is None else "json"
        body = event["bytes"] if text is None else text.encode()
        if self._start is None:
            self._form = form
        most = self._service.settings.max_message_mb
        if len(body) > most * 2**20:
            raise wire.BodyError(f"A message has at most {most:g} MiB.", status=413)
        if len(body) < _LARGE:
            return read_message(body, form), read_s
        return await self._service.in_thread(read_message, body, form), read_s

    async def _send(self, message: dict[str, Any]) -> None:
        body = wire.write(message, self._form)
        await (self._websocket.send_text(body.decode()) if self._form == "json" else self._websocket.send_bytes(body))


class _Rate:
    """How many samples a client may still send: a bucket of 10 s that fills at the allowed rate."""

    def __init__(self, per_s: float):
        self._per_s = per_s
        self._left = RATE_OVER_S * per_s
        self._at = time.monotonic()

    def spend(self, samples: int) -> None:
        now = time.monotonic()
        self._left = min(RATE_OVER_S * self._per_s, self._left + self._per_s * (now - self._at)) - samples
        self._at = now
        if self._left < 0:
            detail = f"A stream sends at most {self._per_s:g} samples a second over {RATE_OVER_S:g} s."
            raise _Refused(make_problem(429, detail), 1008)


def _place(session: str, person: str | None) -> str:
    """Where a stream is parked: samples of one person are never gone on with as those of another."""
    return f"{person or ''} {session}"


def _check_start(start: Start, wanted: Sequence[str], hop_min_s: float) -> None:
    items = [
        ProblemItem(name=f"channels.{name}", detail=f"unknown channel, this model uses {', '.join(wanted)}")
        for name in start.channels
        if name not in wanted
    ]
    items += [
        ProblemItem(name=f"channels.{name}", detail="missing channel") for name in wanted if name not in start.channels
    ]
    if start.hop_s < hop_min_s:
        items.append(ProblemItem(name="hop_s", detail=f"at least {hop_min_s:g} s, not {start.hop_s:g}"))
    if items:
        raise wire.BodyError("This stream cannot be answered.", items[:20])


def _refusal(error: Exception) -> Outcome:
    if isinstance(error, _Refused):
        return Outcome(error.code, problem_message(error.problem))
    if isinstance(error, wire.BodyError):
        return Outcome(1009 if error.status == 413 else 1008, problem_message(body_problem(error)))
    if isinstance(error, HTTPException) and error.status_code < 500:
        return Outcome(1008, problem_message(make_problem(error.status_code, str(error.detail))))
    if isinstance(error, Busy | HTTPException):
        return Outcome(1013, problem_message(make_problem(503, "The server is busy; resume later.")), resumable=True)
    # The error's own words could repeat a sample.
    _logger.error("a stream failed: %s", type(error).__name__)
    return Outcome(1011, problem_message(make_problem(500, "The server failed at this stream.")), resumable=True)
