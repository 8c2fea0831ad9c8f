"""The HTTP interface, without Ray: every answer and every refusal."""

import json

import minutes
import numpy as np
import pytest
from bodies import FORMS, MINUTE, RATES, plain, post
from fastapi.testclient import TestClient
from services import make_service

from wesadlib.serving.app import make_app
from wesadlib.serving.service import _Call
from wesadlib.serving.wire import CONTENT_TYPES, Samples, read, write, write_window


def problem_of(response, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    for secret in ("Traceback", "/work", "site-packages", "wesadlib", ".py"):
        assert secret not in response.text
    return problem


@pytest.mark.parametrize("form", FORMS)
def test_a_window_gets_the_bundles_answer_in_the_form_of_the_question(client, bundle, form):
    response = post(client, "/predict", write_window(MINUTE, RATES, form), form, accept="text/html")
    assert (response.status_code, response.headers["content-type"]) == (200, CONTENT_TYPES[form])
    answer, expected = read(response.content, form), bundle.predict_window(MINUTE, RATES).model_dump()
    for name in ("probabilities", "quality", "confidence"):
        assert answer.pop(name) == pytest.approx(expected.pop(name), abs=1e-9)
    assert answer == expected and answer["status"] == "ok"


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_is_answered_item_by_item_in_its_order(client, bundle, form, alive):
    signals = [minutes.wrist_signals(seed=seed) for seed in range(3)]
    flat = plain(form, signals[0] | {"wrist_eda": np.zeros(240)})
    short = plain(form, signals[0] | {"wrist_eda": np.ones(2)})
    first, *others = [plain(form, channels) for channels in signals]
    response = post(client, "/predict/batch", write({"windows": [first, flat, short, "x", *others]}, form), form)
    results = read(response.content, form)["results"]
    assert [result["status"] for result in results] == ["ok", "rejected", 422, 422, "ok", "ok"]
    assert any(reason.startswith("wrist_eda: ") for reason in results[1]["reasons"])
    assert results[2]["errors"] == [{"name": "wrist_eda", "detail": "60 s at 4 Hz are 240 samples, not 2"}]
    assert results[3]["errors"][0]["name"] == "body"
    for result, channels in zip((results[0], *results[4:]), signals, strict=True):
        assert result["probabilities"] == pytest.approx(bundle.predict_window(channels, RATES).probabilities, abs=1e-6)
    nothing = post(client, "/predict/batch", write({"windows": []}, form), form)
    assert read(nothing.content, form) == {"results": []}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_window_of_this_model_is_named(client, form, alive):
    body = plain(form)
    del body["channels"]["wrist_eda"], body["channels"]["wrist_temp"]
    body["channels"]["wrist_hum"] = body["channels"]["wrist_acc_x"]
    body["channels"]["wrist_bvp"]["rate_hz"] = 63
    problem = problem_of(post(client, "/predict", write(body, form), form), 422)
    details = {item["name"]: item["detail"] for item in problem["errors"]}
    assert details["wrist_eda"] == details["wrist_temp"] == "missing channel"
    assert details["wrist_hum"].startswith("unknown channel, this model uses wrist_bvp")
    assert details["wrist_bvp"] == "60 s at 63 Hz are 3780 samples, not 3840"


def test_another_rate_is_harmonised(client):
    half = MINUTE | {"wrist_acc_x": MINUTE["wrist_acc_x"][::2]}
    response = post(client, "/predict", write_window(half, RATES | {"wrist_acc_x": 16}, "json"), "json")
    assert response.json()["status"] == "ok"


class Broken:
    """A bundle that fails where a window's temperature begins at a certain number."""

    def __init__(self, bundle):
        self._bundle = bundle

    def __getattr__(self, name):
        return getattr(self._bundle, name)

    def classify(self, windows, rests=None):
        if any(channels["wrist_temp"][0] == 7.0 for channels, _ in windows):
            raise KeyError("/secret/path")
        return self._bundle.classify(windows, rests)


def test_a_failure_inside_tells_nothing_of_the_inside_and_spoils_no_other_call(bundle):
    spoilt = MINUTE | {"wrist_temp": np.append(np.float32(7), MINUTE["wrist_temp"][1:])}
    service = make_service(Broken(bundle))
    failure, result = service._compute([_Call([Samples(channels, RATES)], None) for channels in (spoilt, MINUTE)])
    assert isinstance(failure, KeyError) and result[0].answer == bundle.predict_window(MINUTE, RATES)
    with TestClient(make_app(service), raise_server_exceptions=False) as client:
        response = post(client, "/predict", write_window(spoilt, RATES, "binary"), "binary")
        assert "secret" not in json.dumps(problem_of(response, 500))


def test_health_and_model_describe_what_is_served(client, bundle):
    for path in ("/health", "/ready"):
        assert client.get(path).json() == {"status": "ok", "model_version": bundle.version}
        assert client.head(path).status_code == 200
    assert client.get("/model").json() == {name: value for name, value in bundle.config.items() if name != "files"}


EMPTY = b'{"windows": []}'
JSON = CONTENT_TYPES["json"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        *(
            ("POST", path, headers, 415, "`content-type: application/json` or `content-type: application/vnd.msgpack`")
            for path in ("/predict", "/predict/batch", "/rest")
            for headers in ({"content-type": "text/csv"}, {}, {"content-type": JSON, "content-encoding": "br"})
        ),
        *(
            ("POST", f"/predict/batch?person={person}", {"content-type": JSON}, 422, "parameters cannot be used")
            for person in ("a b", "a" * 65, "ä", "a.b")
        ),
        ("GET", "/nothing", {}, 404, "Not Found"),
        ("GET", "/predict/", {}, 404, "Not Found"),
        ("GET", "/predict", {}, 405, "Method Not Allowed"),
        ("GET", "/stream", {}, 426, "ask for an upgrade"),
        ("GET", "/example", {"host": "evil.example"}, 403, "The host that this request names"),
        ("POST", "/predict/batch", {"content-type": JSON, "wesad-rest": "x"}, 401, "was not signed by this server"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_status_and_a_sentence(client, method, path, headers, status, words):
    response = client.request(method, path, content=EMPTY, headers=headers)
    assert words in problem_of(response, status)["detail"]
    assert status != 405 or response.headers["allow"] == "POST"


def test_a_type_with_a_parameter_is_the_same_type(client):
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/predict/batch", content=EMPTY, headers=headers).json() == {"results": []}


def test_until_the_model_has_answered_it_is_not_ready(bundle):
    client = TestClient(make_app(make_service(bundle)))
    for path in ("/ready", "/v2/health/ready"):
        response = client.get(path)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert client.get("/health").status_code == 200
