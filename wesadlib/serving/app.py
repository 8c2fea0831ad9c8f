"""The HTTP interface: a FastAPI app over a service. It knows nothing of Ray, so that it is tested without."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema

from wesadlib import __version__
from wesadlib.serving import wire
from wesadlib.serving.drift import DriftJudge, drift_router
from wesadlib.serving.guard import Guard
from wesadlib.serving.old_metrics import Measure, metrics_router
from wesadlib.serving.page import page_router
from wesadlib.serving.people import people_router
from wesadlib.serving.predict import predict_router
from wesadlib.serving.problems import handle_problems, make_problem, respond
from wesadlib.serving.schemas import Batch, Health, ModelDescription, PackedBatch, Problem
from wesadlib.serving.service import Service
from wesadlib.serving.stream import Streams, stream_router

_JSON, _BINARY = wire.CONTENT_TYPES["json"], wire.CONTENT_TYPES["binary"]


def make_app(service: Service, token: str | None = None) -> FastAPI:
    """Make the app.

    Parameters
    ----------
    service : Service
        What answers.
    token : str, optional
        What every request has to show.
    """
    streams, judge = Streams(service), DriftJudge(service)

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        await service.warm_up()
        watching = asyncio.create_task(service.watch.run(service))
        yield
        await streams.end()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        service.ready = False

    app = FastAPI(
        title="wesadlib",
        lifespan=live,
        version=__version__,
        description="A state with its probability, or a refusal with its reasons, for windows of wearable signals.",
        # The page below fetches its script from another host; /openapi.json holds the same and needs none.
        docs_url="/docs",
        redoc_url=None,
    )
    handle_problems(app)

    @app.get("/health")
    async def health() -> Health:
        """Say that the server answers."""
        return Health(model_version=service.bundle.version)

    @app.get("/ready", responses={503: {"model": Problem}})
    async def ready() -> Health:
        """Say that the model is loaded and has answered its own example."""
        if not service.ready:
            return _not_ready()
        return Health(model_version=service.bundle.version)

    @app.get("/model")
    async def model() -> ModelDescription:
        """Describe the served model: channels, units, window, states, thresholds, scores with their protocol."""
        config = service.bundle.config
        return ModelDescription(**{name: value for name, value in config.items() if name != "files"})

    app.include_router(predict_router(service))
    app.include_router(stream_router(service, streams))
    app.include_router(people_router(service))
    app.include_router(drift_router(service, judge))
    app.include_router(metrics_router(service, judge))
    app.include_router(page_router(service))
    app.add_middleware(Guard, service=service, token=token)
    # The last that is added stands first: what the guard refuses is counted too.
    app.add_middleware(Measure, watch=service.watch)
    app.openapi = cache(partial(_describe, app.openapi))
    return app


def _not_ready() -> JSONResponse:
    return respond(make_problem(503, "The model is not ready yet; ask again."), {"retry-after": "1"})


def _describe(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    description = openapi()
    # Bodies are read by hand, so FastAPI does not know their models.
    models = [(model, "validation") for model in (Batch, PackedBatch)]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    description["components"]["schemas"] |= definitions["$defs"]
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if status >= "4" and _JSON in content:
                    # FastAPI gives every described response the type of the good one.
                    content["application/problem+json"] = content.pop(_JSON)
                elif path.startswith("/predict") and _JSON in content:
                    content[_BINARY] = content[_JSON]
    return description
