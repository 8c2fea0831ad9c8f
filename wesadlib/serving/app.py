"""The HTTP interface: a FastAPI app over a bundle, and that app as a Ray Serve deployment.

:func:`make_app` knows nothing of Ray, so that it is tested without; :func:`build` is what Ray Serve runs.
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib import __version__
from wesadlib.bundle import Answer, Bundle, load_bundle
from wesadlib.errors import InputError
from wesadlib.serving.schemas import Health, ModelDescription, Problem, ProblemItem, Window

if TYPE_CHECKING:
    from ray import serve

#: Largest body, bytes: a chest window at 700 Hz in full-precision JSON is about 7 MB.
MAX_BODY = 16 * 2**20

_PROBLEM = {"model": Problem}


def make_app(current_bundle: Callable[[], Bundle]) -> FastAPI:
    """Make the app.

    Parameters
    ----------
    current_bundle : callable
        Returns the bundle to answer with; asked at each request.
    """
    app = FastAPI(
        title="wesadlib",
        version=__version__,
        description="A state with its probability, or a refusal with its reasons, for one window of wearable signals.",
        # The pages below fetch their scripts from another host; /openapi.json holds the same and needs none.
        docs_url="/docs",
        redoc_url=None,
    )
    app.add_middleware(LimitBody, most=MAX_BODY)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_failure)

    # The three below are plain functions: they run in a thread, and the event loop stays free for other requests.
    @app.get("/health")
    def health() -> Health:
        """Say that the server answers."""
        return Health(model_version=current_bundle().version)

    @app.get("/model")
    def model() -> ModelDescription:
        """Describe the served model: channels, units, window, states, thresholds, scores with their protocol."""
        config = current_bundle().config
        return ModelDescription(**{name: value for name, value in config.items() if name != "files"})

    @app.post("/predict", responses={413: _PROBLEM, 415: _PROBLEM, 422: _PROBLEM})
    def predict(window: Window) -> Answer:
        """Answer one window: a state with probabilities, or `rejected` with the reasons where its quality is poor."""
        bundle = current_bundle()
        channels, rates_hz = window.split()
        problems = bundle.problems(channels, rates_hz)
        if problems:
            items = [ProblemItem(name=name, detail=problem) for name, problem in problems.items()]
            return _problem(422, "This window cannot be used.", items)
        try:
            return bundle.predict_window(channels, rates_hz)
        except InputError as error:
            return _problem(422, str(error))

    app.openapi = partial(_describe, app.openapi)
    return app


def _describe(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    # FastAPI gives every described response the type of the good one.
    description = openapi()
    for operations in description["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "4" and "application/json" in response["content"]:
                    response["content"]["application/problem+json"] = response["content"].pop("application/json")
    return description


class LimitBody:
    """Refuse a body of more than `most` bytes while it is being read."""

    def __init__(self, app: ASGIApp, most: int):
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what is received of its body."""
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.most:
                raise HTTPException(413, f"A body has at most {self.most} bytes.")
            return message

        await self.app(scope, counting if scope["type"] == "http" else receive, send)


def _problem(
    status: int, detail: str, errors: list[ProblemItem] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(
        problem.model_dump(), status_code=status, headers=headers, media_type="application/problem+json"
    )


def _answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _problem(415, "A window is sent as JSON: say so with `content-type: application/json`.")
    # What was sent is not repeated: it may be long, it may be NaN, and it is a person's.
    items = [ProblemItem(name=_name(entry["loc"]), detail=entry["msg"]) for entry in error.errors()[:20]]
    return _problem(422, "This request is not one window in the form that /openapi.json describes.", items)


def _name(location: tuple[Any, ...]) -> str:
    parts = [str(part) for part in location if part != "body"]
    return ".".join(parts) or "body"


def _answer_http(request: Request, error: HTTPException) -> JSONResponse:
    return _problem(error.status_code, str(error.detail), headers=error.headers)


def _answer_failure(request: Request, error: Exception) -> JSONResponse:
    return _problem(500, "The server failed at this request; nothing was computed.")


class Server:
    """What a replica holds: a loaded bundle, and the app over it."""

    def __init__(self, folder: str):
        self.bundle = load_bundle(folder)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Make the app in the replica, where the bundle is."""
        return make_app(lambda: self.bundle)


def build(folder: str | Path) -> "serve.Application":
    """Make the Ray Serve application of a bundle; the folder must be readable where the replicas run."""
    from ray import serve

    return serve.deployment(serve.ingress()(Server)).bind(str(Path(folder).resolve()))
