"""What is counted, how replicas' counts are joined, and that nobody is named in a label."""

import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket
from stubs import NAMES, StubBundle, StubService

from wesadlib.bundle import Answer
from wesadlib.serving.drift import DriftJudge, drift_router
from wesadlib.serving.memory import Snapshot
from wesadlib.serving.old_metrics import Measure, expose, merge, metrics_router
from wesadlib.serving.store import LocalStore
from wesadlib.serving.watch import Watch

VERSION = "a" * 64
REASONS = ["wrist_eda: flat line", "wrist_bvp: missing samples"]


def judged(status="ok", state="baseline", abstained=False, reasons=(), version=VERSION, value=0.0):
    """What a bundle says of one window, and its features."""
    ok = status == "ok"
    answer = Answer(
        status=status,
        state=state if ok else None,
        probabilities={state: 0.9} if ok else None,
        confidence=0.9 if ok else None,
        abstained=abstained,
        quality={},
        reasons=list(reasons),
        protocol="cold_start",
        model_version=version,
    )
    return SimpleNamespace(answer=answer, features=np.arange(5.0) + value if ok else None)


def samples(text, name):
    """(labels, value) of all samples of a name."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return [(sample.labels, sample.value) for sample in found if sample.name == name]


def value(text, name, **labels):
    (found,) = [value for found, value in samples(text, name) if found == labels]
    return found


@pytest.fixture
def watch():
    watch = Watch("r1")
    watch.serves(StubBundle())
    return watch


def push(watch):
    """What comes to the store: people, their features, and how many windows were of nobody."""

    async def use():
        store = LocalStore()
        await watch.push(store)
        return await store.drift_rows(VERSION)

    return asyncio.run(use())


def test_windows_are_counted_by_what_was_said_of_them(watch):
    watch.answered([judged(), judged(state="stress"), judged(state="stress"), judged(abstained=True)])
    watch.answered([judged("rejected", reasons=REASONS), {"wrist_eda": "missing channel"}], person="ann")
    text = watch.exposition()
    outcomes = {labels["outcome"]: count for labels, count in samples(text, "wesad_windows_total")}
    assert outcomes == {"answered": 3, "abstained": 1, "rejected": 1, "unusable": 1}
    states = {labels["state"]: count for labels, count in samples(text, "wesad_states_total")}
    assert states == {"baseline": 1, "stress": 2}
    assert value(text, "wesad_rejections_total", channel="wrist_eda", rule="flat line") == 1
    assert value(text, "wesad_rejections_total", channel="wrist_bvp", rule="missing samples") == 1


def test_batches_queue_streams_and_the_model_are_told(watch):
    for size in (1, 1, 64, 0):
        watch.batch(size)
    watch.queue(7)
    watch.streams(1)
    watch.streams(1)
    watch.streams(-1)
    text = watch.exposition()
    assert value(text, "wesad_batch_windows_bucket", le="1.0") == 2
    assert (value(text, "wesad_batch_windows_sum"), value(text, "wesad_batch_windows_count")) == (66, 3)
    assert value(text, "wesad_queue_windows") == 7
    assert value(text, "wesad_streams_open") == 1
    assert value(text, "process_resident_memory_bytes") > 1e7
    assert 0 < time.time() - value(text, "process_start_time_seconds") < 1e6
    watch.serves(StubBundle(version="b" * 64))
    assert samples(watch.exposition(), "wesad_model_info") == [({"version": "b" * 12, "model": "toy"}, 1)]


def test_features_of_drift_come_to_the_store_by_person(watch):
    assert StubBundle.feature_names[1:] == tuple(NAMES)
    watch.answered([judged(value=1), judged("rejected"), judged(value=2)], person="ann")
    watch.answered([judged(value=3)], session="s")
    watch.answered([judged()] * 5)
    rows = push(watch)
    assert rows.people == ["ann", "ann", "stream s"]
    np.testing.assert_array_equal(rows.features, np.arange(1.0, 5.0) + np.array([[1], [2], [3]]))
    assert rows.unnamed == 5
    assert push(watch).people == [] and push(watch).unnamed == 0


@pytest.mark.parametrize(
    ("hop_s", "kept"), [(5.0, [0, 60, 120]), (7.0, [0, 63, 126]), (60.0, [0, 60, 120]), (90.0, [0, 90])]
)
def test_of_a_stream_only_windows_that_do_not_overlap_are_kept(watch, hop_s, kept):
    starts = np.arange(0, 130, hop_s)
    for start in starts[::2]:
        both = starts[(starts >= start) & (starts < start + 2 * hop_s)]
        watch.answered([judged(value=k) for k in both], person="ann", session="s", start_s=both.tolist(), hop_s=hop_s)
    assert push(watch).features[:, 0].tolist() == [1 + start for start in kept]


def test_a_thousand_windows_of_one_stream_are_one_person():
    async def use():
        service = StubService()
        service.watch.serves(service.bundle)
        for k in range(1000):
            shifted = SimpleNamespace(answer=judged().answer, features=np.arange(5.0) + 50)
            service.watch.answered([shifted], session="s", start_s=[60.0 * k], hop_s=60.0)
        await service.watch.push(service.store)
        return await DriftJudge(service).report()

    report = asyncio.run(use())
    assert (report.people, report.streams, report.people_needed, report.alarm) == (1, 1, 2, None)
    # As many as are kept of one person.
    assert report.windows == 200


def test_features_of_a_model_that_is_not_served_are_not_kept(watch):
    watch.answered([judged(version="c" * 64)], person="ann")
    assert push(watch).people == []
    watch.serves(StubBundle(version="b" * 64))
    watch.answered([judged(version=VERSION)], person="ann")
    assert push(watch).people == ["ann"]


def test_features_wait_for_the_store_within_bounds(watch):
    watch.answered([judged()] * 12_000, person="ann")
    assert len(watch._waiting) == 10_000


def test_a_window_costs_little(watch):
    # Counted in calls of Python, which no load on the machine changes.
    import sys

    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    batch = [judged() for _ in range(64)]
    sys.setprofile(count)
    watch.answered(batch, person="ann", session="s", start_s=60.0 * np.arange(64), hop_s=60.0)
    sys.setprofile(None)
    assert calls / 64 < 40


def test_counts_of_replicas_are_joined_and_sum_up():
    watches = [Watch("r1"), Watch("r2")]
    for times, watch in enumerate(watches, 1):
        watch.serves(StubBundle())
        for _ in range(times):
            watch.answered([judged()])
            watch.request("/predict", 200, 0.004)
        watch.queue(times)
    text = expose(merge([Snapshot(watch.replica, watch.exposition(), True) for watch in watches])).decode()
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    everything = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert {sample.labels["replica"] for sample in everything} == {"r1", "r2"}
    keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in everything]
    assert len(keys) == len(set(keys))
    assert sum(count for _, count in samples(text, "wesad_windows_total")) == 3
    assert sum(count for _, count in samples(text, "wesad_request_seconds_count")) == 3
    assert value(text, "wesad_queue_windows", replica="r2") == 2
    # Buckets in their order, the sum of all last.
    bounds = [float(labels["le"]) for labels, _ in samples(text, "wesad_request_seconds_bucket")]
    assert bounds[: len(bounds) // 2] == sorted(bounds[: len(bounds) // 2]) and bounds[-1] == np.inf


def test_of_a_replica_that_is_gone_the_counters_stay_and_the_gauges_leave():
    watch = Watch("r1")
    watch.answered([judged()])
    watch.queue(3)
    watch.streams(1)
    text = expose(merge([Snapshot("r1", watch.exposition(), False)])).decode()
    assert value(text, "wesad_windows_total", outcome="answered", replica="r1") == 1
    assert samples(text, "wesad_batch_windows_count") == [({"replica": "r1"}, 0)]
    for gauge in ("wesad_queue_windows", "wesad_streams_open", "process_resident_memory_bytes", "wesad_model_info"):
        assert samples(text, gauge) == []


@pytest.fixture
def app():
    """An app over a service that is none, with routes that answer, fail, or hold a conversation."""
    service = StubService()
    service.watch.serves(service.bundle)
    app, judge = FastAPI(), DriftJudge(service)
    app.include_router(drift_router(service, judge))
    app.include_router(metrics_router(service, judge))

    @app.get("/people/{person}/rest")
    def rest(person: str):
        if person == "nobody":
            raise HTTPException(404)
        if person == "broken":
            raise RuntimeError

    @app.websocket("/stream")
    async def stream(websocket: WebSocket):
        await websocket.accept()
        await websocket.close(int(await websocket.receive_text()))

    app.add_middleware(Measure, watch=service.watch)
    app.state.service = service
    return app


@pytest.fixture
def client(app):
    return TestClient(app, raise_server_exceptions=False)


def test_requests_are_counted_by_route_and_status(client):
    for path in ("ann-17", "ben-18", "nobody", "broken"):
        client.get(f"/people/{path}/rest?person=eve-19")
    client.get("/no/such/ann-17")
    text = client.get("/metrics").text
    counts = {(labels["route"], labels["status"]): count for labels, count in samples(text, "wesad_requests_total")}
    route = "/people/{person}/rest"
    assert counts == {(route, "200"): 2, (route, "404"): 1, (route, "500"): 1, ("other", "404"): 1}
    assert [count for labels, count in samples(text, "wesad_request_seconds_count") if labels["route"] == route] == [4]
    for secret in ("ann-17", "ben-18", "eve-19"):
        assert secret not in text


def test_streams_are_counted_by_close_codes_that_are_few(client):
    for code in (1000, 1008, 4001, 4002):
        with client.websocket_connect("/stream") as stream:
            stream.send_text(str(code))
            stream.receive()
    codes = {
        labels["code"]: count for labels, count in samples(client.get("/metrics").text, "wesad_streams_ended_total")
    }
    assert codes == {"1000": 1, "1008": 1, "other": 2}


def test_metrics_are_in_prometheus_text_format_and_name_nobody(client, app):
    app.state.service.watch.answered([judged()] * 3, person="ann-17", session="secret")
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "ann-17" not in answer.text and "secret" not in answer.text
    # No bundle's digest whole, no session: a label's values are short and few.
    labels = [labels for family in text_string_to_metric_families(answer.text) for _, labels, *_ in family.samples]
    assert max(len(value) for found in labels for value in found.values()) < 32


def test_drift_is_in_the_metrics_once_it_can_be_judged(client, app):
    before = client.get("/metrics").text
    assert (value(before, "wesad_drift_people"), samples(before, "wesad_drift_alarm")) == (0, [])


def test_a_drift_alarm_is_reported_by_both_routes(client, app):
    rng = np.random.default_rng(0)
    for person in ("ann-17", "ben-18"):
        far = [SimpleNamespace(answer=judged().answer, features=row) for row in rng.normal(50, 1, (12, 5))]
        app.state.service.watch.answered(far, person=person)
    report = client.get("/drift").json()
    assert (report["people"], report["windows"], report["alarm"]) == (2, 24, True)
    assert report["statistic"] == pytest.approx(1.0) and len(report["table"]) == 4
    text = client.get("/metrics").text
    assert value(text, "wesad_drift_alarm") == 1
    assert value(text, "wesad_drift_statistic") == pytest.approx(1.0)
    assert value(text, "wesad_drift_people") == 2


def test_the_background_task_takes_note_of_another_bundle_and_survives_a_store_that_is_away(monkeypatch):
    monkeypatch.setattr("wesadlib.serving.watch.PUSH_S", 0.01)

    async def use():
        service = StubService()
        task = asyncio.create_task(service.watch.run(service))
        report = service.store.report_metrics
        told = asyncio.Event()

        async def away(*arguments):
            told.set()
            raise HTTPException(503)

        service.store.report_metrics = away
        await asyncio.wait_for(told.wait(), 5)
        service.store.report_metrics = report
        service.bundle = StubBundle(version="b" * 64)
        async with asyncio.timeout(5):
            while not (await service.store.metrics() and "b" * 12 in (await service.store.metrics())[0].text):
                await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()

    asyncio.run(use())
