"""Answers to windows that are sent whole: one, or many at a time."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from wesadlib.bundle import Answer
from wesadlib.serving import wire
from wesadlib.serving.negotiation import answer_form, read_body, request_form
from wesadlib.serving.problems import body_problem, respond, unusable
from wesadlib.serving.schemas import Answers, Batch, PackedBatch, PackedWindow, Problem, Window
from wesadlib.serving.service import Result, Service

#: From which a batch's weight is guessed before it is read: bytes of a window of the wrist.
_WINDOW_BYTES = 40_000

PersonId = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="whose windows these are, by a name that means nothing here"),
]
RestHandle = Annotated[str | None, Query(max_length=64, description="the person's rest, from `POST /people/{id}/rest`")]
REFUSALS = {status: {"model": Problem} for status in (400, 404, 406, 409, 413, 415, 422, 503)}


def predict_router(service: Service) -> APIRouter:
    """Make the routes.

    Parameters
    ----------
    service : Service
        What answers.
    """
    router = APIRouter()

    @router.post("/predict", responses=_answers(Answer), openapi_extra=bodies(Window, PackedWindow))
    async def predict(request: Request, person: PersonId = None, rest: RestHandle = None) -> Response:
        """Answer one window: a state with probabilities, or `rejected` with the reasons where its quality is poor."""
        form, wanted = request_form(request), answer_form(request)
        service.require_room()
        body = await read_body(request, service.settings.max_body_mb)
        return await service.answer_body(
            lambda: [wire.read_window(body, form)], partial(_respond_one, form=wanted), rest=rest, person=person
        )

    @router.post("/predict/batch", responses=_answers(Answers), openapi_extra=bodies(Batch, PackedBatch))
    async def predict_batch(request: Request, person: PersonId = None, rest: RestHandle = None) -> Response:
        """Answer many windows in their order, each by itself: one that cannot be used has a problem in its place."""
        form, wanted = request_form(request), answer_form(request)
        limits = service.settings
        most = limits.max_body_mb if form == "json" else limits.max_batch_body_mb
        service.require_room()
        body = await read_body(request, most)
        return await service.answer_body(
            lambda: wire.read_windows(body, form, limits.max_windows),
            partial(_respond_all, form=wanted),
            rest=rest,
            person=person,
            weight=max(1, min(len(body) // _WINDOW_BYTES, limits.max_windows)),
        )

    return router


def _respond_one(results: Sequence[Result], form: wire.Form) -> Response:
    (result,) = results
    return _respond(result, form) if isinstance(result, Answer) else respond(unusable(result))


def _respond_all(results: Sequence[Result], form: wire.Form) -> Response:
    return _respond(Answers.model_construct(results=[_describe(result) for result in results]), form)


def _describe(result: Result) -> Answer | Problem:
    if isinstance(result, Answer):
        return result
    return body_problem(result) if isinstance(result, wire.BodyError) else unusable(result)


def _respond(answer: BaseModel, form: wire.Form) -> Response:
    content = wire.write(answer.model_dump(), form)
    return Response(content, media_type=wire.CONTENT_TYPES[form], headers={"vary": "accept"})


def _answers(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model}, **REFUSALS}


def bodies(json_model: type[BaseModel], packed_model: type[BaseModel]) -> dict[str, Any]:
    """Say of a route, whose body is read by hand, which models the body has in which form."""
    models = {"json": json_model, "binary": packed_model}
    content = {
        wire.CONTENT_TYPES[form]: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
        for form, model in models.items()
    }
    return {"requestBody": {"required": True, "content": content}}
