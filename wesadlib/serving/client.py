"""A small client, for scripts, the book and the tests."""

from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
from pydantic_core import to_json

from wesadlib.serving.schemas import Answer, Health, ModelDescription, Problem


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

    def predict(self, channels: Mapping[str, Any], rates_hz: Mapping[str, float]) -> Answer:
        """Answer one window.

        Parameters
        ----------
        channels : mapping of str to array (time)
            Samples at their native rates.
        rates_hz : mapping of str to float
            Sampling rate of each channel.

        Raises
        ------
        RequestRefused
            When the window cannot be used: names the channel.
        """
        window = {
            name: {"rate_hz": float(rates_hz[name]), "samples": np.asarray(samples, float).tolist()}
            for name, samples in channels.items()
        }
        # A chest minute is a third of a million numbers; the standard library takes ten times longer to write them.
        body = to_json({"channels": window})
        return Answer(**self.request("POST", "/predict", content=body, headers={"content-type": "application/json"}))

    def health(self) -> Health:
        """Ask whether the server answers."""
        return Health(**self.request("GET", "/health"))

    def model(self) -> ModelDescription:
        """Ask which model is served."""
        return ModelDescription(**self.request("GET", "/model"))

    def request(self, method: str, path: str, **keywords: Any) -> dict[str, Any]:
        """Send any request and return its JSON.

        Raises
        ------
        RequestRefused
            When the server answers with an error.
        """
        response = self._http.request(method, path, **keywords)
        if response.is_success:
            return response.json()
        if response.headers.get("content-type", "").startswith("application/problem+json"):
            problem = Problem(**response.json())
        else:
            # Not the app but what stands before it: a proxy that is starting, or has no app behind it.
            problem = Problem(title=response.reason_phrase, status=response.status_code, detail=response.text)
        raise RequestRefused(response.status_code, problem)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
