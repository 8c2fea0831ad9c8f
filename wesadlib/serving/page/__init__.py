"""The live page: one screen at `/` that replays a recording through the stream and draws what comes back.

Plain HTML, style sheet and script modules, served by the app itself; nothing is loaded from elsewhere, and the policy
that goes with every file forbids it.
"""

from importlib.resources import files
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from wesadlib.serving.schemas import Problem
from wesadlib.serving.wire import CONTENT_TYPES

if TYPE_CHECKING:
    from wesadlib.serving.service import Service

#: Suffix -> content type of the files that make up the page.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: What a browser may do with the page: talk to the server that it came from, and nothing else.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

_NO_EXAMPLE = "This bundle holds no simulated recording: it was saved by an earlier wesadlib."


def read_files() -> dict[str, tuple[bytes, str]]:
    """Read the files of the page.

    Returns
    -------
    dict of str to (bytes, str)
        Name to content and content type.
    """
    found = {}
    for file in files(__name__).iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in TYPES:
            found[file.name] = (file.read_bytes(), TYPES[suffix])
    return found


def page_router(service: "Service") -> APIRouter:
    """Make the routes of the live page: `/`, its files at `/page/`, and the recording that it replays at `/example`.

    Parameters
    ----------
    service : Service
        Whose bundle holds the recording.
    """
    router = APIRouter()
    # Read once and looked up by name: no request reaches the disk, whatever path it asks for.
    held = read_files()

    @router.get("/", include_in_schema=False)
    async def index() -> Response:
        return _respond(*held["index.html"])

    @router.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in held:
            raise HTTPException(404, "The page has no such file.")
        return _respond(*held[name])

    content = {CONTENT_TYPES["binary"]: {"schema": {"$ref": "#/components/schemas/PackedWindow"}}}
    described = {200: {"content": content, "description": "A recording"}, 404: {"model": Problem}}

    @router.get("/example", response_class=Response, responses=described)
    async def example() -> Response:
        """Give some minutes of a simulated person, from rest to stress, in the form of a request's body."""
        path = service.bundle.folder / "example.msgpack"
        try:
            recording = await service.in_thread(path.read_bytes)
        except FileNotFoundError:
            raise HTTPException(404, _NO_EXAMPLE) from None
        return Response(recording, media_type=CONTENT_TYPES["binary"])

    return router


def _respond(content: bytes, content_type: str) -> Response:
    return Response(content, media_type=content_type, headers=HEADERS)
