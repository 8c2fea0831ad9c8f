"""Streams of an app, spoken plainly: a recording, what is said of it, and what is to be heard."""

import json
from contextlib import contextmanager

import minutes
import msgpack
import pytest
from bodies import RATES

RECORDING = minutes.wrist_recording(5, duration_s=150.0)
SIGNALS = {name: RECORDING.signals[name].to_numpy() for name in RATES}


def start(**fields):
    return {"type": "start", "channels": {name: {"rate_hz": rate} for name, rate in RATES.items()}, **fields}


def samples(begin_s, end_s, form="binary", names=tuple(RATES)):
    channels = {}
    for name in names:
        first, stop = round(begin_s * RATES[name]), round(end_s * RATES[name])
        values = SIGNALS[name][first:stop]
        if form == "json":
            channels[name] = {"first": first, "samples": values.astype(float).tolist()}
        else:
            channels[name] = {"first": first, "dtype": "<f4", "samples": values.astype("<f4").tobytes()}
    return {"type": "samples", "channels": channels}


class Line:
    """One side of a stream that can be spoken plainly."""

    def __init__(self, websocket, form="binary"):
        self.websocket, self.form = websocket, form

    def say(self, message):
        if self.form == "json":
            self.websocket.send_text(json.dumps(message))
        else:
            self.websocket.send_bytes(msgpack.packb(message))

    def hear(self):
        if self.form == "json":
            return json.loads(self.websocket.receive_text())
        return msgpack.unpackb(self.websocket.receive_bytes())

    def until_end(self):
        heard = []
        while (message := self.hear())["type"] == "prediction":
            heard.append(message)
        return heard, message

    def close_code(self):
        message = self.websocket.receive()
        assert message["type"] == "websocket.close"
        return message["code"]


@contextmanager
def line(client, form="binary"):
    with client.websocket_connect("/stream") as websocket:
        yield Line(websocket, form)


def expected(bundle, hop_s):
    windows = []
    while (begin_s := len(windows) * hop_s) + 60 <= 150:
        windows.append((minutes.cut(RECORDING, begin_s), RATES))
    return bundle.predict_windows(windows)


def hold_against(predictions, bundle, hop_s):
    answers = expected(bundle, hop_s)
    assert [message["start_s"] for message in predictions] == [k * hop_s for k in range(len(answers))]
    for message, answer in zip(predictions, answers, strict=True):
        assert message["end_s"] == message["start_s"] + 60
        assert message["answer"]["status"] == answer.status == "ok"
        assert message["answer"]["probabilities"] == pytest.approx(answer.probabilities, abs=1e-6)
