"""A person at rest: minutes of it, kept under a handle that calibrates later calls; and how to be forgotten."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from wesadlib.bundle import Answer, Bundle
from wesadlib.errors import InputError
from wesadlib.serving import wire
from wesadlib.serving.batching import Busy
from wesadlib.serving.negotiation import answer_form, read_body, request_form
from wesadlib.serving.predict import REFUSALS, bodies
from wesadlib.serving.problems import make_problem, respond
from wesadlib.serving.schemas import Batch, PackedBatch, Problem, ProblemItem

if TYPE_CHECKING:
    from wesadlib.serving.service import Service

PersonInPath = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="a person, by a name that means nothing here")
]
#: Rests that wait while one is computed, and how many windows a problem speaks of.
_MOST_WAITING, _MOST_ITEMS = 8, 20
_JSON, _BINARY = wire.CONTENT_TYPES["json"], wire.CONTENT_TYPES["binary"]


class RestAnswer(BaseModel):
    """A person at rest is known from now on."""

    rest: str = Field(description="the handle, for `rest=` in later calls; whoever has it can use it")
    person: str
    windows: int = Field(description="windows of good quality, on which it rests")
    expires: str = Field(description="until when it is kept at most", json_schema_extra={"format": "date-time"})
    model_version: str = Field(description="the model that it was made for; another knows nothing of it")


class ForgottenAnswer(BaseModel):
    """A person is forgotten."""

    person: str
    rests: int = Field(description="handles that are void now")
    windows: int = Field(description="windows whose features were kept for drift")
    streams: int = Field(description="dropped streams that cannot be resumed now")


class _Rest(NamedTuple):
    profile: np.ndarray
    windows: int


class _TooFew(InputError):
    def __init__(self, detail: str, items: Sequence[ProblemItem]):
        super().__init__(detail)
        self.items = items


def people_router(service: "Service") -> APIRouter:
    """Make the routes.

    Parameters
    ----------
    service : Service
        Whose bundle reads the rest, and whose store keeps it.
    """
    router = APIRouter()
    turn, waiting = asyncio.Semaphore(1), 0

    async def in_turn(bundle: Bundle, body: bytes, form: wire.Form) -> _Rest:
        # One at a time: answers to those who wait for them go before.
        nonlocal waiting
        if waiting >= _MOST_WAITING:
            raise Busy(f"The rest of {waiting} people is being computed already; ask again later.")
        waiting += 1
        try:
            async with turn:
                return await service.in_thread(_compute, bundle, body, form, service.settings.max_windows)
        finally:
            waiting -= 1

    @router.post(
        "/people/{person}/rest",
        status_code=201,
        responses={201: {"model": RestAnswer, "content": {_BINARY: _REST_SCHEMA}}, **REFUSALS},
        openapi_extra=bodies(Batch, PackedBatch),
    )
    async def keep_rest(request: Request, person: PersonInPath) -> Response:
        """Take a person's minutes at rest, as a batch, and give a handle under which later calls are calibrated by it.

        What is kept is a profile, a few means over the windows, in memory, until `expires`, until there are too many,
        or until the person is forgotten; no signal is.
        """
        form, wanted = request_form(request), answer_form(request)
        bundle, limits = service.bundle, service.settings
        if not bundle.supports_rest:
            raise HTTPException(409, "This model does not use a person's rest; leave `rest` out.")
        body = await read_body(request, limits.max_body_mb if form == "json" else limits.max_batch_body_mb)
        try:
            found = await in_turn(bundle, body, form)
        except _TooFew as error:
            return respond(make_problem(422, str(error), error.items))
        handle, rest = await service.store.keep_rest(person, found.profile, bundle.version)
        answer = RestAnswer(
            rest=handle,
            person=person,
            windows=found.windows,
            expires=datetime.fromtimestamp(rest["expires"], UTC).isoformat(timespec="seconds"),
            model_version=bundle.version,
        )
        content = wire.write(answer.model_dump(), wanted)
        headers = {"vary": "accept", "cache-control": "no-store"}
        return Response(content, 201, media_type=wire.CONTENT_TYPES[wanted], headers=headers)

    @router.delete("/people/{person}", responses={422: {"model": Problem}, 503: {"model": Problem}})
    async def forget(person: PersonInPath) -> ForgottenAnswer:
        """Forget all that is kept of a person: handles, features for drift, streams that wait to be resumed."""
        forgotten = await service.store.forget(person)
        return ForgottenAnswer(person=person, **forgotten._asdict())

    return router


_REST_SCHEMA = {"schema": {"$ref": f"#/components/schemas/{RestAnswer.__name__}"}}


def _compute(bundle: Bundle, body: bytes, form: wire.Form, max_windows: int) -> _Rest:
    windows = wire.read_windows(body, form, max_windows)
    reasons: dict[int, str] = {row: str(part) for row, part in enumerate(windows) if isinstance(part, wire.BodyError)}
    readable = [row for row in range(len(windows)) if row not in reasons]
    judged = bundle.classify([windows[row] for row in readable]) if readable else []
    for row, found in zip(readable, judged, strict=True):
        answer = found.answer
        if not isinstance(answer, Answer):
            reasons[row] = "; ".join(f"{name}: {problem}" for name, problem in answer.items())
        elif answer.status == "rejected":
            reasons[row] = "; ".join(answer.reasons)
    good = [windows[row] for row in readable if row not in reasons]
    items = [ProblemItem(name=f"windows.{row}", detail=reasons[row]) for row in sorted(reasons)][:_MOST_ITEMS]
    try:
        return _Rest(bundle.rest_values(good), len(good))
    except InputError as error:
        raise _TooFew(str(error), items) from None
