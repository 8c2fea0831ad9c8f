"""What a client of streams does when the server is silent, full, gone, or says no: held against one by the script."""

import asyncio
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import msgpack
import numpy as np
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from wesadlib.errors import InputError
from wesadlib.serving import AsyncClient, Client, RequestRefused
from wesadlib.serving.stream_talk import StreamLost, StreamTalk

RATES = {"wrist_bvp": 64.0, "wrist_eda": 4.0}
ANSWER = {
    "status": "rejected",
    "state": None,
    "probabilities": None,
    "confidence": None,
    "abstained": False,
    "quality": {},
    "reasons": [],
    "model_version": "0",
    "protocol": "cold_start",
}


def packed(kind, **fields):
    return msgpack.packb({"type": kind, **fields})


def ready(session="one", **following):
    following = dict.fromkeys(RATES, 0) | following
    return packed("ready", session=session, model_version="0", window_s=10.0, hop_s=5.0, grace_s=20.0, next=following)


def prediction(number, reasons=0):
    answer = ANSWER | {"reasons": ["x" * 9000] * reasons}
    return packed("prediction", start_s=5.0 * number, end_s=5.0 * number + 10, answer=answer, latency_ms=1.0)


def seconds(begin, end):
    return {name: np.arange(begin * rate, end * rate, dtype=np.float32) for name, rate in RATES.items()}


@contextmanager
def scripted(*scripts, **keywords):
    """A server that treats its connections by these scripts, one after the other; gives its address."""
    waiting = list(scripts)

    async def run():
        stop = asyncio.get_running_loop().create_future()
        async with serve(lambda line: waiting.pop(0)(line), "127.0.0.1", 0, compression=None, **keywords) as server:
            port.append(server.sockets[0].getsockname()[1])
            ends.append(lambda: stop.get_loop().call_soon_threadsafe(stop.set_result, None))
            started.set()
            await stop

    port, ends, started = [], [], threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait()
    try:
        yield f"http://127.0.0.1:{port[0]}"
    finally:
        ends[0]()
        thread.join()
    assert waiting == []


async def hear(line):
    return msgpack.unpackb(await line.recv())


@pytest.mark.parametrize("broken", [False, True])
def test_a_recording_sent_at_once_waits_for_no_prediction_to_be_read(broken):
    async def break_off(line):
        await hear(line)
        await line.send(ready())
        while await hear(line) != {"type": "end"}:
            pass
        line.transport.abort()

    async def answer_before_reading_on(line):
        await hear(line)
        await line.send(ready())
        for number in range(120):
            assert (await hear(line))["type"] == "samples"
            # More than the connection's buffers hold: whoever does not read this cannot send.
            await line.send(prediction(number, reasons=60))
        assert await hear(line) == {"type": "end"}
        await line.send(packed("end"))

    scripts = [*[break_off] * broken, answer_before_reading_on]
    # Nor do the samples fit into buffers.
    rates_hz = {"chest_ecg": 7000.0}
    with scripted(*scripts) as url, Client(url) as client, client.stream(rates_hz) as stream:
        stream.send({"chest_ecg": np.zeros(1200 * 7000, np.float32)})
        stream.end()
        assert [found.start_s for found in stream] == [5.0 * number for number in range(120)]


def test_what_was_lost_is_said_again_from_the_first_window_not_answered():
    heard = []

    async def break_off(line):
        heard.append(await hear(line))
        await line.send(ready())
        await hear(line)
        await line.send(prediction(0))
        await line.send(prediction(1))
        # Once it is read, which whoever resets a connection cannot be sure of.
        await hear(line)
        line.transport.abort()

    async def go_on(line):
        heard.append(await hear(line))
        await line.send(ready(wrist_bvp=640, wrist_eda=44))
        while (message := await hear(line))["type"] == "samples":
            heard.append(message["channels"])
        heard.append(message)
        await line.send(prediction(2))
        await line.send(packed("end"))

    with scripted(break_off, go_on) as url, Client(url) as client, client.stream(RATES, person="P-1") as stream:
        stream.send(seconds(0, 10))
        predictions = iter(stream)
        assert [next(predictions).start_s, next(predictions).start_s] == [0.0, 5.0]
        stream.send(seconds(10, 20))
        stream.end()
        assert [found.start_s for found in predictions] == [10.0]
    first, second, *rest, last = heard
    assert (first.get("session"), first.get("start_s"), first["person"]) == (None, None, "P-1")
    assert (second["session"], second["start_s"], second["person"]) == ("one", 10.0, "P-1")
    assert last == {"type": "end"}
    for name, begin in (("wrist_bvp", 640), ("wrist_eda", 44)):
        parts = [part[name] for part in rest if name in part]
        values = np.concatenate([np.frombuffer(part["samples"], part["dtype"]) for part in parts])
        assert parts[0]["first"] == begin
        np.testing.assert_array_equal(values, np.arange(begin, 20 * RATES[name]))


def test_a_server_that_is_full_or_restarts_is_asked_again():
    async def full(line):
        await line.send(packed("problem", title="x", status=503, detail="Later.", errors=[]))
        await line.close(1013)

    async def restart(line):
        await hear(line)
        await line.send(ready())
        await line.close(1012)

    async def answer(line):
        assert (await hear(line))["session"] == "one"
        await line.send(ready())
        while await hear(line) != {"type": "end"}:
            pass
        await line.send(packed("end"))

    with (
        scripted(full, restart, full, answer) as url,
        Client(url, retry_s=30.0) as client,
        client.stream(RATES) as stream,
    ):
        stream.send(seconds(0, 2))
        stream.end()
        assert list(stream) == []


def test_a_server_that_fails_at_the_same_window_each_time_is_not_asked_for_ever(monkeypatch):
    # When the stream breaks: at first within the 20 s of grace, after a prediction for 30 s.
    breaks = iter([0.0, 19.0, 100.0, 110.0, 115.0, 130.0])
    monkeypatch.setattr("wesadlib.serving.stream_client.time", SimpleNamespace(monotonic=lambda: next(breaks)))
    monkeypatch.setattr("wesadlib.serving.stream_client._PAUSE_S", 0.0)
    heard = []

    async def fail(line):
        heard.append(await hear(line))
        await line.send(ready())
        with suppress(ConnectionClosed):
            await hear(line)
            await line.close(1011)

    async def get_on(line):
        heard.append(await hear(line))
        await line.send(ready())
        await hear(line)
        await line.send(prediction(0))
        await line.close(1011)

    with (
        scripted(fail, fail, get_on, fail, fail, fail) as url,
        Client(url, retry_s=0) as client,
        client.stream(RATES, hop_s=5.0) as stream,
    ):
        stream.send(seconds(0, 20))
        with pytest.raises(StreamLost, match="at the same place again and again"):
            list(stream)
    assert len(heard) == 6


@pytest.mark.parametrize("code", [1008, 1009])
def test_what_would_be_refused_again_is_not_said_again(code):
    async def close(line):
        await hear(line)
        await line.send(ready())
        await line.close(code, "no")

    with scripted(close) as url, Client(url) as client, client.stream(RATES) as stream:
        with pytest.raises(StreamLost, match=str(code)):
            list(stream)
        with pytest.raises(StreamLost):
            stream.send(seconds(0, 1))


def test_a_problem_is_raised_wherever_the_stream_is_asked():
    async def refuse(line):
        await hear(line)
        await line.send(ready())
        await hear(line)
        errors = [{"name": "channels.wrist_eda", "detail": "no"}]
        await line.send(packed("problem", title="x", status=422, detail="No.", errors=errors))
        await line.close(1008)

    async def ask(url):
        async with AsyncClient(url) as client, client.stream(RATES) as stream:
            await stream.send(seconds(0, 1))
            for _ in range(2):
                with pytest.raises(RequestRefused, match=r"422 No\. channels\.wrist_eda: no"):
                    await anext(stream)
            with pytest.raises(RequestRefused):
                await stream.end()

    with scripted(refuse) as url:
        asyncio.run(ask(url))


def test_a_token_that_is_not_known_is_a_refusal_and_a_known_one_is_sent():
    def check(connection, request):
        if request.headers.get("authorization") != "Bearer secret":
            return connection.respond(401, "who?")
        return None

    async def answer(line):
        await hear(line)
        await line.send(ready())
        await hear(line)
        await line.send(packed("end"))

    with scripted(answer, process_request=check) as url:
        with Client(url) as client, pytest.raises(RequestRefused, match="401 who"), client.stream(RATES):
            pass
        with Client(url, token="secret") as client, client.stream(RATES) as stream:
            stream.end()
            assert list(stream) == []


def test_a_server_that_is_not_there_is_told_after_the_time_to_try():
    with scripted() as url:
        pass
    with Client(url, retry_s=0.2) as client, pytest.raises(StreamLost, match="no stream could be opened"):
        client.stream(RATES).__enter__()


def test_samples_that_belong_to_no_channel_or_come_after_the_end_are_named():
    talk = StreamTalk(RATES)
    with pytest.raises(InputError, match="wrist_hum: this stream has the channels wrist_bvp, wrist_eda"):
        talk.samples({"wrist_hum": [1.0]})
    talk.end()
    with pytest.raises(InputError, match="ended"):
        talk.samples(seconds(0, 1))


def test_missing_samples_are_left_out_as_gaps_of_one_channel():
    talk = StreamTalk(RATES)
    channels = seconds(0, 4)
    channels["wrist_eda"][4:8] = np.nan
    parts = [msgpack.unpackb(frame)["channels"] for frame in talk.samples(channels)]
    values = {name: np.full(len(channels[name]), np.nan, np.float32) for name in RATES}
    for part in parts:
        for name, chunk in part.items():
            samples = np.frombuffer(chunk["samples"], "<f4")
            assert not np.isnan(samples).any()
            values[name][chunk["first"] :][: len(samples)] = samples
    for name in RATES:
        np.testing.assert_array_equal(values[name], channels[name])
    assert [sorted(part) for part in parts] == [["wrist_bvp", "wrist_eda"], ["wrist_bvp"], ["wrist_bvp", "wrist_eda"]]


def test_a_long_stream_keeps_only_what_is_not_answered():
    talk = StreamTalk(RATES, hop_s=5.0)
    for minute in range(20):
        talk.samples(seconds(60 * minute, 60 * minute + 60))
        talk.receive(prediction(12 * minute + 11))
    kept = sum(len(samples.values) for chunk in talk._kept for samples in chunk.values())
    assert kept <= 15 * sum(RATES.values())
