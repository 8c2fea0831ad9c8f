"""What stands in Serve's own proxy, where HAProxy cannot: 503 as a problem wherever no replica answers.

Ray Serve imports it in the proxy's process, see :func:`wesadlib.serving.process.make_switches`.
"""

import json

from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.serving.process import AWAY, AWAY_HEADERS

#: Serve's, by which a caller cuts the time of its request.
_TIMEOUT = b"x-request-timeout-seconds"


def middlewares() -> list[Middleware]:
    """What Serve's proxy puts before itself."""
    return [Middleware(Door)]


class Door:
    """Middleware that answers 503 for a proxy which says nothing, or in plain text, since the app is not there."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"].startswith("/-/"):
            return await Response(status_code=404)(scope, receive, send)
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != _TIMEOUT]
        begun = away = False

        async def send_unless_away(message: Message) -> None:
            nonlocal begun, away
            if message["type"] == "http.response.start":
                begun, away = True, _is_serves(message)
            if not away:
                await send(message)

        await self._app(scope, receive, send_unless_away)
        if away or not begun:
            await Response(json.dumps(AWAY), 503, AWAY_HEADERS)(scope, receive, send)


def _is_serves(message: Message) -> bool:
    """Whether a response is the proxy's own: the app has none of these in plain text."""
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return message["status"] in (404, 500, 503) and all(kind.startswith(b"text/plain") for kind in kinds)
