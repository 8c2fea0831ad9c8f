"""What every call of a client has: the error that is raised, when it is asked again, and whom it trusts."""

import ssl
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError
from tenacity import RetryCallState, retry_if_exception, stop_before_delay, wait_random_exponential

from wesadlib.errors import InputError
from wesadlib.serving.schemas import Problem

#: Statuses that ask for another try: too many requests, a proxy without its app, no room.
ASK_AGAIN = (429, 502, 503)
T = TypeVar("T")


class RequestRefused(Exception):
    """The server answered with an error: `status`, `problem` with all that is wrong, and `retry_after_s`, or None."""

    def __init__(self, status: int, problem: Problem, retry_after_s: float | None = None):
        items = "; ".join(f"{item.name}: {item.detail}" for item in problem.errors)
        super().__init__(f"{status} {problem.detail}" + (f" {items}" if items else ""))
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s


def check(response: httpx.Response) -> httpx.Response:
    """Give a response back that is no error, and raise :class:`RequestRefused` for one that is."""
    if response.is_success:
        return response
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        # Not the app but what stands before it: a proxy that is starting, or has no app behind it.
        problem = Problem(title=response.reason_phrase, status=response.status_code, detail=response.text)
    after = response.headers.get("retry-after", "")
    raise RequestRefused(response.status_code, problem, float(after) if after.isdecimal() else None)


def asks_again(error: BaseException) -> bool:
    """Whether the same request may be answered a moment later: no room, or a connection that was closed or refused.

    Every call may be repeated: what was answered twice is no different from what was answered once.
    """
    if isinstance(error, RequestRefused):
        return error.status in ASK_AGAIN
    if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
        return False
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)


def retries(retry_s: float, passing: Callable[[BaseException], bool] = asks_again) -> dict[str, Any]:
    """How a call is repeated, as `tenacity` takes it: ever more seldom, no sooner than the server says.

    A wait that would end after `retry_s` is not begun; 0: nothing is repeated.
    """
    stop = stop_before_delay(retry_s)
    return {"retry": retry_if_exception(passing), "wait": _wait, "stop": stop, "reraise": True}


def trust(verify: str | Path | ssl.SSLContext | None) -> ssl.SSLContext:
    """Whose certificates are believed: those of the system, or of the file of a private authority."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise InputError(f"verify {verify}: no file of certificates in PEM can be read there ({error}).") from None


_backoff = wait_random_exponential(multiplier=0.1, max=5.0)


def _wait(state: RetryCallState) -> float:
    return max(_backoff(state), getattr(state.outcome.exception(), "retry_after_s", None) or 0.0)


def waiting(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """A method of what is awaited for the twin that waits: it has that as `_awaited`, and a `_portal` to its loop."""

    @wraps(method)
    def call(self: Any, *arguments: Any, **keywords: Any) -> T:
        return self._portal.call(partial(method, self._awaited, *arguments, **keywords))

    return call
