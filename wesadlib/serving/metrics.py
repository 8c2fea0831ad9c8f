"""What the replicas of one machine count, in Prometheus' form: `GET /metrics`.

No label holds a path, a person or a session. Where ``PROMETHEUS_MULTIPROC_DIR`` is set, replicas count in files of that
folder, and any of them answers for all; without it a process answers for itself.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.bundle import Answer, Bundle, Result
from wesadlib.serving.schemas import DriftReport

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
#: Close codes that are told apart: whoever connects may send any number.
_CODES = (1000, 1001, 1005, 1006, 1008, 1009, 1011, 1012, 1013)
#: What nginx, HAProxy and Serve count for a caller who hung up.
_HUNG_UP = 499
_MODEL = ("model_name", "model_version")
_DRIFT = {
    "people": "People with enough windows for drift to be judged on.",
    "windows": "Windows of these people.",
    "windows_without_person": "Windows that came with no person.",
    "statistic": "Largest Kolmogorov-Smirnov distance to the reference.",
    "threshold": "What the statistic is held against.",
    "alarm": "1 where the statistic is above its threshold.",
}


class Metrics:
    """What a replica counts; the name and the version of its model label what comes of windows."""

    def __init__(self, bundle: Bundle):
        self._registry = registry = CollectorRegistry()
        self._model = model = (str(bundle.config["model"]), bundle.version[:12])

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"wesad_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, mode: str = "livesum") -> Gauge:
            return Gauge(f"wesad_{name}", text, _MODEL, registry=registry, multiprocess_mode=mode).labels(*model)

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"wesad_{name}", text, labels, buckets=buckets, registry=registry)

        self.requests = counter("requests", "Requests; 499: the caller hung up.", "route", "status")
        self.request_seconds = histogram("request_seconds", "From request to answer.", _SECONDS, "route")
        sizes = histogram("batch_windows", "Windows that were computed together.", _SIZES, *_MODEL)
        self.batch_windows = sizes.labels(*model)
        self._outcomes = counter(
            "windows", "Windows: answered, abstained from, rejected for their quality, unusable.", *_MODEL, "outcome"
        )
        self._states = counter("states", "Answers by state, without those abstained from.", *_MODEL, "state")
        self._rejections = counter("rejections", "Reasons of rejected windows.", *_MODEL, "channel", "rule")
        self.ended_streams = counter("streams_ended", "Streams by close code.", "code")
        self.open_streams = gauge("streams_open", "Streams that are open.")
        self.queue_windows = gauge("queue_windows", "Windows that wait to be computed.")
        gauge("model_info", "The model that answers, by process.", "liveall").set(1)

    def count_results(self, results: Sequence[Result]) -> None:
        """Count windows by what came of them."""
        for answer in (result.answer for result in results):
            outcome = "unusable"
            if isinstance(answer, Answer):
                outcome = "rejected" if answer.status == "rejected" else "abstained" if answer.abstained else "answered"
            self._outcomes.labels(*self._model, outcome).inc()
            if outcome == "answered":
                self._states.labels(*self._model, answer.state).inc()
            elif outcome == "rejected":
                for reason in answer.reasons:
                    channel, _, rule = reason.partition(": ")
                    self._rejections.labels(*self._model, channel, rule).inc()

    def expose(self, drift: DriftReport | None = None) -> bytes:
        """All counts, of all replicas that count in the same folder, in Prometheus' text format."""
        registry, families = self._registry, []
        if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            _forget_dead(Path(folder))
            MultiProcessCollector(registry := CollectorRegistry(), folder)
        for name, text in _DRIFT.items():
            # Neither a statistic nor an alarm where drift cannot be judged.
            if (value := getattr(drift, name, None)) is not None:
                families.append(GaugeMetricFamily(f"wesad_drift_{name}", text, labels=_MODEL))
                families[-1].add_metric(self._model, float(value))
        return generate_latest(registry) + generate_latest(SimpleNamespace(collect=lambda: families))


def _forget_dead(folder: Path) -> None:
    """Remove the gauges of processes that count in a folder and do not run any more; their counts stay."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("*.db")}:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, str(folder))


class MetricsMiddleware:
    """Count requests and time them, by the template of their route, never by their path, in which people have names."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        start = time.perf_counter()
        # Where nothing is answered the app failed. Of a stream what ended it counts.
        status = None

        def note(message: Message) -> Message:
            nonlocal status
            if status is None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                elif message["type"] == "http.disconnect":
                    status = _HUNG_UP
                elif message["type"] in ("websocket.close", "websocket.disconnect"):
                    status = message.get("code", 1000)
            return message

        async def noted_receive() -> Message:
            return note(await receive())

        async def noted_send(message: Message) -> None:
            await send(note(message))

        try:
            await self._app(scope, noted_receive, noted_send)
        except asyncio.CancelledError:
            status = status or _HUNG_UP
            raise
        finally:
            if scope["type"] == "websocket":
                self._metrics.ended_streams.labels(str(status) if status in _CODES else "other").inc()
            else:
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.requests.labels(route, str(status or 500)).inc()
                self._metrics.request_seconds.labels(route).observe(time.perf_counter() - start)
