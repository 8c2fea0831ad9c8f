"""What a replica counts: requests, windows, refusals, streams. No label holds a path, a person or a session."""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.exceptions import HTTPException

from wesadlib.bundle import Answer, Bundle

if TYPE_CHECKING:
    from wesadlib.serving.service import Service
    from wesadlib.serving.store import AsyncStore

#: Seconds between two reports to the store, and the most windows whose features wait for one.
PUSH_S, _MOST_WAITING = 1.0, 10_000
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class _Served(NamedTuple):
    """Of a bundle: where the features of drift are among all of a window's, and how long a window is."""

    columns: list[int]
    window_s: float


class _Waiting(NamedTuple):
    model_version: str
    person: str
    features: np.ndarray


class Watch:
    """Count what a replica does, and tell the store of it.

    Parameters
    ----------
    replica : str, optional
        Short name among all replicas; default: random.

    Attributes
    ----------
    replica : str
    """

    def __init__(self, replica: str | None = None):
        self.replica = replica or secrets.token_hex(4)
        self._registry = registry = CollectorRegistry()
        # Resident memory, processor time, open files, and when the process started.
        ProcessCollector(registry=registry)
        self._requests = Counter("wesad_requests", "Requests.", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "wesad_request_seconds", "From request to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._sizes = Histogram(
            "wesad_batch_windows", "Windows that were computed together.", buckets=_SIZES, registry=registry
        )
        self._outcomes = Counter(
            "wesad_windows",
            "Windows: answered, abstained from, rejected for their quality, unusable.",
            ["outcome"],
            registry=registry,
        )
        self._states = Counter(
            "wesad_states", "Answers by state, without those abstained from.", ["state"], registry=registry
        )
        self._rejections = Counter(
            "wesad_rejections", "Reasons of rejected windows.", ["channel", "rule"], registry=registry
        )
        self._open_streams = Gauge("wesad_streams_open", "Streams that are open.", registry=registry)
        self._ended_streams = Counter("wesad_streams_ended", "Streams by close code.", ["code"], registry=registry)
        self._waiting_windows = Gauge("wesad_queue_windows", "Windows that wait to be computed.", registry=registry)
        self._model = Gauge("wesad_model_info", "The model that answers.", ["version", "model"], registry=registry)
        self._served: dict[str, _Served] = {}
        self._waiting: deque[_Waiting] = deque(maxlen=_MOST_WAITING)
        self._unnamed: deque[str] = deque(maxlen=_MOST_WAITING)

    def serves(self, bundle: Bundle) -> None:
        """Say which bundle answers from now on; windows of the one before are still known for a while."""
        # Two at most: while a bundle is changed, calls under way are answered by the old one.
        self._served = dict([*self._served.items()][-1:])
        self._served[bundle.version] = _Served(drift_columns(bundle), float(bundle.config["window_s"]))
        self._model.clear()
        self._model.labels(bundle.version[:12], str(bundle.config["model"])).set(1)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request by the template of its route."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, size: int) -> None:
        """Count windows that are computed together."""
        if size:
            self._sizes.observe(size)

    def queue(self, length: int) -> None:
        """Say how many windows wait."""
        self._waiting_windows.set(length)

    def streams(self, delta: int) -> None:
        """Say that a stream began (1) or ended (-1)."""
        self._open_streams.inc(delta)

    def stream_ended(self, code: str) -> None:
        """Count a stream that ended, by its close code."""
        self._ended_streams.labels(code).inc()

    def answered(
        self,
        results: Sequence[Any],
        *,
        person: str | None = None,
        session: str | None = None,
        start_s: float | Sequence[float] | None = None,
        hop_s: float | None = None,
    ) -> None:
        """Count the windows of one call, and keep their features for drift.

        Parameters
        ----------
        results : sequence of Judged or dict of str to str
            An answer with its features, or what is wrong with a window.
        person : str, optional
            Whose they all are.
        session : str, optional
            The stream that they are of. Where nobody is named, all windows of a stream are those of one person.
        start_s : float or sequence of float, optional
            When each began, of a stream, whose windows overlap: of a person only those count that do not. Windows of
            other calls are taken as they are sent.
        hop_s : float, optional
            Time from one window of the stream to the next.
        """
        starts = [None] * len(results) if start_s is None else np.atleast_1d(start_s).tolist()
        # No identifier of a person has a blank in it.
        name = person or (session and f"stream {session}")
        for result, start in zip(results, starts, strict=True):
            answer = getattr(result, "answer", result)
            if isinstance(answer, Mapping):
                self._outcomes.labels("unusable").inc()
                continue
            self._count(answer)
            self._keep(answer.model_version, getattr(result, "features", None), name, start, hop_s)

    def _count(self, answer: Answer) -> None:
        if answer.status == "rejected":
            self._outcomes.labels("rejected").inc()
            for reason in answer.reasons:
                channel, _, rule = reason.partition(": ")
                self._rejections.labels(channel, rule).inc()
        elif answer.abstained:
            self._outcomes.labels("abstained").inc()
        else:
            self._outcomes.labels("answered").inc()
            self._states.labels(answer.state).inc()

    def _keep(
        self, version: str, features: np.ndarray | None, name: str | None, start_s: float | None, hop_s: float | None
    ) -> None:
        served = self._served.get(version)
        if features is None or served is None or not served.columns:
            return
        if start_s is not None and hop_s:
            # By the place in the stream alone, so that any replica that goes on with the stream counts alike.
            apart = math.ceil(served.window_s / hop_s - 1e-6)
            if round(start_s / hop_s) % apart:
                return
        if name is None:
            self._unnamed.append(version)
        else:
            self._waiting.append(_Waiting(version, name, np.asarray(features, np.float32)[served.columns]))

    def exposition(self) -> str:
        """All counts in Prometheus' text format."""
        return generate_latest(self._registry).decode()

    async def push(self, store: "AsyncStore") -> None:
        """Tell the store what was counted, and hand over the features that wait.

        Raises
        ------
        HTTPException
            503 where the store cannot be reached; what could not be handed over is lost to drift.
        """
        for version, people, features, unnamed in self._take():
            await store.feed(version, people, features, unnamed)
        await store.report_metrics(self.replica, self.exposition())

    def _take(self) -> Iterator[tuple[str, list[str], np.ndarray, int]]:
        # As many as there are now: threads go on adding.
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        unnamed = [self._unnamed.popleft() for _ in range(len(self._unnamed))]
        versions = sorted({*unnamed, *(window.model_version for window in waiting)})
        for version in versions:
            mine = [window for window in waiting if window.model_version == version]
            features = np.stack([window.features for window in mine]) if mine else np.empty((0, 0), np.float32)
            yield version, [window.person for window in mine], features, unnamed.count(version)

    async def run(self, service: "Service") -> None:
        """Push every second, until cancelled; take note when the service answers by another bundle."""
        while True:
            if service.bundle.version not in self._served:
                self.serves(service.bundle)
            # A store that starts anew is met again a second later.
            with suppress(HTTPException):
                await self.push(service.store)
            await asyncio.sleep(PUSH_S)


def drift_columns(bundle: Bundle) -> list[int]:
    """Where the features that drift is judged on are among `bundle.feature_names`; none where it cannot be judged."""
    threshold = bundle.config.get("drift_threshold")
    names = list(bundle.feature_names)
    wanted = list(threshold["features"]) if threshold else []
    return [names.index(name) for name in wanted] if set(wanted) <= set(names) else []
