"""`GET /metrics`: what the replicas of one machine count, in Prometheus' form.

No label holds a path, a person or a session. Where ``PROMETHEUS_MULTIPROC_DIR`` is set, replicas count in files of that
folder, and any of them answers for all; without it a process answers for itself.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.serving.drift_store import Drift
from wesadlib.serving.schemas import DriftReport

if TYPE_CHECKING:
    from wesadlib.bundle import Bundle

__all__ = ["Metrics", "MetricsMiddleware", "metrics_router"]

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
#: Seconds for which drift is not computed again, however often the metrics are asked for.
_DRIFT_AGE_S = 60.0
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

    def __init__(self, bundle: "Bundle"):
        self._registry = registry = CollectorRegistry()
        self._model = (str(bundle.config["model"]), bundle.version[:12])

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"wesad_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, mode: str = "livesum") -> Gauge:
            return Gauge(f"wesad_{name}", text, _MODEL, registry=registry, multiprocess_mode=mode).labels(*self._model)

        self._requests = counter("requests", "Requests; 499: the caller hung up.", "route", "status")
        self._seconds = Histogram(
            "wesad_request_seconds", "From request to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._sizes = Histogram(
            "wesad_batch_windows", "Windows that were computed together.", _MODEL, buckets=_SIZES, registry=registry
        ).labels(*self._model)
        self._outcomes = counter(
            "windows", "Windows: answered, abstained from, rejected for their quality, unusable.", *_MODEL, "outcome"
        )
        self._states = counter("states", "Answers by state, without those abstained from.", *_MODEL, "state")
        self._rejections = counter("rejections", "Reasons of rejected windows.", *_MODEL, "channel", "rule")
        self._ended_streams = counter("streams_ended", "Streams by close code.", "code")
        self._open_streams = gauge("streams_open", "Streams that are open.")
        self._waiting = gauge("queue_windows", "Windows that wait to be computed.")
        gauge("model_info", "The model that answers.", "livemax").set(1)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request by the template of its route."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, windows: int) -> None:
        """Count windows that are computed together."""
        if windows:
            self._sizes.observe(windows)

    def queue(self, windows: int) -> None:
        """Set how many windows wait."""
        self._waiting.set(windows)

    def streams(self, change: int) -> None:
        """Count a stream that began (1) or ended (-1)."""
        self._open_streams.inc(change)

    def stream_ended(self, code: str) -> None:
        """Count a stream by its close code."""
        self._ended_streams.labels(code).inc()

    def answered(self, results: Sequence[Any]) -> None:
        """Count windows by what came of them: an answer, or problems by channel, or either as `answer` of a result."""
        for result in results:
            answer = getattr(result, "answer", result)
            outcome = "unusable"
            if not isinstance(answer, Mapping):
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
        pids, registry = [os.getpid()], self._registry
        if folder := os.environ.get(_FOLDER):
            pids, registry = _live_replicas(Path(folder)), CollectorRegistry()
            MultiProcessCollector(registry, folder)
        others = CollectorRegistry()
        others.register(_Families([*_process_families(pids), *(_drift_families(drift, self._model) if drift else ())]))
        return generate_latest(registry) + generate_latest(others)


def _live_replicas(folder: Path) -> list[int]:
    """Processes that count in a folder and run; gauges of those that do not are removed, their counts stay."""
    pids = {int(path.stem.rpartition("_")[2]) for path in folder.glob("*.db")}
    for pid in pids:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, str(folder))
    return sorted(pid for pid in pids if psutil.pid_exists(pid))


def _process_families(pids: Iterable[int]) -> list[Metric]:
    resident = GaugeMetricFamily("process_resident_memory_bytes", "Resident memory.", labels=["pid"])
    cpu = CounterMetricFamily("process_cpu_seconds", "Processor time.", labels=["pid"])
    files = GaugeMetricFamily("process_open_fds", "Open files.", labels=["pid"])
    start = GaugeMetricFamily("process_start_time_seconds", "When it started, in Unix seconds.", labels=["pid"])
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            resident.add_metric([str(pid)], process.memory_info().rss)
            cpu.add_metric([str(pid)], sum(process.cpu_times()[:2]))
            files.add_metric([str(pid)], process.num_fds())
            start.add_metric([str(pid)], process.create_time())
    return [resident, cpu, files, start]


def _drift_families(report: DriftReport, model: Sequence[str]) -> list[Metric]:
    families = []
    for name, text in _DRIFT.items():
        # Neither a statistic nor an alarm where drift cannot be judged.
        if (value := getattr(report, name)) is not None:
            families.append(GaugeMetricFamily(f"wesad_drift_{name}", text, labels=_MODEL))
            families[-1].add_metric(model, float(value))
    return families


class _Families(Collector):
    def __init__(self, families: Sequence[Metric]):
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def metrics_router(metrics: Metrics, drift: Drift) -> APIRouter:
    """The route, which tells of drift as well where that can be asked."""
    router = APIRouter()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def get_metrics() -> Response:
        """Counts of all replicas on this machine, for Prometheus; gauges of those that run."""
        report = None
        with suppress(HTTPException):
            report = await drift.report(_DRIFT_AGE_S)
        text = await asyncio.to_thread(metrics.expose, report)
        return Response(text, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    return router


class MetricsMiddleware:
    """Count requests and time them, by the template of their route, never by their path, in which people have names."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        # Where nothing is answered the app failed. Of a stream what ended it counts.
        ends, status = ("websocket.close", "websocket.disconnect"), None

        def note(message: Message) -> None:
            nonlocal status
            if status is None and message["type"] == "http.response.start":
                status = message["status"]
            elif status is None and message["type"] == "http.disconnect":
                status = _HUNG_UP
            elif status is None and message["type"] in ends:
                status = message.get("code", 1000)

        async def noted_receive() -> Message:
            message = await receive()
            note(message)
            return message

        async def noted_send(message: Message) -> None:
            note(message)
            await send(message)

        try:
            await self._app(scope, noted_receive, noted_send)
        except asyncio.CancelledError:
            status = status or _HUNG_UP
            raise
        finally:
            if scope["type"] == "websocket":
                self._metrics.stream_ended(str(status) if status in _CODES else "other")
            else:
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.request(route, status or 500, time.perf_counter() - start)
