"""Answers to windows that are sent whole, a person's rest, and what the server says of itself."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from wesadlib.bundle import Answer
from wesadlib.errors import InputError
from wesadlib.serving import rest, wire
from wesadlib.serving.problems import body_problem, respond, unusable
from wesadlib.serving.schemas import (
    Answers,
    Batch,
    Health,
    ModelDescription,
    PackedBatch,
    PackedWindow,
    PersonId,
    Problem,
    ProblemItem,
    RestAnswer,
    Window,
)
from wesadlib.serving.service import Service
from wesadlib.serving.wire import BodyError, Form, Samples

#: Bytes of a body in MessagePack that is read beside the event loop: a window of the chest is smaller.
_LARGE = 2**21

Person = Annotated[PersonId | None, Query()]
RestToken = Annotated[str | None, Header(alias=rest.HEADER, description="the person's rest, from `POST /rest`")]


def predict_router(service: Service) -> APIRouter:
    """Make the routes that take windows."""
    router = APIRouter()

    @router.post("/predict", **_describe(Answer, Window, PackedWindow))
    async def predict(request: Request, person: Person = None, wesad_rest: RestToken = None) -> Response:
        """Answer one window: a state with probabilities, or `rejected` with the reasons where its quality is poor."""
        form, window = await _read(service, request, wire.read_window)
        (result,) = await service.answer([window], rest=wesad_rest, person=person)
        return _respond(result, form) if isinstance(result, Answer) else respond(unusable(result))

    @router.post("/predict/batch", **_describe(Answers, Batch, PackedBatch))
    async def predict_batch(request: Request, person: Person = None, wesad_rest: RestToken = None) -> Response:
        """Answer many windows in their order, each by itself: one that cannot be used has a problem in its place."""
        form, windows = await _read(service, request, wire.read_windows, service.settings.max_windows)
        usable = [window for window in windows if not isinstance(window, BodyError)]
        results = iter(await service.answer(usable, rest=wesad_rest, person=person))
        parts = [body_problem(part) if isinstance(part, BodyError) else next(results) for part in windows]
        parts = [unusable(part) if isinstance(part, dict) else part for part in parts]
        return _respond(Answers.model_construct(results=parts), form)

    @router.post("/rest", name="rest", **_describe(RestAnswer, Batch, PackedBatch))
    async def make_rest(request: Request) -> Response:
        """Take a person's minutes at rest, as a batch, and give a token by which later calls are calibrated.

        The token holds a few means over the windows, signed and dated; the server keeps nothing.
        """
        form, windows = await _read(service, request, wire.read_windows, service.settings.max_windows)
        response = _respond(await _sign_rest(service, windows), form)
        response.headers["cache-control"] = "no-store"
        return response

    return router


def about_router(service: Service) -> APIRouter:
    """Make the routes that say what is served."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> Health:
        """Say that the server answers."""
        return Health(model_version=service.bundle.version)

    @router.get("/ready")
    async def ready() -> Health:
        """Say that the model is loaded and has answered its own example."""
        require_ready(service)
        return Health(model_version=service.bundle.version)

    @router.get("/model")
    async def model() -> ModelDescription:
        """Describe the served model: channels, units, window, states, thresholds, scores with their protocol."""
        config = service.bundle.config
        return ModelDescription(**{name: value for name, value in config.items() if name != "files"})

    return router


def require_ready(service: Service) -> None:
    """Raise HTTPException 503 while the model has not answered its own example."""
    if not service.ready:
        raise HTTPException(503, "The model is not ready yet; ask again.", {"retry-after": "1"})


async def _sign_rest(service: Service, windows: list[Samples | BodyError]) -> RestAnswer:
    bundle, signer = service.bundle, service.signer
    if not bundle.supports_rest:
        raise HTTPException(409, "This model does not use a person's rest.")
    reasons = {row: str(window) for row, window in enumerate(windows) if isinstance(window, BodyError)}
    readable = [row for row in range(len(windows)) if row not in reasons]
    for row, answer in zip(readable, await service.answer([windows[row] for row in readable]), strict=True):
        if not isinstance(answer, Answer):
            reasons[row] = "; ".join(f"{name}: {problem}" for name, problem in answer.items())
        elif answer.status == "rejected":
            reasons[row] = "; ".join(answer.reasons)
    usable = [windows[row] for row in readable if row not in reasons]
    try:
        values = await service.in_thread(bundle.rest_values, usable)
    except InputError as error:
        raise BodyError(
            str(error), [ProblemItem(name=f"windows.{row}", detail=reasons[row]) for row in sorted(reasons)]
        ) from None
    expires = datetime.now(UTC) + timedelta(hours=signer.age_h)
    return RestAnswer(
        token=signer.sign(values, bundle.version),
        windows=len(usable),
        expires=expires.isoformat(timespec="seconds"),
        model_version=bundle.version,
    )


async def _read(service: Service, request: Request, read: Any, *arguments: Any) -> tuple[Form, Any]:
    form = _form(request)
    body = await request.body()
    if form == "binary" and len(body) < _LARGE:
        return form, read(body, form, *arguments)
    return form, await service.in_thread(read, body, form, *arguments)


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


def _describe(answer: type[BaseModel], *models: type[BaseModel]) -> dict[str, Any]:
    """Say of a route, whose body is read by hand, which models the body has in which form, and what may be refused."""
    contents = zip(wire.CONTENT_TYPES.values(), models, strict=True)
    body = {
        name: {
            "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
            "example": model.model_config["json_schema_extra"]["examples"][0],
        }
        for name, model in contents
    }
    binary = {wire.CONTENT_TYPES["binary"]: {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}}
    refused = {status: {"model": Problem} for status in (409, 413, 415, 422, 499)}
    return {
        "responses": {200: {"model": answer, "content": binary}, **refused},
        "openapi_extra": {"requestBody": {"required": True, "content": body}},
    }
