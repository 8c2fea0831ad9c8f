"""What stands before the app: who may ask, how many at a time, and how long that may take."""

import asyncio
import hmac
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.errors import InputError
from wesadlib.serving.ports import is_loopback
from wesadlib.serving.problems import make_problem, respond

if TYPE_CHECKING:
    from wesadlib.serving.old_settings import Settings
    from wesadlib.serving.service import Service

#: What a browser may name as a WebSocket's subprotocol, which is the only place where its scripts can put a token.
_TOKEN = re.compile(r"[A-Za-z0-9._~+-]{16,512}")
_SUBPROTOCOL = "bearer."
#: Answered without a token: whether the server lives, and the page, which asks people for theirs.
_OPEN = ("/", "/health", "/ready")
_OPEN_BELOW = "/page/"
#: Not counted among the requests at a time: a full server is asked for its health all the same.
_UNCOUNTED = ("/health", "/ready", "/metrics")


def read_token(variable: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The bearer token in an environment variable; None where no variable is named.

    Raises
    ------
    InputError
        When one is named and holds no token.
    """
    if not variable:
        return None
    if _TOKEN.fullmatch(token := environment.get(variable, "")):
        return token
    state = "holds no token that can be sent" if token else "is empty or not set"
    raise InputError(
        f"`token_variable` is {variable}, an environment variable that {state}: give it 16 to 512 letters, digits or "
        f"`. _ ~ + -`, such as {variable}=$(openssl rand -hex 32)."
    )


def require_safe(host: str, variable: str) -> None:
    """Refuse to listen beyond this machine without a token.

    Raises
    ------
    InputError
        When `host` is more than loopback and there is no token, or the token's variable holds none.
    """
    if read_token(variable) is None and not is_loopback(host):
        raise InputError(
            f"host {host}: without a token the server listens on loopback (127.0.0.1) only; put one into an "
            "environment variable and name that with --token-variable, or as `token_variable` in the file."
        )


class Guard:
    """Middleware that refuses whoever has no token, what is too much at a time, and what takes too long.

    Parameters
    ----------
    app : ASGI application
        What it stands before.
    service : Service
        Its settings of the moment hold.
    token : str, optional
        What every request has to show; None: nothing.
    """

    def __init__(self, app: ASGIApp, service: "Service", token: str | None = None):
        self._app = app
        self._service = service
        self._token = None if token is None else token.encode()
        self._requests = 0
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif not self._may_ask(scope):
            await _refuse(scope, receive, send, 401, "A bearer token is needed here.", {"www-authenticate": "Bearer"})
        elif scope["type"] == "websocket" or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
        elif self._requests >= self._service.settings.max_connections:
            detail = f"{self._requests} requests are being answered already; ask again."
            await _refuse(scope, receive, send, 429, detail, {"retry-after": "1"})
        else:
            self._requests += 1
            try:
                await self._limited(scope, receive, send)
            finally:
                self._requests -= 1

    def _may_ask(self, scope: Scope) -> bool:
        if self._token is None or scope["path"] in _OPEN or scope["path"].startswith(_OPEN_BELOW):
            return True
        return any(hmac.compare_digest(shown, self._token) for shown in _shown(scope))

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._service.settings
        request = _Request(limits, receive, send, self)
        try:
            most_s = limits.answer_time_s + (limits.body_time_s if _has_body(scope) else 0)
            async with asyncio.timeout(most_s) as request.answering:
                await self._app(scope, request.receive, request.send)
        except TimeoutError:
            if not request.answering.expired() or request.answered:
                raise
            detail = f"There was no answer within {limits.answer_time_s:g} s; ask for less at a time, or later."
            await _refuse(scope, receive, send, 504, detail, {})
        finally:
            self._held -= request.held

    def hold(self, size: int) -> None:
        """Count bytes of bodies that are being held.

        Raises
        ------
        HTTPException
            503 when there are too many of them.
        """
        self._held += size
        if self._held > self._service.settings.max_bodies_mb * 2**20:
            detail = "The server holds as much of other requests as it can; ask again."
            raise HTTPException(503, detail, {"retry-after": "1", "connection": "close"})


class _Request:
    """One request's body and answer, and the time that they take."""

    def __init__(self, limits: "Settings", receive: Receive, send: Send, guard: Guard):
        self._limits, self._receive, self._send, self._guard = limits, receive, send, guard
        self._body_until = asyncio.get_running_loop().time() + limits.body_time_s
        self._whole = False
        self.held = 0
        self.answered = False
        self.answering: asyncio.Timeout

    async def receive(self) -> Message:
        if self._whole:
            # What can still come is that the client goes.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._body_until) as arriving:
                message = await self._receive()
        except TimeoutError:
            if not arriving.expired():
                raise
            detail = f"The body did not arrive within {self._limits.body_time_s:g} s."
            raise HTTPException(408, detail, {"connection": "close"}) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.held += size
            self._guard.hold(size)
            if not message.get("more_body", False):
                self._whole = True
                self.answering.reschedule(asyncio.get_running_loop().time() + self._limits.answer_time_s)
        return message

    async def send(self, message: Message) -> None:
        self.answered = True
        await self._send(message)


def _shown(scope: Scope) -> list[bytes]:
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    found = [value[7:].strip() for value in shown if value[:7].lower() == b"bearer "]
    if scope["type"] == "websocket":
        named = [name for name in scope.get("subprotocols", ()) if name.startswith(_SUBPROTOCOL)]
        found += [name.removeprefix(_SUBPROTOCOL).encode() for name in named]
    return found


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, headers: Mapping[str, str]
) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": detail})
        return
    await respond(make_problem(status, detail), {"connection": "close", **headers})(scope, receive, send)
