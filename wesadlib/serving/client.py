"""A small client, for scripts, the book and the tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from wesadlib.serving.schemas import Answer, Answers, Health, ModelDescription, Problem
from wesadlib.serving.wire import CONTENT_TYPES, Form, read, write_window, write_windows


class RequestRefused(Exception):
    """The server answered with an error.

    Attributes
    ----------
    status : int
        HTTP status.
    problem : Problem
        What the server says is wrong, name by name.
    """

    def __init__(self, status: int, problem: Problem):
        items = "; ".join(f"{item.name}: {item.detail}" for item in problem.errors)
        super().__init__(f"{status} {problem.detail}" + (f" {items}" if items else ""))
        self.status = status
        self.problem = problem


class Client:
    """Talk to a server.

    Parameters
    ----------
    url : str
        Where it listens.
    timeout_s : float
        How long to wait for an answer.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     client.predict({"wrist_eda": eda, ...}, {"wrist_eda": 4, ...}).state
    'baseline'
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", timeout_s: float = 30.0):
        self.url = url
        # The environment's proxy settings are for the world outside, not for a server on this machine.
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)

    def predict(self, channels: Mapping[str, Any], rates_hz: Mapping[str, float], *, form: Form = "json") -> Answer:
        """Answer one window.

        Parameters
        ----------
        channels : mapping of str to array (time)
            Samples at their native rates.
        rates_hz : mapping of str to float
            Sampling rate of each channel.
        form : "json" or "binary"
            How window and answer travel; the binary form is smaller and quicker to read.

        Raises
        ------
        RequestRefused
            When the window cannot be used: names the channel.
        InputError
            When the form is unknown, or a channel has no rate.
        """
        return Answer(**self._post("/predict", write_window(channels, rates_hz, form), form))

    def predict_batch(
        self, windows: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]], *, form: Form = "json"
    ) -> list[Answer | Problem]:
        """Answer many windows at once.

        Parameters
        ----------
        windows : sequence of (channels, rates_hz)
            Each as :meth:`predict` takes it.
        form : "json" or "binary"
            As there.

        Returns
        -------
        list of Answer or Problem
            One for each window, in order; a problem in place of a window that cannot be used.

        Raises
        ------
        RequestRefused
            When there are more windows than the server takes at once.
        InputError
            As there.
        """
        return Answers(**self._post("/predict/batch", write_windows(windows, form), form)).results

    def health(self) -> Health:
        """Ask whether the server answers."""
        return Health(**self.request("GET", "/health"))

    def model(self) -> ModelDescription:
        """Ask which model is served."""
        return ModelDescription(**self.request("GET", "/model"))

    def request(self, method: str, path: str, **keywords: Any) -> dict[str, Any]:
        """Send any request and return what is answered, in whichever form.

        Raises
        ------
        RequestRefused
            When the server answers with an error.
        """
        response = self._http.request(method, path, **keywords)
        if response.is_success:
            binary = response.headers.get("content-type") == CONTENT_TYPES["binary"]
            return read(response.content, "binary" if binary else "json")
        if response.headers.get("content-type", "").startswith("application/problem+json"):
            problem = Problem(**response.json())
        else:
            # Not the app but what stands before it: a proxy that is starting, or has no app behind it.
            problem = Problem(title=response.reason_phrase, status=response.status_code, detail=response.text)
        raise RequestRefused(response.status_code, problem)

    def _post(self, path: str, body: bytes, form: Form) -> dict[str, Any]:
        headers = {"content-type": CONTENT_TYPES[form], "accept": CONTENT_TYPES[form]}
        return self.request("POST", path, content=body, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
