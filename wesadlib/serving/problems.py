"""Errors in one form, RFC 9457, that tell nothing of the inside."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wesadlib.serving.batching import Busy
from wesadlib.serving.schemas import Problem, ProblemItem
from wesadlib.serving.wire import BodyError


def make_problem(status: int, detail: str, errors: Sequence[ProblemItem] = ()) -> Problem:
    """Describe an error by its status, a sentence, and what is wrong name by name."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))


def unusable(problems: Mapping[str, str]) -> Problem:
    """Describe a window that :meth:`wesadlib.bundle.Bundle.problems` finds fault with."""
    items = [ProblemItem(name=name, detail=problem) for name, problem in problems.items()]
    return make_problem(422, "This window cannot be used.", items)


def body_problem(error: BodyError) -> Problem:
    """Describe a body, or one window of it, that does not keep to its form."""
    return make_problem(error.status, str(error), error.items)


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Send a problem."""
    return JSONResponse(
        problem.model_dump(), status_code=problem.status, headers=headers, media_type="application/problem+json"
    )


def handle_problems(app: FastAPI) -> None:
    """Let every error of an app leave it as a problem."""

    def answer_body(request: Request, error: BodyError) -> JSONResponse:
        return respond(body_problem(error))

    def answer_http(request: Request, error: HTTPException) -> JSONResponse:
        return respond(make_problem(error.status_code, str(error.detail)), error.headers)

    def answer_busy(request: Request, error: Busy) -> JSONResponse:
        return respond(make_problem(503, str(error)), {"retry-after": str(error.retry_after_s)})

    def answer_parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not repeated.
        items = [ProblemItem(name=str(entry["loc"][-1]), detail=entry["msg"]) for entry in error.errors()]
        return respond(make_problem(422, "This request's parameters cannot be used.", items))

    def answer_failure(request: Request, error: Exception) -> JSONResponse:
        return respond(make_problem(500, "The server failed at this request; nothing was computed."))

    app.add_exception_handler(BodyError, answer_body)
    app.add_exception_handler(Busy, answer_busy)
    app.add_exception_handler(RequestValidationError, answer_parameters)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(Exception, answer_failure)
