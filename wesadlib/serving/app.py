"""The HTTP interface: a FastAPI app over a service. It knows nothing of Ray, so that it is tested without."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from wesadlib import __version__
from wesadlib.errors import InputError
from wesadlib.serving import schemas, stream_messages, v2, wire
from wesadlib.serving.guard import Guard, body_problem, handle_problems, respond, unusable
from wesadlib.serving.metrics import MetricsMiddleware
from wesadlib.serving.page import page_router
from wesadlib.serving.schemas import Answer, Answers, DriftReport, Health, ModelDescription, Problem, RestAnswer
from wesadlib.serving.service import REST_HEADER, Service
from wesadlib.serving.stream import Streams
from wesadlib.serving.wire import BodyError, Form, Samples

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
#: Bodies that are read by hand, so that FastAPI does not know their models.
_MODELS = (schemas.Batch, schemas.PackedBatch, v2.InferenceRequest, *stream_messages.MESSAGES.values())
#: Routes that answer without a token.
_OPEN: dict[str, Any] = {"openapi_extra": {"security": []}}
#: Bytes of a body in MessagePack that is read beside the event loop: a window of the chest is smaller.
_LARGE = 2**21
#: Seconds for which drift is not computed again, however often it is asked for, or the metrics are.
_DRIFT_AGE_S, _DRIFT_METRICS_AGE_S = 1.0, 60.0

Person = Annotated[schemas.PersonId | None, Query()]
Explain = Annotated[bool, Query(description="say what moved the answer most, where the model can tell")]
RestToken = Annotated[str | None, Header(alias=REST_HEADER, description="the person's rest, from `POST /rest`")]


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
        description="A state with its probability, or a refusal with its reasons, for windows of wearable signals. "
        "Bodies are JSON or MessagePack, and so is their answer. The messages of `WS /stream` are described at "
        "`GET /stream-messages`; they are in the schemas here too.",
        docs_url=None,
        redoc_url=None,
        # A redirect would name whatever host the request named.
        redirect_slashes=False,
        responses={status: {"model": Problem, "description": text} for status, text in _REFUSALS.items()},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    handle_problems(app)
    for make_router in (about_router, predict_router, v2.inference_router, page_router):
        app.include_router(make_router(service))
    app.add_api_websocket_route("/stream", streams.serve)
    app.add_middleware(Guard, service=service, token=token)
    # The last that is added stands first: what the guard refuses is counted too.
    app.add_middleware(MetricsMiddleware, metrics=service.metrics)
    app.openapi = cache(partial(_describe, app.openapi))
    return app


def predict_router(service: Service) -> APIRouter:
    """Make the routes that take windows."""
    router = APIRouter()

    @router.post("/predict", **_take(Answer, schemas.Window, schemas.PackedWindow))
    async def predict(
        request: Request, person: Person = None, wesad_rest: RestToken = None, explain: Explain = False
    ) -> Response:
        """Answer one window: a state with probabilities, or `rejected` with the reasons where its quality is poor."""
        form, window = await _read(request, wire.read_window)
        (result,) = await service.answer([window], rest=wesad_rest, person=person)
        answer = (service.explain(result, wesad_rest) if explain else result).answer
        return _respond(answer, form) if isinstance(answer, Answer) else respond(unusable(answer))

    @router.post("/predict/batch", **_take(Answers, schemas.Batch, schemas.PackedBatch))
    async def predict_batch(request: Request, person: Person = None, wesad_rest: RestToken = None) -> Response:
        """Answer many windows in their order, each by itself: one that cannot be used has a problem in its place."""
        form, windows = await _read(request, wire.read_windows)
        usable = [window for window in windows if not isinstance(window, BodyError)]
        results = iter(await service.answer(usable, rest=wesad_rest, person=person))
        parts = [body_problem(part) if isinstance(part, BodyError) else next(results).answer for part in windows]
        parts = [unusable(part) if isinstance(part, dict) else part for part in parts]
        return _respond(Answers.model_construct(results=parts), form)

    @router.post("/rest", name="rest", **_take(RestAnswer, schemas.Batch, schemas.PackedBatch))
    async def make_rest(request: Request) -> Response:
        """Take a person's minutes at rest, as a batch, and give a token by which later calls are calibrated.

        The token holds a few means over the windows, signed and dated; the server keeps nothing.
        """
        form, windows = await _read(request, wire.read_windows)
        response = _respond(await _sign_rest(service, windows), form)
        response.headers["cache-control"] = "no-store"
        return response

    return router


def about_router(service: Service) -> APIRouter:
    """Make the routes that say what is served, to whom, and how it goes."""
    router = APIRouter()

    @router.get("/health", **_OPEN)
    async def health() -> Health:
        """Say that the server answers."""
        return Health(model_version=service.bundle.version)

    @router.get("/ready", **_OPEN)
    async def ready() -> Health:
        """Say that the model is loaded and has answered its own example."""
        service.require_ready()
        return Health(model_version=service.bundle.version)

    @router.get("/model")
    async def model() -> ModelDescription:
        """Describe the served model: channels, units, window, states, thresholds, scores with their protocol."""
        return ModelDescription(**{name: value for name, value in service.bundle.config.items() if name != "files"})

    @router.get("/drift")
    async def drift() -> DriftReport:
        """Say whether the people of late, over all replicas, look like those that the model was trained on."""
        return await service.drift.report(_DRIFT_AGE_S)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counts of all replicas on this machine, for Prometheus; gauges of those that run."""
        report = None
        with suppress(HTTPException):
            report = await service.drift.report(_DRIFT_METRICS_AGE_S)
        text = await asyncio.to_thread(service.metrics.expose, report)
        return Response(text, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    upgrade = {101: {"description": "a WebSocket"}, 426: {"model": Problem, "description": "Not asked for one."}}

    @router.get("/stream", responses=upgrade)
    async def stream() -> None:
        """Open a WebSocket, whose messages `GET /stream-messages` describes."""
        raise HTTPException(426, "This is a WebSocket: ask for an upgrade.", {"upgrade": "websocket"})

    @router.get("/stream-messages", name="stream_messages")
    async def describe_messages() -> dict[str, Any]:
        """Describe the messages of `WS /stream`, in AsyncAPI's form."""
        return stream_messages.describe_stream(__version__)

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        # It fetches its script from another host; /openapi.json, beside it whatever comes before, needs none.
        return get_swagger_ui_html(openapi_url="openapi.json", title="wesadlib")

    return router


async def _sign_rest(service: Service, windows: list[Samples | BodyError]) -> RestAnswer:
    bundle, signer = service.bundle, service.signer
    if not bundle.supports_rest:
        raise HTTPException(409, "This model does not use a person's rest.")
    answers = iter(await service.answer([window for window in windows if not isinstance(window, BodyError)]))
    usable, items = [], []
    for row, window in enumerate(windows):
        answer = window if isinstance(window, BodyError) else next(answers).answer
        if isinstance(answer, Answer) and answer.status == "ok":
            usable.append(window)
            continue
        reasons = answer.reasons if isinstance(answer, Answer) else [str(answer)]
        if isinstance(answer, dict):
            reasons = [f"{name}: {problem}" for name, problem in answer.items()]
        items.append(schemas.ProblemItem(name=f"windows.{row}", detail="; ".join(reasons)))
    try:
        values = await asyncio.to_thread(bundle.rest_values, usable)
    except InputError as error:
        raise BodyError(str(error), items) from None
    expires = (datetime.now(UTC) + timedelta(hours=signer.age_h)).isoformat(timespec="seconds")
    token = signer.sign(values, bundle.version)
    return RestAnswer(token=token, windows=len(usable), expires=expires, model_version=bundle.version)


async def _read(request: Request, read: Any) -> tuple[Form, Any]:
    form = _form(request)
    body = await request.body()
    if form == "binary" and len(body) < _LARGE:
        return form, read(body, form)
    return form, await asyncio.to_thread(read, body, form)


def _form(request: Request) -> Form:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    for form, name in wire.CONTENT_TYPES.items():
        if content_type == name and encoding == "identity":
            return form
    allowed = " or ".join(f"`content-type: {name}`" for name in wire.CONTENT_TYPES.values())
    raise HTTPException(415, f"Windows are sent as JSON or MessagePack, uncompressed: say so with {allowed}.")


def _respond(answer: BaseModel, form: Form) -> Response:
    content = answer.model_dump_json() if form == "json" else wire.write(answer.model_dump(), form)
    return Response(content, media_type=wire.CONTENT_TYPES[form])


def _take(answer: type[BaseModel], *models: type[BaseModel]) -> dict[str, Any]:
    """Say of a route, whose body is read by hand, which models the body has in which form, and what may be refused."""
    body = {
        name: {"schema": schemas.refer(model), "example": model.model_config["json_schema_extra"]["examples"][0]}
        for name, model in zip(wire.CONTENT_TYPES.values(), models, strict=True)
    }
    answered = {"model": answer, "content": {wire.CONTENT_TYPES["binary"]: {"schema": schemas.refer(answer)}}}
    return {
        "responses": {200: answered} | {status: {"model": Problem} for status in (409, 413, 415, 422, 499)},
        "openapi_extra": {"requestBody": {"required": True, "content": body}},
    }


def _describe(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    description = openapi()
    components = description["components"]
    components["schemas"] |= schemas.define(_MODELS)
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
