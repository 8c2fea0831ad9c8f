"""What stands before the app: who may ask, from where, how much at a time, for how long; and errors in one form.

That form is RFC 9457's, or under `/v2` that of the protocol there; it tells nothing of the inside.
"""

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.serving.schemas import Problem, ProblemItem
from wesadlib.serving.settings import is_loopback
from wesadlib.serving.wire import BodyError

if TYPE_CHECKING:
    from wesadlib.serving.service import Service

#: Where a browser's scripts, which cannot set headers of a WebSocket, put the token.
_SUBPROTOCOL = "bearer."
#: Answered without a token: whether the server lives, and the page, which asks people for theirs.
_OPEN = re.compile(r"/|/health|/ready|/v2/health/(live|ready)|/page/.*")
#: Bodies in which JSON may be the smaller part: only these may be as large as a batch.
_BINARY = (b"application/vnd.msgpack", b"application/octet-stream")


class Guard:
    """Middleware that refuses who has no token or asks from elsewhere, what is too much, and what takes too long."""

    def __init__(self, app: ASGIApp, service: "Service", token: str | None = None):
        self._app, self._service = app, service
        self._token = None if token is None else token.encode()
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        try:
            headers = dict(scope["headers"])
            self._check_token(scope)
            self._check_origin(headers)
            if scope["type"] == "websocket":
                return await self._app(scope, receive, send)
            await self._bounded(scope, headers, receive, send)
        except HTTPException as error:
            await _refuse(error, scope, receive, send)

    def _check_token(self, scope: Scope) -> None:
        if self._token is None or _OPEN.fullmatch(scope["path"]):
            return
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        tokens = [value[7:].strip() for value in values if value[:7].lower() == b"bearer "]
        names = scope.get("subprotocols", ())
        tokens += [name.removeprefix(_SUBPROTOCOL).encode() for name in names if name.startswith(_SUBPROTOCOL)]
        if not any(hmac.compare_digest(token, self._token) for token in tokens):
            raise HTTPException(401, "A bearer token is needed here.", {"www-authenticate": "Bearer"})

    def _check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse pages from elsewhere, whose browser is on this machine, and names that they gave to this machine."""
        host, origin = (headers.get(name, b"").decode("latin1") for name in (b"host", b"origin"))
        hosts, origins = self._service.settings.allowed_hosts, self._service.settings.allowed_origins
        if host and not ("*" in hosts or (name := _host_name(host)) in hosts or is_loopback(name)):
            raise HTTPException(403, "The host that this request names is not among this server's `allowed_hosts`.")
        if origin and not ({"*", origin} & {*origins} or origin.partition("://")[2] == host):
            raise HTTPException(403, "The origin of this request is not among this server's `allowed_origins`.")

    async def _bounded(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        limits = self._service.settings
        binary = headers.get(b"content-type", b"").partition(b";")[0].strip().lower() in _BINARY
        most_mb = limits.max_batch_body_mb if binary and scope["path"] != "/predict" else limits.max_body_mb
        too_long = HTTPException(413, f"A body of this kind has at most {most_mb:g} MiB.", {"connection": "close"})
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most_mb * 2**20:
            raise too_long
        size, whole, begun = 0, False, False

        async def receive_bounded() -> Message:
            nonlocal size, whole
            message = await receive()
            whole = whole or not message.get("more_body", False)
            part = len(message.get("body", b""))
            size += part
            self._held += part
            if size > most_mb * 2**20:
                raise too_long
            if self._held > limits.max_bodies_mb * 2**20:
                detail = "The server holds as much of other requests as it can; ask again."
                raise HTTPException(503, detail, {"retry-after": "1", "connection": "close"})
            return message

        async def send_marked(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        # A server drops the body of an answer to HEAD by itself.
        inner = scope | {"method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            async with asyncio.timeout(limits.request_time_s) as timer:
                await self._app(inner, receive_bounded, send_marked)
        except TimeoutError:
            if begun or not timer.expired():
                raise
            if not whole and (length != b"0" or b"transfer-encoding" in headers):
                detail = f"The body did not arrive within {limits.request_time_s:g} s."
                raise HTTPException(408, detail, {"connection": "close"}) from None
            detail = f"There was no answer within {limits.request_time_s:g} s; ask for less at a time, or later."
            raise HTTPException(503, detail, {"retry-after": "1", "connection": "close"}) from None
        finally:
            self._held -= size


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _refuse(error: HTTPException, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": error.detail})
        return
    problem, headers = describe_error(error)
    await respond(problem, {"connection": "close", **(headers or {})}, scope["path"])(scope, receive, send)


def make_problem(status: int, detail: str, errors: Sequence[ProblemItem] = ()) -> Problem:
    """Describe an error by its status, a sentence, and what is wrong name by name."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))


def unusable(problems: Mapping[str, str]) -> Problem:
    """Describe a window that :meth:`wesadlib.bundle.Bundle.problems` finds fault with."""
    items = [ProblemItem(name=name, detail=problem) for name, problem in problems.items()]
    return make_problem(422, "This window cannot be used.", items)


def body_problem(error: BodyError) -> Problem:
    """Describe a body, or one window of it, that does not keep to its form."""
    return make_problem(error.status, str(error), error.items)


def respond(problem: Problem, headers: Mapping[str, str] | None = None, path: str = "") -> JSONResponse:
    """Send a problem."""
    if path.startswith("/v2"):
        sentence = " ".join([problem.detail, *(f"{item.name}: {item.detail}." for item in problem.errors[:1])])
        return JSONResponse({"error": sentence}, 400 if problem.status == 422 else problem.status, headers)
    return JSONResponse(problem.model_dump(), problem.status, headers, "application/problem+json")


def describe_error(error: Exception) -> tuple[Problem, Mapping[str, str] | None]:
    """Describe an error by what may be said of it outside, and give the headers that go with it."""
    if isinstance(error, BodyError):
        return body_problem(error), None
    if isinstance(error, ClientDisconnect):
        return Problem(title="Client Closed Request", status=499, detail="The request ended before its body did."), None
    if isinstance(error, HTTPException):
        return make_problem(error.status_code, str(error.detail)), error.headers
    if isinstance(error, RequestValidationError):
        # What was sent is not repeated.
        items = [ProblemItem(name=str(entry["loc"][-1]), detail=entry["msg"]) for entry in error.errors()]
        return make_problem(422, "This request's parameters cannot be used.", items), None
    return make_problem(500, "The server failed at this request; nothing was computed."), None


def handle_problems(app: FastAPI) -> None:
    """Let every error of an app leave it as a problem."""

    def answer(request: Request, error: Exception) -> JSONResponse:
        return respond(*describe_error(error), request.scope["path"])

    for kind in (BodyError, ClientDisconnect, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)
