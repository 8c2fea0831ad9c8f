"""What a body costs grows with its bytes and no faster, whatever there is more of in it: counted, not timed."""

import sys
import tracemalloc
from contextlib import suppress
from types import SimpleNamespace

import msgpack
import numpy as np
import pytest
from bodies import MINUTE, RATES, plain
from starlette.exceptions import HTTPException

from wesadlib.bundle import Bundle
from wesadlib.serving import v2
from wesadlib.serving.wire import BodyError, read_message, read_window, read_windows, write, write_window, write_windows

WINDOW = (MINUTE, RATES)
CONFIG = {"channels": {name: {"rate_hz": rate} for name, rate in RATES.items()}, "window_s": 60.0}
NAMED = {form: plain(form)["channels"]["wrist_temp"] for form in ("json", "binary")}


def named(form, count):
    return write({"channels": {f"c{k}": NAMED[form] for k in range(count)}}, form)


def tensors(count, rows=1):
    one = {"shape": [rows, 240], "datatype": "FP32", "data": [[1.0] * 240] * rows}
    return write({"inputs": [{"name": f"c{k}", **one} for k in range(count)]}, "json")


def tensors_of_the_model(rows):
    inputs = [
        {"name": name, "shape": [rows, len(values)], "datatype": "FP32", "data": [values.tolist()] * rows}
        for name, values in MINUTE.items()
    ]
    return write({"inputs": inputs}, "json")


def nested_arrays(count):
    """Lists of lists of empty maps in MessagePack: few bytes, many objects."""
    inner = [{}] * 128
    return msgpack.packb({"windows": [[inner] * count] * 8})


def samples(form, seconds):
    values = np.linspace(0, 1, round(seconds * 64), dtype=np.float32)
    return write_window({"wrist_bvp": values}, {"wrist_bvp": 64.0}, form)


def stream_samples(form, count):
    parts = {"first": 0} | {name: value for name, value in NAMED[form].items() if name != "rate_hz"}
    return write({"type": "samples", "channels": {f"c{k}": parts for k in range(count)}}, form)


#: What there is more of -> a body of so many, and what reads it.
GROWING = {
    "names in JSON": (lambda n: named("json", n), lambda body: read_window(body, "json")),
    "names in MessagePack": (lambda n: named("binary", n), lambda body: read_window(body, "binary")),
    "empty objects": (lambda n: b'{"windows": [' + b",".join([b"{}"] * 400 * n) + b"]}", "json"),
    "empty lists": (lambda n: b'{"channels": [' + b",".join([b"[]"] * 400 * n) + b"]}", "json"),
    "names without channels": (
        lambda n: b'{"channels": {' + b",".join(b'"%d":0' % k for k in range(400 * n)) + b"}}",
        "json",
    ),
    "nesting in JSON": (lambda n: b"[" * 400 * n, "json"),
    "nesting in MessagePack": (lambda n: b"\x91" * 400 * n, "binary"),
    "empty maps": (nested_arrays, "binary"),
    "claimed lengths": (lambda n: b"\x81\xa1a" * 400 * n + b"\xdf\xff\xff\xff\xff", "binary"),
    "claimed bytes": (lambda n: msgpack.packb([b"\0" * 100 * n])[:-1], "binary"),
    "samples in JSON": (lambda n: samples("json", 4 * n), "json"),
    "samples in MessagePack": (lambda n: samples("binary", 4 * n), "binary"),
    "windows in JSON": (lambda n: write_windows([WINDOW] * (n // 4), "json"), lambda body: read_windows(body, "json")),
    "windows in MessagePack": (
        lambda n: write_windows([WINDOW] * n, "binary"),
        lambda body: read_windows(body, "binary"),
    ),
    "windows that are none": (
        lambda n: write({"windows": ["x" * 20] * n}, "binary"),
        lambda body: read_windows(body, "binary"),
    ),
    "channels of a stream": (lambda n: stream_samples("json", n), lambda body: read_message(body, "json")),
    "tensors": (tensors, lambda body: v2.read_request(body, None, CONFIG)),
    "windows of tensors": (lambda n: tensors_of_the_model(n // 4), lambda body: v2.read_request(body, None, CONFIG)),
    "names of outputs": (
        lambda n: write({"inputs": [], "parameters": {str(k): {} for k in range(400 * n)}}, "json"),
        lambda body: v2.read_request(body, None, CONFIG),
    ),
}


def work(reader, body):
    """Calls that reading takes, of Python's functions and of C's, and the most bytes held meanwhile."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    tracemalloc.start()
    sys.setprofile(count)
    with suppress(BodyError, HTTPException):
        reader(body)
    sys.setprofile(None)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return np.array([calls, held])


@pytest.mark.parametrize("what", GROWING)
def test_work_and_memory_grow_no_faster_than_the_body(what):
    make, reader = GROWING[what]
    if isinstance(reader, str):
        form = reader

        def reader(body):
            with suppress(BodyError):
                read_windows(body, form)
            read_window(body, form)

    bodies = [make(n) for n in (16, 32, 64)]
    work(reader, bodies[0])
    calls, held = np.transpose([work(reader, body) for body in bodies]).astype(float)
    sizes = np.array([len(body) for body in bodies], float)
    for found in (calls, held):
        assert np.polyfit(np.log(sizes), np.log(found), 1)[0] < 1.15
    # Of what is refused most: an error for each name, of which bodies hold a bounded number.
    assert held[-1] < 100 * sizes[-1] + 200_000


def test_who_names_a_window_many_channels_is_told_so_by_few_calls():
    bundle = SimpleNamespace(config=CONFIG)
    counts = []
    for count in (1000, 4000):
        channels = {f"c{k}": np.zeros(1) for k in range(count)}
        counts.append(work(lambda channels: Bundle.problems(bundle, channels, {}), channels)[0])
    assert counts[1] < 4.5 * counts[0]
