"""What is said over a stream: a problem for every wrong word."""

import asyncio
import json
from contextlib import contextmanager
from typing import ClassVar

import minutes
import msgpack
import numpy as np
import pytest
from bodies import RATES
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services import make_service

from wesadlib.serving import stream
from wesadlib.serving.app import make_app
from wesadlib.serving.stream import Streams
from wesadlib.serving.wire import Chunk, read, write, write_samples

RECORDING = minutes.wrist_recording(5, duration_s=150.0)
SIGNALS = {name: RECORDING.signals[name].to_numpy() for name in RATES}


def start(**fields):
    return {"type": "start", "channels": {name: {"rate_hz": rate} for name, rate in RATES.items()}, **fields}


def samples(begin_s, end_s, form="binary"):
    spans = {name: (round(begin_s * rate), round(end_s * rate)) for name, rate in RATES.items()}
    return read(write_samples({n: Chunk(a, SIGNALS[n][a:b]) for n, (a, b) in spans.items()}, form), form)


class Line:
    """One side of a stream, spoken plainly."""

    def __init__(self, websocket, form):
        self.websocket, self.form = websocket, form

    def say(self, *messages):
        for message in messages:
            body = write(message, self.form)
            content = {"text": body.decode()} if self.form == "json" else {"bytes": body}
            self.websocket.send({"type": "websocket.receive", **content})

    def hear(self):
        message = self.websocket.receive()
        if message["type"] == "websocket.close":
            return message["code"]
        text = message.get("text")
        return read(message["bytes"], "binary") if text is None else read(text.encode(), "json")

    def hear_all(self):
        heard = [self.hear()]
        while not isinstance(heard[-1], int):
            heard.append(self.hear())
        return heard


@contextmanager
def line(client, form="binary"):
    with client.websocket_connect("/stream") as websocket:
        yield Line(websocket, form)


CHANNELS = start()["channels"]


@pytest.mark.parametrize(
    ("message", "name", "status"),
    [
        ({"type": "samples", "channels": {}}, None, 422),
        (samples(0, 2), None, 422),
        ({"type": "end"}, None, 422),
        ({"type": "begin"}, None, 422),
        ([], None, 422),
        (start(hop_s=0.1), "hop_s", 422),
        (start(hop_s=float("inf")), "hop_s", 422),
        (start(hop_s=15.0, start_s=31.0), "start_s", 422),
        (start(start_s=-5.0), "start_s", 422),
        (start(person="a b"), "person", 422),
        (start(rest="nobody"), None, 401),
        (start(channels={}), "channels.wrist_bvp", 422),
        (start(channels=CHANNELS | {"wrist_hum": {"rate_hz": 4.0}}), "channels.wrist_hum", 422),
        (start(channels=CHANNELS | {"wrist_eda": {"rate_hz": 0.0}}), "channels.wrist_eda.rate_hz", 422),
        (start(channels=CHANNELS | {"wrist_eda": {"rate_hz": 0.01}}), "channels.wrist_eda.rate_hz", 422),
        (start(session="parked"), "session", 422),
    ],
)
def test_a_wrong_beginning_is_refused_by_name(client, message, name, status, alive):
    with line(client) as talk:
        talk.say(message)
        problem, code = talk.hear_all()
    assert (problem["type"], problem["status"], code) == ("problem", status, 1008)
    assert name is None or name in {item["name"] for item in problem["errors"]}


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
        # A clock that runs backwards is one of them: these samples are there already.
        talk.say(start(), samples(0, 4), message)
        _, problem, code = talk.hear_all()
    assert (problem["type"], problem["status"], code) == ("problem", 422, 1008)
    assert name is None or name in {item["name"] for item in problem["errors"]}


def test_what_is_too_large_too_much_or_too_fast_is_refused(bundle, monkeypatch):
    monkeypatch.setattr(stream, "MAX_MESSAGE_MB", 0.01)
    limits = {"max_streams": 1, "stream_samples_per_s": 200}
    with TestClient(make_app(make_service(bundle, **limits))) as client:
        with line(client) as talk:
            talk.say(start(), samples(0, 60))
            _, problem, code = talk.hear_all()
            assert (problem["status"], code) == (413, 1009)
        with line(client) as talk:
            talk.say(start())
            assert talk.hear()["type"] == "ready"
            with line(client) as second:
                problem, code = second.hear_all()
                assert (problem["status"], code) == (503, 1013)
            talk.say(*(samples(begin, begin + 2) for begin in range(0, 20, 2)))
            problem, code = talk.hear_all()
            assert (problem["status"], code) == (429, 1008)


class Quiet:
    """A connection on which a stream is started, and nothing more is said."""

    scope: ClassVar = {}

    def __init__(self):
        self.events, self.heard = [{"type": "websocket.receive", "bytes": write(start(), "binary")}], []
        self.heard_something = asyncio.Event()

    async def accept(self, subprotocol):
        pass

    async def receive(self):
        return self.events.pop() if self.events else await asyncio.get_running_loop().create_future()

    async def send_bytes(self, body):
        self.heard.append(read(body, "binary"))
        self.heard_something.set()

    async def close(self, code):
        self.heard.append(code)


@pytest.mark.anyio
async def test_when_the_server_ends_its_streams_are_told_so(bundle):
    streams, websocket = Streams(make_service(bundle)), Quiet()
    task = asyncio.create_task(streams.serve(websocket))
    await websocket.heard_something.wait()
    await streams.end()
    await task
    ready, code = websocket.heard
    assert (ready["type"], code) == ("ready", 1012)


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
