"""What is said over a stream: the bundle's own answers, in order, and a problem for every wrong word."""

import json

import msgpack
import numpy as np
import pytest
from bodies import RATES
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lines import hold_against, line, samples, start
from services import make_service

from wesadlib.serving.app import make_app


@pytest.mark.parametrize("form", ["json", "binary"])
def test_a_stream_says_what_is_said_of_the_same_windows_sent_whole(client, bundle, form):
    with line(client, form) as talk:
        talk.say(start(hop_s=15.0))
        ready = talk.hear()
        assert (ready["type"], ready["window_s"], ready["hop_s"]) == ("ready", 60.0, 15.0)
        assert ready["next"] == dict.fromkeys(RATES, 0)
        for begin in range(0, 150, 10):
            talk.say(samples(begin, begin + 10, form))
        talk.say({"type": "end"})
        predictions, last = talk.until_end()
        assert last == {"type": "end"}
        assert talk.close_code() == 1000
    hold_against(predictions, bundle, 15.0)


def test_two_streams_do_not_mix(client, bundle):
    with line(client) as one, line(client) as other:
        for talk, hop_s in ((one, 15.0), (other, 30.0)):
            talk.say(start(hop_s=hop_s))
            talk.hear()
        for begin in range(0, 150, 30):
            one.say(samples(begin, begin + 30))
            other.say(samples(begin, begin + 30))
        for talk, hop_s in ((one, 15.0), (other, 30.0)):
            talk.say({"type": "end"})
            hold_against(talk.until_end()[0], bundle, hop_s)


def test_a_gap_of_missing_samples_is_a_refusal_with_its_reason(client):
    with line(client) as talk:
        talk.say(start(hop_s=60.0))
        talk.hear()
        talk.say(samples(0, 30))
        talk.say(samples(45, 61))
        assert "wrist_bvp: completeness" in talk.hear()["answer"]["reasons"]


@pytest.mark.parametrize(
    ("message", "name", "status"),
    [
        ({"type": "samples", "channels": {}}, None, 422),
        (samples(0, 2), None, 422),
        ({"type": "end"}, None, 422),
        ({"type": "begin"}, None, 422),
        ([], None, 422),
        (start(hop_s=0.1), "hop_s", 422),
        (start(hop_s=-1.0), "hop_s", 422),
        (start(hop_s=float("inf")), "hop_s", 422),
        (start(person="a b"), "person", 422),
        (start(rest="nobody"), None, 404),
        (start() | {"channels": {}}, "channels.wrist_bvp", 422),
        (start() | {"channels": start()["channels"] | {"wrist_hum": {"rate_hz": 4.0}}}, "channels.wrist_hum", 422),
        (
            start() | {"channels": start()["channels"] | {"wrist_eda": {"rate_hz": 0.0}}},
            "channels.wrist_eda.rate_hz",
            422,
        ),
        (start() | {"more": 1}, "more", 422),
    ],
)
def test_a_wrong_beginning_is_refused_by_name(client, message, name, status, alive):
    with line(client) as talk:
        talk.say(message)
        problem = talk.hear()
        assert (problem["type"], problem["status"]) == ("problem", status)
        assert name is None or name in {item["name"] for item in problem["errors"]}
        assert talk.close_code() == 1008


def spoilt(change):
    message = samples(0, 2)
    message["channels"]["wrist_eda"] |= change
    return message


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (samples(0, 2), "channels.wrist_bvp"),
        (spoilt({"first": -1}), "channels.wrist_eda.first"),
        (spoilt({"first": 10**15}), "channels.wrist_eda"),
        (spoilt({"dtype": "<i4"}), "channels.wrist_eda.dtype"),
        (spoilt({"samples": b"abc"}), "channels.wrist_eda.samples"),
        (spoilt({"samples": np.array([1, np.inf], "<f4").tobytes()}), "channels.wrist_eda.samples.1"),
        ({"type": "samples", "channels": {"wrist_hum": samples(0, 2)["channels"]["wrist_eda"]}}, "channels.wrist_hum"),
        (start(), None),
        ({"type": "stop"}, None),
    ],
)
def test_what_does_not_belong_into_a_stream_ends_it_by_name(client, message, name, alive):
    with line(client) as talk:
        talk.say(start())
        talk.hear()
        # A clock that runs backwards is one of them: these samples are there already.
        talk.say(samples(0, 4))
        talk.say(message)
        problem = talk.hear()
        assert (problem["type"], problem["status"]) == ("problem", 422)
        assert name is None or name in {item["name"] for item in problem["errors"]}
        assert talk.close_code() == 1008


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "samples", "channels": {"wrist_eda": {"first": 0, "samples": [1]}, '
        '"wrist_eda": {"first": 1, "samples": [1]}}}',
        '{"type": "samples", "channels": {"wrist_eda": {"first": 0, "first": 1, "samples": [1]}}}',
        '{"type": "samples", "type": "end", "channels": {}}',
    ],
)
def test_what_is_given_twice_ends_the_stream(client, text, alive):
    with line(client, "json") as talk:
        talk.say(start())
        assert talk.hear()["type"] == "ready"
        talk.websocket.send_text(text)
        problem = talk.hear()
        assert (problem["type"], problem["status"]) == ("problem", 422)
        assert talk.close_code() == 1008


def test_a_message_that_is_too_large_or_garbled_ends_the_stream(bundle):
    with TestClient(make_app(make_service(bundle, max_message_mb=0.01))) as client:
        with line(client) as talk:
            talk.say(start())
            talk.hear()
            talk.say(samples(0, 60))
            assert talk.hear()["status"] == 413
            assert talk.close_code() == 1009
        for garbage in (b"\xc1", b"", b"\xdd\xff\xff\xff\xff"):
            with client.websocket_connect("/stream") as websocket:
                websocket.send_bytes(garbage)
                assert msgpack.unpackb(websocket.receive_bytes())["type"] == "problem"


def test_more_streams_and_samples_than_are_allowed_are_refused(bundle):
    limits = {"max_streams": 1, "stream_samples_per_s": 200}
    with TestClient(make_app(make_service(bundle, **limits))) as client, line(client) as talk:
        talk.say(start())
        assert talk.hear()["type"] == "ready"
        with line(client) as second:
            assert json.loads(second.websocket.receive_text())["status"] == 503
            assert second.close_code() == 1013
        for begin in range(0, 20, 2):
            talk.say(samples(begin, begin + 2))
        assert talk.hear()["status"] == 429


@given(garbage=st.binary(max_size=80) | st.text(max_size=40))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_garbage_ends_the_server(client, garbage):
    with client.websocket_connect("/stream") as websocket:
        if isinstance(garbage, str):
            websocket.send_text(garbage)
            answer = json.loads(websocket.receive_text())
        else:
            websocket.send_bytes(garbage)
            answer = msgpack.unpackb(websocket.receive_bytes())
        assert answer["type"] == "problem" and answer["status"] in (413, 422)
