"""A small client, for scripts, the book and the tests."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
from tenacity import Retrying

from wesadlib.data import Recording
from wesadlib.serving import calls
from wesadlib.serving.calls import Call, T, Window
from wesadlib.serving.schemas import Answer, Health, ModelDescription, Problem
from wesadlib.serving.stream_client import Stream
from wesadlib.serving.stream_messages import StreamPrediction
from wesadlib.serving.stream_talk import StreamTalk, pace, recording_rates
from wesadlib.serving.wire import Form

if TYPE_CHECKING:
    from wesadlib.serving.people import ForgottenAnswer, RestAnswer
    from wesadlib.serving.schemas import DriftReport


class Client:
    """Talk to a server.

    While the server has no room for a request (503) it is sent again, ever more seldom, and no sooner than the server
    says.

    Parameters
    ----------
    url : str
        Where it listens.
    timeout_s : float
        How long to wait for an answer.
    token : str, optional
        The bearer token, where the server asks for one.
    retry_s : float
        For how long a request is sent again; 0: never.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     client.predict({"wrist_eda": eda, ...}, {"wrist_eda": 4, ...}).state
    'baseline'
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
        # The environment's proxy settings are for the world outside, not for a server on this machine.
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False, headers=headers)

    def predict(
        self,
        channels: Mapping[str, Any],
        rates_hz: Mapping[str, float],
        *,
        form: Form = "json",
        rest: str | None = None,
        person: str | None = None,
    ) -> Answer:
        """Answer one window.

        Parameters
        ----------
        channels : mapping of str to array (time)
            Samples at their native rates.
        rates_hz : mapping of str to float
            Sampling rate of each channel.
        form : "json" or "binary"
            How window and answer travel; the binary form is smaller and quicker to read.
        rest : str, optional
            The person's rest, from :meth:`rest`.
        person : str, optional
            Whose window this is, by any name of letters, digits, ``-`` and ``_``.

        Raises
        ------
        RequestRefused
            When the window cannot be used: names the channel.
        InputError
            When the form is unknown, or a channel has no rate.
        """
        return self._send(calls.predict((channels, rates_hz), form, rest, person))

    def predict_batch(
        self,
        windows: Sequence[Window],
        *,
        form: Form = "json",
        rest: str | None = None,
        person: str | None = None,
    ) -> list[Answer | Problem]:
        """Answer many windows at once.

        Parameters
        ----------
        windows : sequence of (channels, rates_hz)
            Each as :meth:`predict` takes it.
        form, rest, person
            As there, of all windows.

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
        return self._send(calls.predict_batch(windows, form, rest, person))

    def rest(self, person: str, windows: Sequence[Window], *, form: Form = "binary") -> "RestAnswer":
        """Send a person's minutes at rest; the `rest` of what comes back is for later calls.

        Raises
        ------
        RequestRefused
            When too few of the windows are good, or the model does not use a person's rest.
        """
        return self._send(calls.rest(person, windows, form))

    def forget(self, person: str) -> "ForgottenAnswer":
        """Have all forgotten that is kept of a person; what comes back says how much that was."""
        return self._send(calls.forget(person))

    def stream(
        self,
        rates_hz: Mapping[str, float],
        *,
        hop_s: float = 5.0,
        rest: str | None = None,
        person: str | None = None,
        form: Form = "binary",
    ) -> Stream:
        """Open a stream: a context manager that samples are sent to as they come, and predictions are read from.

        Parameters
        ----------
        rates_hz : mapping of str to float
            Native rate of each channel that the model uses.
        hop_s : float
            From one window's start to the next.
        rest, person, form
            As in :meth:`predict`.

        Examples
        --------
        >>> with client.stream({"wrist_eda": 4, ...}) as stream:  # doctest: +SKIP
        ...     stream.send({"wrist_eda": eda, ...})
        ...     stream.end()
        ...     for prediction in stream:
        ...         print(prediction.start_s, prediction.answer.state)
        """
        talk = StreamTalk(rates_hz, hop_s=hop_s, rest=rest, person=person, form=form)
        return Stream(talk, self.url, timeout_s=self._timeout_s, token=self._token, retry_s=self._retry_s)

    def replay(
        self,
        recording: Recording,
        *,
        speed: float | None = None,
        chunk_s: float = 1.0,
        hop_s: float = 5.0,
        rest: str | None = None,
        person: str | None = None,
    ) -> list[StreamPrediction]:
        """Stream a recording, and gather what is said of it.

        Parameters
        ----------
        recording : Recording
            With the channels that the model uses.
        speed : float, optional
            Seconds of the recording in a second; None: as fast as it is answered.
        chunk_s : float
            How much is sent at once.
        hop_s, rest, person
            As in :meth:`stream`.

        Raises
        ------
        InputError
            When the recording lacks a channel.
        """
        rates_hz = recording_rates(recording, self.model().channels)
        with self.stream(rates_hz, hop_s=hop_s, rest=rest, person=person) as stream:
            for wait_s, chunk in pace(recording, rates_hz, chunk_s, speed):
                time.sleep(wait_s)
                stream.send(chunk)
            stream.end()
            return list(stream)

    def drift(self) -> "DriftReport":
        """Ask whether the people of late look like those that the model was trained on."""
        return self._send(calls.drift())

    def metrics(self) -> str:
        """Ask for what the server counts, in Prometheus' text format."""
        return self._send(calls.metrics())

    def health(self) -> Health:
        """Ask whether the server answers."""
        return self._send(calls.health())

    def ready(self) -> Health:
        """Ask whether the model is loaded and has answered.

        Raises
        ------
        RequestRefused
            503 when it has not.
        """
        return self._send(calls.ready())

    def model(self) -> ModelDescription:
        """Ask which model is served."""
        return self._send(calls.model())

    def request(self, method: str, path: str, **keywords: Any) -> dict[str, Any]:
        """Send any request, once, and return what is answered, in whichever form.

        Raises
        ------
        RequestRefused
            When the server answers with an error.
        """
        return calls.read_content(calls.check(self._http.request(method, path, **keywords)))

    def _send(self, call: Call[T]) -> T:
        patience = calls.patience(self._retry_s if call.retried else 0.0)
        return call.read(Retrying(**patience)(self._ask, call))

    def _ask(self, call: Call[Any]) -> httpx.Response:
        return calls.check(self._http.request(call.method, call.path, **call.keywords))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
