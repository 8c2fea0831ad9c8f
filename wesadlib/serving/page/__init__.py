"""The live page: one screen at `/` that replays a recording through the stream and draws what comes back.

Plain HTML, style sheet and script modules, with a library for charts beside them (uPlot, MIT), all served by the app
itself: nothing is loaded from elsewhere, and the policy that goes with every file forbids it.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from wesadlib.serving.schemas import Problem
from wesadlib.serving.wire import CONTENT_TYPES, write_window

if TYPE_CHECKING:
    from wesadlib.serving.service import Service

#: Suffix -> content type of the files that make up the page.
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
TYPES |= {".txt": "text/plain"}

#: What a browser may do with the page: talk to the server that it came from, and nothing else.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

#: Bytes of a long answer that are handed on at a time.
_PIECE = 2**16


def read_files() -> dict[str, tuple[bytes, str]]:
    """The files of the page by name, each with its content type."""
    folder = Path(__file__).parent
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in TYPES}
    return {name: (path.read_bytes(), TYPES[path.suffix]) for name, path in found.items()}


def page_router(service: "Service") -> APIRouter:
    """Make the routes of the live page: `/`, its files at `/page/`, and the recording that it replays at `/example`."""
    router = APIRouter()
    # Read once and looked up by name: no request reaches the disk, whatever path it asks for.
    held = read_files()

    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> Response:
        return _respond(*held["index.html"])

    @router.get("/page/{name:path}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in held:
            raise HTTPException(404, "The page has no such file.")
        return _respond(*held[name])

    @cache
    def read_example(form: str) -> list[bytes]:
        recording = write_window(*service.bundle.example(), form)
        return [recording[first : first + _PIECE] for first in range(0, len(recording), _PIECE)]

    content = {
        CONTENT_TYPES["json"]: {"schema": {"$ref": "#/components/schemas/Window"}},
        CONTENT_TYPES["binary"]: {"schema": {"$ref": "#/components/schemas/PackedWindow"}},
    }
    described = {200: {"content": content, "description": "A recording"}, 404: {"model": Problem}}

    @router.get("/example", response_class=Response, responses=described)
    async def example(request: Request) -> Response:
        """Give some minutes of a simulated person, from rest to stress, in the form of a request's body."""
        form = "binary" if CONTENT_TYPES["binary"] in request.headers.get("accept", "") else "json"
        try:
            pieces = await asyncio.to_thread(read_example, form)
        except FileNotFoundError:
            detail = "This bundle holds no simulated recording: it was saved by an earlier wesadlib."
            raise HTTPException(404, detail) from None
        headers = {"content-length": str(sum(map(len, pieces))), "vary": "accept"}
        # Piece by piece, and the same for all: whoever asks and does not read holds little.
        return StreamingResponse(_each(pieces), media_type=CONTENT_TYPES[form], headers=headers)

    return router


async def _each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _respond(content: bytes, content_type: str) -> Response:
    return Response(content, media_type=content_type, headers=HEADERS)
