"""What a client of streams does when the server is silent, full, gone, or says no: held against one by the script."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import RATES, hear, packed, prediction, ready, scripted, seconds
from websockets.exceptions import ConnectionClosed

from wesadlib.errors import InputError
from wesadlib.serving import AsyncClient, Client, RequestRefused, StreamLost, stream_client
from wesadlib.serving.wire import Chunk


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(stream_client, "_PAUSE_S", 0.0)


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
        await line.send(prediction(0, score=1.5))
        await line.send(prediction(2))
        # Once it is read, which whoever resets a connection cannot be sure of.
        await hear(line)
        line.transport.abort()

    async def go_on(line):
        heard.append(await hear(line))
        await line.send(ready(wrist_bvp=640, wrist_eda=44))
        while (message := await hear(line))["type"] == "samples":
            heard.append(message["channels"])
        heard.append(message)
        await line.send(prediction(3))
        await line.send(packed("end"))

    with scripted(break_off, go_on) as url, Client(url) as client, client.stream(RATES, person="P-1") as stream:
        stream.send(seconds(0, 10))
        predictions = iter(stream)
        assert [next(predictions).start_s, next(predictions).start_s] == [0.0, 10.0]
        stream.send(seconds(10, 20))
        stream.end()
        assert [found.start_s for found in predictions] == [15.0]
    first, second, *rest, last = heard
    assert (first.get("start_s"), first["person"]) == (None, "P-1")
    assert second == first | {"start_s": 15.0, "scores": np.array([1.5, np.nan, np.nan]).tobytes()}
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
        assert (await hear(line))["type"] == "start"
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
    monkeypatch.setattr(stream_client, "_MOST_BREAKS", 2)
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
        scripted(fail, fail, get_on, fail, fail) as url,
        Client(url, retry_s=0) as client,
        client.stream(RATES, hop_s=5.0) as stream,
    ):
        stream.send(seconds(0, 20))
        with pytest.raises(StreamLost, match="at the same place again and again"):
            list(stream)
    assert [start.get("start_s") for start in heard] == [None, None, None, 5.0, 5.0]


def test_a_stream_that_is_not_open_is_told_so():
    with Client("http://127.0.0.1:9") as client:
        for use in (lambda stream: stream.send(seconds(0, 1)), lambda stream: stream.end(), list):
            with pytest.raises(InputError, match="inside the `with` that opens it"):
                use(client.stream(RATES))

    async def ask():
        async with AsyncClient("http://127.0.0.1:9") as client:
            for use in (lambda stream: stream.send(seconds(0, 1)), lambda stream: stream.end(), anext):
                with pytest.raises(InputError, match="inside the `with` that opens it"):
                    await use(client.stream(RATES))

    asyncio.run(ask())


def test_what_answers_but_is_no_stream_and_what_is_not_there_are_told():
    def answer(connection, request):
        return connection.respond(200, "hello")

    unopened = pytest.raises(StreamLost, match=r"no stream could be opened at ws://.* HTTP 200")
    with scripted(process_request=answer) as url, Client(url) as client, unopened:
        client.stream(RATES).__enter__()
    with Client(url, retry_s=0.2) as client, pytest.raises(StreamLost, match="no stream could be opened"):
        client.stream(RATES).__enter__()


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


def chunks_of(channels, first=0):
    samples = {name: Chunk(first, np.asarray(values, np.float32)) for name, values in channels.items()}
    return list(stream_client._cut(samples, RATES))


def joined(chunks, stops):
    """What chunks of samples say, channel by channel, NaN where they are silent."""
    values = {name: np.full(stop, np.nan, np.float32) for name, stop in stops.items()}
    for chunk in chunks:
        for name, (first, samples) in chunk.items():
            assert len(samples)
            values[name][first:][: len(samples)] = samples
    return values


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_sample_is_lost_and_no_message_is_long(data):
    lengths = {name: data.draw(st.integers(0, round(25 * rate)), name) for name, rate in RATES.items()}
    signals = {name: np.arange(length, dtype=np.float32) for name, length in lengths.items()}
    for values in signals.values():
        values[data.draw(st.lists(st.integers(0, max(len(values) - 1, 0)), max_size=8 * bool(len(values))))] = np.nan
    chunks = chunks_of(signals)
    assert all(len(part.values) <= 10 * RATES[name] for chunk in chunks for name, part in chunk.items())
    for name, values in joined(chunks, lengths).items():
        np.testing.assert_array_equal(values, signals[name])


@pytest.fixture
def listened():
    """A stream to a server that takes everything, and what it has heard when the stream has ended."""
    heard = []

    async def listen(line):
        heard.append(await hear(line))
        await line.send(ready(samples_per_s=6800))
        while (message := await hear(line))["type"] != "end":
            heard.append(message)
            if message["channels"]["wrist_eda"]["first"] % 240 == 0:
                await line.send(prediction(message["channels"]["wrist_eda"]["first"] // 20))
        await line.send(packed("end"))

    with scripted(listen) as url, Client(url) as client, client.stream(RATES, hop_s=5.0) as stream:
        yield stream, heard


def test_what_belongs_to_no_channel_or_comes_after_the_end_is_named(listened):
    stream, heard = listened
    with pytest.raises(InputError, match="wrist_hum: this stream has the channels wrist_bvp, wrist_eda"):
        stream.send({"wrist_hum": [1.0]})
    for values in (1.0, [[1.0, 2.0]]):
        with pytest.raises(InputError, match=r"wrist_eda: samples are an array \(time\), not one of shape"):
            stream.send({"wrist_eda": values})
    stream.end()
    with pytest.raises(InputError, match="ended"):
        stream.send(seconds(0, 1))
    assert [list(stream), len(heard)] == [[], 1]


def test_no_more_is_sent_than_the_server_takes(listened, monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    stream, _ = listened
    monkeypatch.setattr("asyncio.sleep", sleep)
    stream.send(seconds(0, 25))
    assert [pause for pause in pauses if pause] == pytest.approx([0.1, 0.1, 0.05])
    stream.end()
    list(stream)


def test_a_long_stream_keeps_only_what_is_not_answered(listened):
    stream, _ = listened
    predictions = iter(stream)
    for minute in range(20):
        stream.send(seconds(60 * minute, 60 * minute + 60))
        assert next(predictions).start_s == 60 * minute
        kept = sum(len(samples.values) for chunk in stream._stream._kept for samples in chunk.values())
        assert kept <= 60 * sum(RATES.values())
    stream.end()


def test_a_server_that_is_away_for_a_while_is_waited_for_although_no_call_is_repeated():
    handshakes = []

    def away(connection, request):
        handshakes.append(request)
        return connection.respond(503, "away") if len(handshakes) == 2 else None

    async def break_off(line):
        await hear(line)
        await line.send(ready())
        await line.close(1001)

    async def answer(line):
        await hear(line)
        await line.send(ready())
        assert await hear(line) == {"type": "end"}
        await line.send(packed("end"))

    with (
        scripted(break_off, answer, process_request=away) as url,
        Client(url, retry_s=0) as client,
        client.stream(RATES) as stream,
    ):
        stream.end()
        assert list(stream) == []
    assert len(handshakes) == 3
