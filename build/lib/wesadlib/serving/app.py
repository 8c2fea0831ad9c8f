"""The HTTP interface: a FastAPI app over a service. It knows nothing of Ray, so that it is tested without."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from pydantic.json_schema import models_json_schema

from wesadlib import __version__
from wesadlib.serving import stream_messages as messages
from wesadlib.serving import v2
from wesadlib.serving.drift_store import drift_router
from wesadlib.serving.guard import Guard
from wesadlib.serving.metrics import MetricsMiddleware, metrics_router
from wesadlib.serving.page import page_router
from wesadlib.serving.problems import handle_problems
from wesadlib.serving.routes import about_router, predict_router
from wesadlib.serving.schemas import Batch, PackedBatch, Problem
from wesadlib.serving.service import Service
from wesadlib.serving.stream import Streams, stream_router

#: What any request may be refused with.
_REFUSALS = {
    400: "The request is garbled.",
    401: "The bearer token is missing or wrong; or the rest is foreign, altered or too old.",
    403: "The host or the origin of the request is not this server's.",
    408: "The body did not arrive in time.",
    429: "There are more requests than the server takes.",
    500: "The server failed.",
    503: "No room at this moment, no answer in time, or not ready; `retry-after` says when to ask again.",
}
#: Bodies and messages that are read by hand, so that FastAPI does not know their models.
_MODELS = (
    Batch,
    PackedBatch,
    v2.InferenceRequest,
    messages.Start,
    messages.SamplesMessage,
    messages.PackedSamplesMessage,
    messages.End,
    messages.Ready,
    messages.StreamPrediction,
)


def make_app(service: Service, token: str | None = None) -> FastAPI:
    """Make the app, which answers whoever shows the token, where there is one."""
    streams = Streams(service)

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        await service.warm_up()
        watching = asyncio.create_task(service.drift.run())
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
        docs_url=None,
        redoc_url=None,
        # A redirect would name whatever host the request named.
        redirect_slashes=False,
        responses={status: {"model": Problem, "description": text} for status, text in _REFUSALS.items()},
        generate_unique_id_function=lambda route: route.name.removeprefix("get_"),
    )
    handle_problems(app)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        # It fetches its script from another host; /openapi.json, beside it whatever comes before, needs none.
        return get_swagger_ui_html(openapi_url="openapi.json", title=app.title)

    for router in (
        about_router(service),
        predict_router(service),
        v2.inference_router(service),
        stream_router(streams),
        drift_router(service.drift),
        metrics_router(service.metrics, service.drift),
        page_router(service),
    ):
        app.include_router(router)
    app.add_middleware(Guard, service=service, token=token)
    # The last that is added stands first: what the guard refuses is counted too.
    app.add_middleware(MetricsMiddleware, metrics=service.metrics)
    app.openapi = cache(partial(_describe, app.openapi))
    return app


def _describe(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    description = openapi()
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    components = description["components"]
    components["schemas"] |= definitions["$defs"]
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    # Where a server was started without a token, it asks for none.
    description["security"] = [{"bearer": []}, {}]
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if status >= "4" and not path.startswith("/v2") and "application/json" in content:
                    # FastAPI gives every described response the type of the good one.
                    content["application/problem+json"] = content.pop("application/json")
    return description
