"""The HTTP interface: a FastAPI app over a bundle, and that app as a Ray Serve deployment.

:func:`make_app` knows nothing of Ray, so that it is tested without; :func:`build` is what Ray Serve runs.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from wesadlib import __version__
from wesadlib.bundle import Answer, Bundle, load_bundle
from wesadlib.serving import wire
from wesadlib.serving.negotiation import MAX_BINARY_BATCH, MAX_BODY, answer_form, read_body, request_form
from wesadlib.serving.problems import body_problem, handle_problems, respond, unusable
from wesadlib.serving.schemas import (
    Answers,
    Batch,
    Health,
    ModelDescription,
    PackedBatch,
    PackedWindow,
    Problem,
    Window,
)

if TYPE_CHECKING:
    from ray import serve

_JSON, _BINARY = wire.CONTENT_TYPES["json"], wire.CONTENT_TYPES["binary"]
_REFUSALS = {status: {"model": Problem} for status in (400, 406, 413, 415, 422)}


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
        description="A state with its probability, or a refusal with its reasons, for windows of wearable signals.",
        # The pages below fetch their scripts from another host; /openapi.json holds the same and needs none.
        docs_url="/docs",
        redoc_url=None,
    )
    handle_problems(app)

    # The two below are plain functions: they run in a thread, and the event loop stays free for other requests.
    @app.get("/health")
    def health() -> Health:
        """Say that the server answers."""
        return Health(model_version=current_bundle().version)

    @app.get("/model")
    def model() -> ModelDescription:
        """Describe the served model: channels, units, window, states, thresholds, scores with their protocol."""
        config = current_bundle().config
        return ModelDescription(**{name: value for name, value in config.items() if name != "files"})

    @app.post("/predict", responses=_answers(Answer), openapi_extra=_bodies(Window, PackedWindow))
    async def predict(request: Request) -> Response:
        """Answer one window: a state with probabilities, or `rejected` with the reasons where its quality is poor."""
        form, wanted = request_form(request), answer_form(request)
        body = await read_body(request, MAX_BODY)
        return await run_in_threadpool(_answer_window, current_bundle(), body, form, wanted)

    @app.post("/predict/batch", responses=_answers(Answers), openapi_extra=_bodies(Batch, PackedBatch))
    async def predict_batch(request: Request) -> Response:
        """Answer many windows in their order, each by itself: one that cannot be used has a problem in its place."""
        form, wanted = request_form(request), answer_form(request)
        body = await read_body(request, MAX_BODY if form == "json" else MAX_BINARY_BATCH)
        return await run_in_threadpool(_answer_batch, current_bundle(), body, form, wanted)

    app.openapi = cache(partial(_describe, app.openapi))
    return app


def _answer_window(bundle: Bundle, body: bytes, form: wire.Form, wanted: wire.Form) -> Response:
    (result,) = bundle.predict_windows([wire.read_window(body, form)])
    return _respond(result, wanted) if isinstance(result, Answer) else respond(unusable(result))


def _answer_batch(bundle: Bundle, body: bytes, form: wire.Form, wanted: wire.Form) -> Response:
    windows = wire.read_windows(body, form)
    predicted = iter(bundle.predict_windows([window for window in windows if not isinstance(window, wire.BodyError)]))
    results: list[Answer | Problem] = []
    for window in windows:
        if isinstance(window, wire.BodyError):
            results.append(body_problem(window))
        else:
            result = next(predicted)
            results.append(result if isinstance(result, Answer) else unusable(result))
    return _respond(Answers(results=results), wanted)


def _respond(answer: BaseModel, form: wire.Form) -> Response:
    content = wire.write(answer.model_dump(), form)
    return Response(content, media_type=wire.CONTENT_TYPES[form], headers={"vary": "accept"})


def _answers(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model}, **_REFUSALS}


def _bodies(json_model: type[BaseModel], packed_model: type[BaseModel]) -> dict[str, Any]:
    content = {_JSON: {"schema": _reference(json_model)}, _BINARY: {"schema": _reference(packed_model)}}
    return {"requestBody": {"required": True, "content": content}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _describe(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    description = openapi()
    # Bodies are read by hand, so FastAPI does not know their models.
    models = [(model, "validation") for model in (Batch, PackedBatch)]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    description["components"]["schemas"] |= definitions["$defs"]
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response["content"]
                if status >= "4":
                    # FastAPI gives every described response the type of the good one.
                    content["application/problem+json"] = content.pop(_JSON)
                elif path.startswith("/predict"):
                    content[_BINARY] = content[_JSON]
    return description


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
