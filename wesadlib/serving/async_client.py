"""The client for programs that do other things meanwhile."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
from tenacity import AsyncRetrying

from wesadlib.data import Recording
from wesadlib.serving import calls
from wesadlib.serving.calls import Call, T, Window
from wesadlib.serving.schemas import Answer, Health, ModelDescription, Problem
from wesadlib.serving.stream_client import AsyncStream
from wesadlib.serving.stream_messages import StreamPrediction
from wesadlib.serving.stream_talk import StreamTalk, pace, recording_rates
from wesadlib.serving.wire import Form

if TYPE_CHECKING:
    from wesadlib.serving.people import ForgottenAnswer, RestAnswer
    from wesadlib.serving.schemas import DriftReport


class AsyncClient:
    """:class:`wesadlib.serving.Client`, awaited; parameters, results and errors are the same.

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
    ):
        self.url = url
        self._timeout_s, self._token, self._retry_s = timeout_s, token, retry_s
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False, headers=headers)

    async def predict(
        self,
        channels: Mapping[str, Any],
        rates_hz: Mapping[str, float],
        *,
        form: Form = "json",
        rest: str | None = None,
        person: str | None = None,
    ) -> Answer:
        """Answer one window."""
        return await self._send(calls.predict((channels, rates_hz), form, rest, person))

    async def predict_batch(
        self,
        windows: Sequence[Window],
        *,
        form: Form = "json",
        rest: str | None = None,
        person: str | None = None,
    ) -> list[Answer | Problem]:
        """Answer many windows at once."""
        return await self._send(calls.predict_batch(windows, form, rest, person))

    async def rest(self, person: str, windows: Sequence[Window], *, form: Form = "binary") -> "RestAnswer":
        """Send a person's minutes at rest."""
        return await self._send(calls.rest(person, windows, form))

    async def forget(self, person: str) -> "ForgottenAnswer":
        """Have all forgotten that is kept of a person."""
        return await self._send(calls.forget(person))

    def stream(
        self,
        rates_hz: Mapping[str, float],
        *,
        hop_s: float = 5.0,
        rest: str | None = None,
        person: str | None = None,
        form: Form = "binary",
    ) -> AsyncStream:
        """Open a stream."""
        talk = StreamTalk(rates_hz, hop_s=hop_s, rest=rest, person=person, form=form)
        return AsyncStream(talk, self.url, timeout_s=self._timeout_s, token=self._token, retry_s=self._retry_s)

    async def replay(
        self,
        recording: Recording,
        *,
        speed: float | None = None,
        chunk_s: float = 1.0,
        hop_s: float = 5.0,
        rest: str | None = None,
        person: str | None = None,
    ) -> list[StreamPrediction]:
        """Stream a recording, and gather what is said of it."""
        rates_hz = recording_rates(recording, (await self.model()).channels)
        async with self.stream(rates_hz, hop_s=hop_s, rest=rest, person=person) as stream:
            for wait_s, chunk in pace(recording, rates_hz, chunk_s, speed):
                await asyncio.sleep(wait_s)
                await stream.send(chunk)
            await stream.end()
            return [prediction async for prediction in stream]

    async def drift(self) -> "DriftReport":
        """Ask whether the people of late look like those that the model was trained on."""
        return await self._send(calls.drift())

    async def metrics(self) -> str:
        """Ask for what the server counts, in Prometheus' text format."""
        return await self._send(calls.metrics())

    async def health(self) -> Health:
        """Ask whether the server answers."""
        return await self._send(calls.health())

    async def ready(self) -> Health:
        """Ask whether the model is loaded and has answered."""
        return await self._send(calls.ready())

    async def model(self) -> ModelDescription:
        """Ask which model is served."""
        return await self._send(calls.model())

    async def request(self, method: str, path: str, **keywords: Any) -> dict[str, Any]:
        """Send any request, once, and return what is answered, in whichever form."""
        return calls.read_content(calls.check(await self._http.request(method, path, **keywords)))

    async def _send(self, call: Call[T]) -> T:
        patience = calls.patience(self._retry_s if call.retried else 0.0)
        return call.read(await AsyncRetrying(**patience)(self._ask, call))

    async def _ask(self, call: Call[Any]) -> httpx.Response:
        return calls.check(await self._http.request(call.method, call.path, **call.keywords))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
