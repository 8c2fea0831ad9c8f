"""What a client asks and how it reads the answer: all of it but the sending, for both clients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError
from tenacity import RetryCallState, retry_if_exception, stop_before_delay, wait_random_exponential

from wesadlib.serving.schemas import Answer, Answers, Health, ModelDescription, Problem
from wesadlib.serving.wire import CONTENT_TYPES, Form, read, write_window, write_windows

if TYPE_CHECKING:
    from wesadlib.serving.people import ForgottenAnswer, RestAnswer
    from wesadlib.serving.schemas import DriftReport

#: One window, as `predict` takes it: samples of each channel, and its rate.
Window = tuple[Mapping[str, Any], Mapping[str, float]]
T = TypeVar("T")


class RequestRefused(Exception):
    """The server answered with an error.

    Attributes
    ----------
    status : int
        HTTP status.
    problem : Problem
        What the server says is wrong, name by name.
    retry_after_s : float or None
        When it says that it may be asked again.
    """

    def __init__(self, status: int, problem: Problem, retry_after_s: float | None = None):
        items = "; ".join(f"{item.name}: {item.detail}" for item in problem.errors)
        super().__init__(f"{status} {problem.detail}" + (f" {items}" if items else ""))
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and what becomes of the answer's content.

    Attributes
    ----------
    read : callable
        Takes a response that is no error.
    keywords : dict
        What `httpx` is given.
    retried : bool
        Whether it is sent again while the server has no room for it: not where just that is asked.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    keywords: dict[str, Any]
    retried: bool = True


def predict(window: Window, form: Form, rest: str | None, person: str | None) -> Call[Answer]:
    """Ask about one window."""
    return _post("/predict", write_window(*window, form), form, lambda body: Answer(**body), rest=rest, person=person)


def predict_batch(
    windows: Sequence[Window], form: Form, rest: str | None, person: str | None
) -> Call[list[Answer | Problem]]:
    """Ask about many."""
    body = write_windows(windows, form)
    return _post("/predict/batch", body, form, lambda body: Answers(**body).results, rest=rest, person=person)


def rest(person: str, windows: Sequence[Window], form: Form) -> "Call[RestAnswer]":
    """Send a person's minutes at rest."""
    from wesadlib.serving.people import RestAnswer

    path = f"/people/{quote(person, safe='')}/rest"
    return _post(path, write_windows(windows, form), form, lambda body: RestAnswer(**body))


def forget(person: str) -> "Call[ForgottenAnswer]":
    """Have a person forgotten."""
    from wesadlib.serving.people import ForgottenAnswer

    return Call("DELETE", f"/people/{quote(person, safe='')}", partial(_made, lambda body: ForgottenAnswer(**body)), {})


def drift() -> "Call[DriftReport]":
    """Ask whether the people of late are like the cohort."""
    from wesadlib.serving.schemas import DriftReport

    return _get("/drift", DriftReport)


def metrics() -> Call[str]:
    """Ask for all counts."""
    return Call("GET", "/metrics", lambda response: response.text, {})


def health() -> Call[Health]:
    """Ask whether the server answers."""
    return _get("/health", Health, retried=False)


def ready() -> Call[Health]:
    """Ask whether it is ready."""
    return _get("/ready", Health, retried=False)


def model() -> Call[ModelDescription]:
    """Ask which model is served."""
    return _get("/model", ModelDescription)


def read_content(response: httpx.Response) -> Any:
    """Read an answer in whichever form."""
    binary = response.headers.get("content-type") == CONTENT_TYPES["binary"]
    return read(response.content, "binary" if binary else "json")


def check(response: httpx.Response) -> httpx.Response:
    """Give a response back that is no error.

    Raises
    ------
    RequestRefused
        Where it is one.
    """
    if response.is_success:
        return response
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        # Not the app but what stands before it: a proxy that is starting, or has no app behind it.
        problem = Problem(title=response.reason_phrase, status=response.status_code, detail=response.text)
    after = response.headers.get("retry-after", "")
    raise RequestRefused(response.status_code, problem, float(after) if after.isdecimal() else None)


def patience(retry_s: float, busy: Callable[[BaseException], bool] | None = None) -> dict[str, Any]:
    """How a call is repeated while the server has no room for it, as `tenacity` takes it.

    Every call may be repeated: what was answered twice is no different from what was answered once.

    Parameters
    ----------
    retry_s : float
        For how long; a wait that would end later is not begun.
    busy : callable, optional
        Whether an error asks for another try; default: a 503.
    """
    return {
        "retry": retry_if_exception(busy or is_busy),
        "wait": _wait,
        "stop": stop_before_delay(retry_s) if retry_s > 0 else _at_once,
        "reraise": True,
    }


def is_busy(error: BaseException) -> bool:
    """Whether a server says that it has no room at this moment."""
    return isinstance(error, RequestRefused) and error.status == 503


_backoff = wait_random_exponential(multiplier=0.1, max=5.0)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception()
    return max(_backoff(state), getattr(error, "retry_after_s", None) or 0.0)


def _at_once(state: RetryCallState) -> bool:
    return True


def _post(path: str, body: bytes, form: Form, make: Callable[[Any], T], **parameters: str | None) -> Call[T]:
    headers = {"content-type": CONTENT_TYPES[form], "accept": CONTENT_TYPES[form]}
    given = {name: value for name, value in parameters.items() if value is not None}
    return Call("POST", path, partial(_made, make), {"content": body, "headers": headers, "params": given})


def _get(path: str, make: Callable[..., T], retried: bool = True) -> Call[T]:
    return Call("GET", path, partial(_made, lambda body: make(**body)), {}, retried)


def _made(make: Callable[[Any], T], response: httpx.Response) -> T:
    return make(read_content(response))
