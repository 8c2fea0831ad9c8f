"""The HTTP interface, without Ray: every answer and every refusal."""

import asyncio
import json
import re
from dataclasses import replace

import minutes
import pytest
from fastapi.testclient import TestClient
from services import make_service

from wesadlib.serving.app import make_app
from wesadlib.serving.wire import CONTENT_TYPES
from wesadlib.signals import make_windows


@pytest.fixture
def body():
    return minutes.request_body(minutes.wrist_signals())


def problem_of(response, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    for secret in ("Traceback", "/work", "site-packages", "wesadlib", ".py"):
        assert secret not in response.text
    return problem


def named(response):
    return {item["name"]: item["detail"] for item in problem_of(response, 422)["errors"]}


def test_a_window_gets_the_bundles_answer(client, bundle, body):
    response = client.post("/predict", json=body)
    assert response.status_code == 200
    expected = bundle.predict_window(minutes.wrist_signals(), minutes.RATES_HZ)
    assert response.json() == json.loads(expected.model_dump_json())
    assert response.json()["status"] == "ok"


def test_a_posted_minute_gets_what_the_book_gets_for_the_same_minute(client, bundle):
    recording = minutes.wrist_recording(3)
    windows = make_windows(minutes.ToyCohort([recording]), device="wrist")
    book = bundle.predict(windows)
    for answer, start in zip(book, windows["start_s"].values, strict=True):
        channels = minutes.cut(recording, start)
        served = client.post("/predict", json=minutes.request_body(channels)).json()
        assert served["probabilities"] == pytest.approx(answer.probabilities, abs=1e-6)


def test_a_refused_window_is_an_answer(client, body):
    body["channels"]["wrist_eda"]["samples"] = [0.0] * 240
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200
    answer = answer.json()
    assert (answer["status"], answer["state"], answer["probabilities"]) == ("rejected", None, None)
    assert any(reason.startswith("wrist_eda: ") for reason in answer["reasons"])


def test_a_missing_channel_is_named_and_nothing_stands_in_for_it(client, body):
    del body["channels"]["wrist_eda"], body["channels"]["wrist_temp"]
    assert named(client.post("/predict", json=body)) == {
        "wrist_eda": "missing channel",
        "wrist_temp": "missing channel",
    }


def test_a_wrong_length_is_named(client, body):
    body["channels"]["wrist_bvp"]["samples"].pop()
    assert named(client.post("/predict", json=body)) == {"wrist_bvp": "60 s at 64 Hz are 3840 samples, not 3839"}


def test_an_unknown_channel_is_named(client, body):
    body["channels"]["wrist_hum"] = {"rate_hz": 1, "samples": [0.0] * 60}
    assert "unknown channel" in named(client.post("/predict", json=body))["wrist_hum"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1e300", "null", '"1.0"', "true", "[1]"])
def test_what_is_no_number_is_named_with_its_place(client, body, number):
    text = json.dumps(body).replace(str(body["channels"]["wrist_eda"]["samples"][7]), number, 1)
    response = client.post("/predict", content=text, headers={"content-type": "application/json"})
    assert list(named(response)) == ["channels.wrist_eda.samples.7"]


@pytest.mark.parametrize("rate", [0, -4, 1e9, "4", None, True])
def test_an_impossible_rate_is_named(client, body, rate):
    body["channels"]["wrist_eda"]["rate_hz"] = rate
    assert list(named(client.post("/predict", json=body))) == ["channels.wrist_eda.rate_hz"]


def test_a_rate_that_does_not_fit_the_length_is_named(client, body):
    body["channels"]["wrist_eda"]["rate_hz"] = 8
    assert named(client.post("/predict", json=body)) == {"wrist_eda": "60 s at 8 Hz are 480 samples, not 240"}


def test_another_rate_is_harmonised(client, body):
    body["channels"]["wrist_acc_x"] = {"rate_hz": 16, "samples": body["channels"]["wrist_acc_x"]["samples"][::2]}
    assert client.post("/predict", json=body).json()["status"] == "ok"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({}, "channels"),
        ({"channels": []}, "channels"),
        ({"channels": {"wrist_eda": [1.0]}}, "channels.wrist_eda"),
        ({"channels": {"wrist_eda": {"samples": [1.0]}}}, "channels.wrist_eda.rate_hz"),
        ({"channels": {"wrist_eda": {"rate_hz": 4, "samples": []}}}, "channels.wrist_eda.samples"),
        ({"channels": {}, "person": "S2"}, "person"),
        ([], "body"),
    ],
)
def test_another_form_is_refused_with_the_name_of_the_field(client, sent, name):
    assert name in named(client.post("/predict", json=sent))


def test_what_is_no_json_is_refused(client):
    headers = {"content-type": "application/json"}
    assert problem_of(client.post("/predict", content=b'{"channels": {', headers=headers), 422)["errors"]
    assert "JSON" in problem_of(client.post("/predict", content=b"\x93NUMPY"), 415)["detail"]


def test_a_body_beyond_the_limit_is_refused_before_it_is_read_whole(bundle):
    received, sent = [], []

    async def receive():
        received.append(2**20)
        return {"type": "http.request", "body": b" " * 2**20, "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "query_string": b""}
    asyncio.run(make_app(make_service(bundle))(scope, receive, send))
    assert sent[0]["status"] == 413
    assert "16 MiB" in json.loads(sent[1]["body"])["detail"]
    assert sum(received) == 17 * 2**20


def test_other_paths_and_methods_are_problems_too(client):
    problem_of(client.get("/nothing"), 404)
    assert problem_of(client.get("/predict"), 405)
    assert client.get("/predict").headers["allow"] == "POST"


def test_a_failure_inside_tells_nothing_of_the_inside(bundle, body):
    class Broken(type(bundle)):
        def classify(self, *windows):
            raise KeyError("/secret/path")

    service = make_service(bundle)
    service.bundle = Broken(bundle.folder, bundle.config, bundle.model)
    client = TestClient(make_app(service), raise_server_exceptions=False)
    assert "secret" not in json.dumps(problem_of(client.post("/predict", json=body), 500))


def test_health_and_model_describe_what_is_served(client, bundle):
    assert client.get("/health").json() == {"status": "ok", "model_version": bundle.version}
    model = client.get("/model").json()
    assert model == {name: value for name, value in bundle.config.items() if name != "files"}


def test_the_interface_describes_itself(client):
    assert client.get("/docs").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    asked = {"/predict", "/predict/batch", "/people/{person}/rest", "/people/{person}"}
    told = {"/health", "/ready", "/model", "/drift", "/metrics", "/example"}
    assert set(paths) == asked | told
    for path, bodies in (("/predict", ("Window", "PackedWindow")), ("/predict/batch", ("Batch", "PackedBatch"))):
        operation = paths[path]["post"]
        assert set(operation["responses"]) == {"200", "400", "404", "406", "409", "413", "415", "422", "503"}
        problem = operation["responses"]["422"]["content"]
        assert problem == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        content = operation["requestBody"]["content"]
        assert [part["schema"]["$ref"].rpartition("/")[2] for part in content.values()] == list(bodies)
        assert list(content) == list(operation["responses"]["200"]["content"]) == list(CONTENT_TYPES.values())
    text = client.get("/openapi.json").text
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert {name for name in re.findall(r'"#/components/schemas/(\w+)"', text)} <= set(schemas)


def test_the_bundle_is_asked_for_at_each_request(bundle):
    service = make_service(bundle)
    client = TestClient(make_app(service))
    service.bundle = replace(bundle, config=bundle.config | {"version": "another"})
    assert client.get("/health").json()["model_version"] == "another"
