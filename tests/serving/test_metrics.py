"""What is counted, how replicas' counts are joined, and that nobody is named in a label."""

import asyncio
import os
import subprocess
import sys
from unittest.mock import AsyncMock

import numpy as np
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from services import make_service
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket
from stubs import StubBundle, features, result

from wesadlib.bundle import Result
from wesadlib.serving.app import make_app
from wesadlib.serving.metrics import Metrics

MODEL = {"model_name": "toy", "model_version": "a" * 12}
REASONS = ["wrist_eda: flat line", "wrist_bvp: missing samples"]


def samples(text, name):
    """(labels, value) of all samples of a name."""
    text = text.decode() if isinstance(text, bytes) else text
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return [(sample.labels, sample.value) for sample in found if sample.name == name]


def value(text, name, **labels):
    (found,) = [value for found, value in samples(text, name) if found == labels]
    return found


@pytest.fixture
def metrics():
    return Metrics(StubBundle())


def test_windows_are_counted_by_what_came_of_them(metrics):
    metrics.count_results([result(), result(state="stress"), result(state="stress"), result(abstained=True)])
    metrics.count_results([result("rejected", reasons=REASONS), Result({"wrist_eda": "missing channel"})])
    text = metrics.expose()
    outcomes = {"answered": 3, "abstained": 1, "rejected": 1, "unusable": 1}
    for outcome, count in outcomes.items():
        assert value(text, "wesad_windows_total", outcome=outcome, **MODEL) == count
    assert value(text, "wesad_states_total", state="stress", **MODEL) == 2
    assert sum(count for _, count in samples(text, "wesad_states_total")) == 3
    assert value(text, "wesad_rejections_total", channel="wrist_eda", rule="flat line", **MODEL) == 1
    assert value(text, "wesad_rejections_total", channel="wrist_bvp", rule="missing samples", **MODEL) == 1


def test_batches_queue_and_streams_are_told(metrics):
    for size in (1, 1, 64):
        metrics.batch_windows.observe(size)
    for waiting in (3, 7, 0):
        metrics.queue_windows.set(waiting)
    with metrics.open_streams.track_inprogress():
        text = metrics.expose()
    assert value(text, "wesad_batch_windows_bucket", le="1.0", **MODEL) == 2
    assert value(text, "wesad_batch_windows_sum", **MODEL) == 66
    assert value(text, "wesad_queue_windows", **MODEL) == 0
    assert value(text, "wesad_streams_open", **MODEL) == 1
    assert value(text, "wesad_model_info", **MODEL) == 1


REPLICA = """
import sys
from stubs import StubBundle, result
from wesadlib.serving.metrics import Metrics
metrics = Metrics(StubBundle())
for _ in range(int(sys.argv[1])):
    metrics.count_results([result()])
    metrics.request_seconds.labels("/predict").observe(0.004)
metrics.queue_windows.set(int(sys.argv[1]))
print(metrics.expose().decode() if sys.argv[2:] else "counted", flush=True)
sys.stdin.read()
"""


def replica(folder, times, *expose):
    return subprocess.Popen(
        [sys.executable, "-c", REPLICA, str(times), *expose],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_any_replica_answers_for_all_counts_of_the_dead_stay_and_their_gauges_go(tmp_path):
    dead = replica(tmp_path, 3)
    dead.stdout.readline()
    dead.kill()
    dead.communicate()
    with replica(tmp_path, 1) as other:
        other.stdout.readline()
        with replica(tmp_path, 2, "expose") as asked:
            text = asked.communicate()[0]
        pid = str(other.pid)
        other.communicate()
    assert value(text, "wesad_windows_total", outcome="answered", **MODEL) == 6
    assert value(text, "wesad_request_seconds_count", route="/predict") == 6
    assert value(text, "wesad_queue_windows", **MODEL) == 3
    living = {labels["pid"] for labels, _ in samples(text, "wesad_model_info")}
    assert len(living) == 2 and pid in living and str(dead.pid) not in living
    assert not list(tmp_path.glob(f"gauge_live*_{dead.pid}.db"))


@pytest.fixture
def service():
    return make_service(StubBundle())


@pytest.fixture
def app(service):
    """The app, and routes that fail, wait for a body, or hold a conversation."""
    app = make_app(service)

    @app.get("/of/{person}")
    def of(person: str):
        if person == "nobody":
            raise HTTPException(404)
        if person == "broken":
            raise RuntimeError

    @app.post("/body")
    async def body(request: Request):
        await request.body()

    @app.websocket("/talk")
    async def talk(websocket: WebSocket):
        await websocket.accept()
        await websocket.close(int(await websocket.receive_text()))

    return app


@pytest.fixture
def client(app):
    return TestClient(app, raise_server_exceptions=False)


def test_requests_are_counted_by_route_and_status(client):
    for path in ("ann-17", "ben-18", "nobody", "broken"):
        client.get(f"/of/{path}?person=eve-19")
    client.get("/no/such/ann-17")
    client.get("/health", headers={"host": "evil.example"})
    text = client.get("/metrics").text
    counts = {(labels["route"], labels["status"]): count for labels, count in samples(text, "wesad_requests_total")}
    route = "/of/{person}"
    others = {("other", "404"): 1, ("other", "403"): 1}
    assert counts == {(route, "200"): 2, (route, "404"): 1, (route, "500"): 1} | others
    assert value(text, "wesad_request_seconds_count", route=route) == 4
    for secret in ("ann-17", "ben-18", "eve-19"):
        assert secret not in text


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["disconnects", "cancelled"])
async def test_callers_who_hang_up_are_told_from_failures(app, service, how):
    scope = {"type": "http", "method": "POST", "path": "/body", "headers": [], "query_string": b"", "root_path": ""}

    async def receive():
        if how == "disconnects":
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()

    task = asyncio.create_task(app(scope, receive, AsyncMock()))
    if how == "cancelled":
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert value(service.metrics.expose(), "wesad_requests_total", route="/body", status="499") == 1


def test_streams_are_counted_by_close_codes_that_are_few(client):
    for code in (1000, 1008, 4001, 4002):
        with client.websocket_connect("/talk") as stream:
            stream.send_text(str(code))
            stream.receive()
    found = samples(client.get("/metrics").text, "wesad_streams_ended_total")
    assert {labels["code"]: count for labels, count in found} == {"1000": 1, "1008": 1, "other": 2}


def test_metrics_are_in_prometheus_text_format_with_short_labels(client, service):
    service.metrics.count_results([result()] * 3)
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    labels = [labels for family in text_string_to_metric_families(answer.text) for _, labels, *_ in family.samples]
    assert max(len(value) for found in labels for value in found.values()) < 32


@pytest.mark.parametrize("alarm", [False, True])
def test_drift_is_reported_by_both_routes_once_it_can_be_judged(client, service, alarm):
    for person in ("ann-17", "ben-18") if alarm else ():
        values = features(1, 12, seed=1, shift=50)[0]
        service.drift.add([result(row=np.append(0, row)) for row in values], person=person)
    report, text = client.get("/drift").json(), client.get("/metrics").text
    assert (report["people"], report["alarm"]) == ((2, True) if alarm else (0, None))
    assert value(text, "wesad_drift_people", **MODEL) == report["people"]
    assert [count for _, count in samples(text, "wesad_drift_alarm")] == ([1] if alarm else [])
    assert "ann-17" not in text


def test_counts_are_told_where_the_store_of_drift_is_away(client, service, monkeypatch):
    async def away(*arguments):
        raise HTTPException(503)

    monkeypatch.setattr(service.drift, "_call", away)
    assert client.get("/drift").status_code == 503
    assert "wesad_drift" not in (text := client.get("/metrics").text) and "wesad_requests" in text
