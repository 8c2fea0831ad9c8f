"""Errors in one form, RFC 9457, that tell nothing of the inside; under `/v2` in the form of the protocol there."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

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


def respond(problem: Problem, headers: Mapping[str, str] | None = None, path: str = "") -> JSONResponse:
    """Send a problem."""
    if path.startswith("/v2"):
        sentence = " ".join([problem.detail, *(f"{item.name}: {item.detail}." for item in problem.errors[:1])])
        return JSONResponse({"error": sentence}, 400 if problem.status == 422 else problem.status, headers)
    return JSONResponse(problem.model_dump(), problem.status, headers, "application/problem+json")


def describe_error(error: Exception) -> tuple[Problem, Mapping[str, str] | None]:
    """Describe an error by what may be said of it outside, and give the headers that go with it."""
    if isinstance(error, BodyError):
        return body_problem(error), None
    if isinstance(error, ClientDisconnect):
        return Problem(title="Client Closed Request", status=499, detail="The request ended before its body did."), None
    if isinstance(error, HTTPException):
        return make_problem(error.status_code, str(error.detail)), error.headers
    if isinstance(error, RequestValidationError):
        # What was sent is not repeated.
        items = [ProblemItem(name=str(entry["loc"][-1]), detail=entry["msg"]) for entry in error.errors()]
        return make_problem(422, "This request's parameters cannot be used.", items), None
    return make_problem(500, "The server failed at this request; nothing was computed."), None


def handle_problems(app: FastAPI) -> None:
    """Let every error of an app leave it as a problem."""

    def answer(request: Request, error: Exception) -> JSONResponse:
        return respond(*describe_error(error), request.scope["path"])

    for kind in (BodyError, ClientDisconnect, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)
