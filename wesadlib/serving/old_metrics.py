"""`GET /metrics`: what all replicas count, in Prometheus' text format; and how requests are counted."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.serving.drift import DriftJudge, DriftReport
from wesadlib.serving.memory import Snapshot
from wesadlib.serving.watch import Watch

if TYPE_CHECKING:
    from wesadlib.serving.service import Service

__all__ = ["Measure", "Watch", "merge", "metrics_router"]

#: Seconds for which drift is not computed again, however often the metrics are asked for.
DRIFT_AGE_S = 60.0
#: Close codes that are told apart: whoever connects may send any number.
_CODES = (1000, 1001, 1005, 1006, 1008, 1009, 1011, 1012, 1013)


def metrics_router(service: "Service", judge: DriftJudge) -> APIRouter:
    """Make the route.

    Parameters
    ----------
    service : Service
        What counts.
    judge : DriftJudge
        What says whether there is drift.
    """
    router = APIRouter()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counts of all replicas, for Prometheus.

        Each sample has the label `replica`, but for those of drift, which is judged over all of them. Of a replica that
        is gone the counters stay as they were, so that no sum falls; its gauges leave with it.
        """
        await service.watch.push(service.store)
        snapshots = await service.store.metrics()
        families = await service.in_thread(merge, snapshots)
        families += drift_families(await judge.report(DRIFT_AGE_S))
        return Response(expose(families), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    return router


def merge(snapshots: Iterable[Snapshot]) -> list[Metric]:
    """Join what replicas say of themselves, each sample labelled with its replica.

    Parameters
    ----------
    snapshots : iterable of Snapshot
        Of a replica that is gone only what is counted up is kept.

    Returns
    -------
    list of Metric
        Each family once.
    """
    families: dict[str, Metric] = {}
    for snapshot in snapshots:
        for family in text_string_to_metric_families(snapshot.text):
            # When each counter was made: Prometheus has no use for it in this format.
            if family.name.endswith("_created") or not (snapshot.alive or family.type in ("counter", "histogram")):
                continue
            joined = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                joined.add_sample(sample.name, {**sample.labels, "replica": snapshot.replica}, sample.value)
    return list(families.values())


def drift_families(report: DriftReport) -> list[Metric]:
    """What is known of drift; no statistic and no alarm where neither can be judged."""
    values = {
        "wesad_drift_people": ("People with enough windows for drift to be judged on.", report.people),
        "wesad_drift_windows": ("Windows of these people.", report.windows),
        "wesad_drift_windows_without_person": ("Windows that came with no person.", report.windows_without_person),
        "wesad_drift_statistic": ("Largest Kolmogorov-Smirnov distance to the reference.", report.statistic),
        "wesad_drift_threshold": ("What the statistic is held against.", report.threshold),
        "wesad_drift_alarm": ("1 where the statistic is above its threshold.", report.alarm),
    }
    return [GaugeMetricFamily(name, text, float(value)) for name, (text, value) in values.items() if value is not None]


class _Families(Collector):
    def __init__(self, families: Sequence[Metric]):
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def expose(families: Sequence[Metric]) -> bytes:
    """Write families in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


class Measure:
    """Count requests and time them: an ASGI middleware.

    Parameters
    ----------
    app : ASGI app
    watch : Watch
        Told of every request by the template of its route, never by its path, in which people have names.
    """

    def __init__(self, app: ASGIApp, watch: Watch):
        self._app = app
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._stream(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Where nothing is answered, the app failed or whoever asked was gone.
        status, start = 500, time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._watch.request(route, status, time.perf_counter() - start)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        code: int | None = None

        def ended(message: Message) -> None:
            nonlocal code
            if code is None and message["type"] in ("websocket.close", "websocket.disconnect"):
                code = message.get("code", 1000)

        async def note_sent(message: Message) -> None:
            ended(message)
            await send(message)

        async def note_received() -> Message:
            message = await receive()
            ended(message)
            return message

        try:
            await self._app(scope, note_received, note_sent)
        finally:
            self._watch.stream_ended(str(code) if code in _CODES else "other")
