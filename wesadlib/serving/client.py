"""Clients, for scripts, the book and the tests: one that is awaited, and one that waits."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from functools import wraps
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from pydantic import ValidationError
from tenacity import AsyncRetrying

from wesadlib.data import Recording
from wesadlib.errors import InputError
from wesadlib.quality.recordings import to_known_scale
from wesadlib.serving import wire
from wesadlib.serving.calls import T, check, retries, trust, waiting
from wesadlib.serving.schemas import (
    Answer,
    Answers,
    DriftReport,
    Health,
    ModelDescription,
    Problem,
    RestAnswer,
)
from wesadlib.serving.settings import is_loopback
from wesadlib.serving.stream_client import AsyncStream, Stream
from wesadlib.serving.stream_messages import StreamPrediction

#: One window, as `predict` takes it: samples of each channel, and its rate.
Window = tuple[Mapping[str, Any], Mapping[str, float]]


class AsyncClient(AbstractAsyncContextManager):
    """Talk to a server, awaited.

    What asks for another try (429, 503, a connection that was closed) is sent again, ever more seldom, and no sooner
    than the server says.

    Parameters
    ----------
    url : str
        Where it listens.
    timeout_s : float
        How long to wait for an answer, s.
    token : str, optional
        The bearer token, where the server asks for one.
    retry_s : float
        For how long a request is sent again, s; 0: never.
    verify : path or SSLContext, optional
        Certificates of a private authority, in a file (PEM); None: those that the system trusts.

    Raises
    ------
    RequestRefused
        By every call that the server answers with an error; names what is wrong.

    Examples
    --------
    >>> async with AsyncClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     answer = await client.predict({"wrist_eda": eda, ...}, {"wrist_eda": 4, ...})
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        timeout_s: float = 30.0,
        *,
        token: str | None = None,
        retry_s: float = 10.0,
        verify: str | Path | SSLContext | None = None,
    ):
        if httpx.URL(url).scheme not in ("http", "https"):
            raise InputError(f"{url}: no address of a server; write it as http://127.0.0.1:8000.")
        self.url = url
        self._retry_s = retry_s
        self._keywords = {
            "timeout": timeout_s,
            "headers": {"authorization": f"Bearer {token}"} if token else {},
            "verify": trust(verify),
            # The environment's proxy is for the world outside, not for a server on this machine.
            "trust_env": not is_loopback(httpx.URL(url).host),
        }
        self._http = httpx.AsyncClient(base_url=url, **self._keywords)

    async def predict(
        self,
        channels: Mapping[str, Any],
        rates_hz: Mapping[str, float],
        *,
        form: wire.Form = "json",
        rest: str | None = None,
        person: str | None = None,
    ) -> Answer:
        """Answer one window: arrays (time) of its channels at their native rates, and these.

        `form` is how window and answer travel, "json" or "binary", which is smaller and quicker to read; `rest` the
        token of the person's rest, from :meth:`rest`; `person` whose window this is, by any name of letters, digits,
        ``-`` and ``_``: drift is counted over people.
        """
        body = wire.write_window(channels, rates_hz, form)
        return Answer(**await self._post("/predict", body, form, rest, person))

    async def predict_batch(
        self, windows: Sequence[Window], *, form: wire.Form = "json", rest: str | None = None, person: str | None = None
    ) -> list[Answer | Problem]:
        """Answer many windows, each as :meth:`predict` takes it; one that cannot be used has a problem in its place."""
        body = wire.write_windows(windows, form)
        return Answers(**await self._post("/predict/batch", body, form, rest, person)).results

    async def rest(self, windows: Sequence[Window], *, form: wire.Form = "binary") -> RestAnswer:
        """Send a person's minutes at rest; the `token` of what comes back is the `rest` of later calls."""
        return RestAnswer(**await self._post("/rest", wire.write_windows(windows, form), form))

    def stream(
        self,
        rates_hz: Mapping[str, float],
        *,
        hop_s: float = 5.0,
        rest: str | None = None,
        person: str | None = None,
        form: wire.Form = "binary",
    ) -> AsyncStream:
        """Open a stream: a context manager that samples are sent to as they come, and predictions are read from.

        Windows begin `hop_s` seconds apart; the rest is as in :meth:`predict`.

        Examples
        --------
        >>> async with client.stream({"wrist_eda": 4, ...}) as stream:  # doctest: +SKIP
        ...     await stream.send({"wrist_eda": eda, ...})
        ...     await stream.end()
        ...     async for prediction in stream:
        ...         print(prediction.start_s, prediction.answer.state)
        """
        start = {"hop_s": hop_s, "form": form, "rest": rest, "person": person}
        return AsyncStream(self.url, rates_hz, retry_s=self._retry_s, http=self._keywords, **start)

    async def replay(
        self, recording: Recording, *, speed: float | None = None, chunk_s: float = 1.0, **start: Any
    ) -> list[StreamPrediction]:
        """Stream a recording, `chunk_s` seconds at once, and gather what is said of it.

        `speed` is how many seconds of it are sent in a second, None as many as are answered; the rest is as in
        :meth:`stream`.
        """
        names = list((await self.model()).channels)
        if absent := [name for name in names if name not in recording.signals]:
            raise InputError(f"{recording.subject}: the recording has no channel {absent[0]}, which the model needs.")
        signals = to_known_scale(recording).signals
        rates_hz = {name: float(signals[name].attrs["rate_hz"]) for name in names}
        chunks = math.ceil(max(len(signals[name]) / rates_hz[name] for name in names) / chunk_s)
        async with self.stream(rates_hz, **start) as stream:
            begun = time.monotonic()
            for k in range(chunks):
                await asyncio.sleep(begun + (k + 1) * chunk_s / speed - time.monotonic() if speed else 0)
                spans = {n: slice(round(k * chunk_s * r), round((k + 1) * chunk_s * r)) for n, r in rates_hz.items()}
                await stream.send({name: signals[name].values[span] for name, span in spans.items()})
            await stream.end()
            return [prediction async for prediction in stream]

    async def drift(self) -> DriftReport:
        """Ask whether the people of late look like those that the model was trained on."""
        return await self._get(DriftReport, "/drift")

    async def metrics(self) -> str:
        """Ask for what the server counts, in Prometheus' text format."""
        return (await self._send("GET", "/metrics")).text

    async def health(self) -> Health:
        """Ask, once, whether the server answers."""
        return await self._get(Health, "/health", retry_s=0)

    async def ready(self) -> Health:
        """Ask, once, whether the model has answered its example; :class:`RequestRefused` (503) where it has not."""
        return await self._get(Health, "/ready", retry_s=0)

    async def model(self) -> ModelDescription:
        """Ask which model is served."""
        return await self._get(ModelDescription, "/model")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _post(
        self, path: str, body: bytes, form: wire.Form, rest: str | None = None, person: str | None = None
    ) -> dict[str, Any]:
        headers = {"content-type": wire.CONTENT_TYPES[form]} | ({"wesad-rest": rest} if rest else {})
        params = {"person": person} if person else {}
        return wire.read((await self._send("POST", path, content=body, headers=headers, params=params)).content, form)

    async def _get(self, kind: type[T], path: str, retry_s: float | None = None) -> T:
        response = await self._send("GET", path, retry_s)
        try:
            return kind.model_validate_json(response.content)
        except ValidationError:
            raise InputError(f"{self.url}: what answers there is no server of this wesadlib.") from None

    async def _send(self, method: str, path: str, retry_s: float | None = None, **keywords: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            try:
                return check(await self._http.request(method, path, **keywords))
            except httpx.ConnectError as error:
                raise httpx.ConnectError(f"{self.url}: no connection ({error}); is the server running?") from error

        return await AsyncRetrying(**retries(self._retry_s if retry_s is None else retry_s))(ask)


class Client(AbstractContextManager):
    """:class:`AsyncClient` for programs that wait; parameters, results and errors are the same.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     client.predict({"wrist_eda": eda, ...}, {"wrist_eda": 4, ...}).state
    'baseline'
    """

    predict = waiting(AsyncClient.predict)
    predict_batch = waiting(AsyncClient.predict_batch)
    rest = waiting(AsyncClient.rest)
    replay = waiting(AsyncClient.replay)
    drift = waiting(AsyncClient.drift)
    metrics = waiting(AsyncClient.metrics)
    health = waiting(AsyncClient.health)
    ready = waiting(AsyncClient.ready)
    model = waiting(AsyncClient.model)

    def __init__(self, url: str = "http://127.0.0.1:8000", timeout_s: float = 30.0, **keywords: Any):
        self.url = url
        self._awaited = AsyncClient(url, timeout_s, **keywords)
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal(name="client"))
        self._stack.callback(lambda: self._portal.call(self._awaited.close))

    @wraps(AsyncClient.stream)
    def stream(self, *arguments: Any, **keywords: Any) -> Stream:  # noqa: D102
        return Stream(self._awaited.stream(*arguments, **keywords), self._portal)

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()

    def __exit__(self, *exception: object) -> None:
        self.close()
