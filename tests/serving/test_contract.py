"""What /openapi.json promises, held by requests that are generated from it, right ones and wrong ones."""

from types import SimpleNamespace
from typing import Any

import jsonschema
import msgpack
import pytest
import schemathesis
from bodies import MINUTE, RATES
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi import checks
from services import make_service
from test_stream import line, samples, start

from wesadlib.serving.app import make_app
from wesadlib.serving.wire import CONTENT_TYPES, read, write_window, write_windows

#: What may be sent to them holds channels that no document can name.
_WINDOWS = ("/predict", "/predict/batch", "/rest")


def plain(value: Any) -> Any:
    """What was generated, with bytes as bytes and no number beyond what MessagePack can hold."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 1e300 else None
    return getattr(value, "data", value)


@schemathesis.serializer(CONTENT_TYPES["binary"])
def pack(context, value):
    return msgpack.packb(plain(value))


@schemathesis.deserializer(CONTENT_TYPES["binary"])
def unpack(context, response):
    return as_text(msgpack.unpackb(response.content))


def as_text(value: Any) -> Any:
    """What was answered, with bytes as text, which is what a schema calls them."""
    if isinstance(value, dict):
        return {name: as_text(part) for name, part in value.items()}
    return value.decode("latin-1") if isinstance(value, bytes) else value


# Tests are generated from the document when they are collected, before there is a bundle.
service = make_service(
    SimpleNamespace(folder="absent", version="0", config={"model": "m"}, feature_names=(), reference=None)
)
document = schemathesis.openapi.from_dict(make_app(service).openapi())
document.app = make_app(service)


@pytest.fixture(autouse=True)
def _serve(bundle):
    service.bundle = bundle


@document.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_is_described(case):
    # No document says which channels a bundle uses, so a window that keeps to it may still not be one.
    excluded = [checks.positive_data_acceptance]
    if case.path in ("/predict/batch", "/rest"):
        # What is wrong inside a window is said in its place; and for too many of them there is 413.
        excluded.append(checks.negative_data_rejection)
    case.call_and_validate(excluded_checks=excluded)


@pytest.mark.parametrize("form", CONTENT_TYPES)
def test_an_answered_window_is_as_described_too(form):
    windows = [
        (MINUTE, RATES),
        (MINUTE | {"wrist_eda": MINUTE["wrist_eda"] * 0}, RATES),
        (MINUTE, {**RATES, "wrist_bvp": 1}),
    ]
    for path, body in (
        ("/predict", write_window(*windows[0], form)),
        *((p, write_windows(windows, form)) for p in _WINDOWS[1:]),
    ):
        case = document[path]["POST"].Case(body=read(body, form), media_type=CONTENT_TYPES[form])
        response = case.call_and_validate()
        assert response.status_code == (422 if path == "/rest" else 200)


def test_the_document_is_complete(client):
    document = client.get("/openapi.json").json()
    operations = [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]
    identifiers = [operation["operationId"] for _, operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    assert {"predict", "predict_batch", "rest", "health", "ready", "model", "drift", "stream", "v2_infer"} <= {
        *identifiers
    }
    for path, operation in operations:
        assert {"401", "403", "408", "429", "500", "503"} <= {*operation["responses"]}, path
        # What makes clients of the document knows no path in which there may be nothing.
        in_path = [one["schema"]["type"] for one in operation.get("parameters", []) if one["in"] == "path"]
        assert set(in_path) <= {"string"}, path
        for status, response in operation["responses"].items():
            types = {"application/json"} if path.startswith("/v2") else {"application/problem+json"}
            assert status < "4" or set(response["content"]) == types, (path, status)
    for path in _WINDOWS:
        operation = document["paths"][path]["post"]
        assert {"409", "413", "415", "422"} <= {*operation["responses"]}
        for content in (operation["requestBody"]["content"], operation["responses"]["200"]["content"]):
            assert list(content) == list(CONTENT_TYPES.values())
        assert all(part["example"] for part in operation["requestBody"]["content"].values())
    schemas = document["components"]["schemas"]
    for name in ("Window", "Batch", "InferenceRequest", "Answer", "Problem"):
        for example in schemas[name]["examples"]:
            jsonschema.validate(example, {"$ref": f"#/components/schemas/{name}", "components": document["components"]})
    inferred = document["paths"]["/v2/models/{name}/infer"]["post"]
    for content in (inferred["requestBody"]["content"], inferred["responses"]["200"]["content"]):
        assert set(content) == {"application/json", "application/octet-stream"}
    free = {path for path, operation in operations if operation.get("security") == []}
    assert free == {"/health", "/ready", "/v2/health/live", "/v2/health/ready"}
    assert document["security"] == [{"bearer": []}, {}]
    assert document["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    assert {"Start", "SamplesMessage", "End", "Ready", "StreamPrediction"} <= {*document["components"]["schemas"]}


def test_the_messages_of_a_stream_are_as_they_are_described(client):
    description = client.get("/stream-messages").json()
    assert description["asyncapi"] == "3.0.0" and description["channels"]["stream"]["address"] == "/stream"
    messages = description["channels"]["stream"]["messages"]
    named = {part["$ref"] for one in description["operations"].values() for part in one["messages"]}
    assert named == {f"#/channels/stream/messages/{name}" for name in messages}

    def check(message, name):
        jsonschema.validate(message, messages[name]["payload"] | {"components": description["components"]})

    with line(client, "json") as talk:
        sent = [start(hop_s=60.0), samples(0, 60, "json"), {"type": "samples", "channels": {}}, {"type": "end"}]
        talk.say(*sent, start())
        ready, prediction, end, _ = talk.hear_all()
    for message in (*sent, ready, prediction, end):
        check(message, message["type"])
    with line(client, "json") as talk:
        talk.say({"type": "end"})
        check(talk.hear_all()[0], "problem")
    for wrong in (start(hop_s=0.5), start(scores=["x"]), start(session="parked")):
        with pytest.raises(jsonschema.ValidationError):
            check(wrong, "start")


def test_the_page_of_the_document_finds_it_behind_any_prefix(client):
    assert "url: 'openapi.json'" in client.get("/docs").text
