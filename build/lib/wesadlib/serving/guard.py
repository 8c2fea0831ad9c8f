"""What stands before the app: who may ask, from where, how much at a time, and how long that may take."""

import asyncio
import hmac
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.serving.problems import describe_error, respond
from wesadlib.serving.settings import is_loopback

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
