"""What a client of streams does when the server is silent, full, gone, or says no: held against one by the script."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import BREAK, HEAR, HEAR_ALL, RATES, hear, packed, plays, prediction, ready, scripted, seconds

from wesadlib.errors import InputError
from wesadlib.serving import AsyncClient, Client, RequestRefused, StreamLost, stream_client
from wesadlib.serving.wire import Chunk

PROBLEM = packed(
    "problem", title="x", status=422, detail="No.", errors=[{"name": "channels.wrist_eda", "detail": "no"}]
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(stream_client, "_PAUSE_S", 0.0)


@pytest.mark.parametrize("broken", [False, True])
def test_a_recording_sent_at_once_waits_for_no_prediction_to_be_read(broken):
    async def answer_before_reading_on(line):
        await hear(line)
        await line.send(ready())
        for number in range(120):
            assert (await hear(line))["type"] == "samples"
            # More than the connection's buffers hold: whoever does not read this cannot send.
            await line.send(prediction(number, reasons=60))
        assert await hear(line) == {"type": "end"}
        await line.send(packed("end"))

    scripts = [*[plays(HEAR, ready(), HEAR_ALL, BREAK)] * broken, answer_before_reading_on]
    # Nor do the samples fit into buffers.
    rates_hz = {"chest_ecg": 7000.0}
    with scripted(*scripts) as url, Client(url) as client, client.stream(rates_hz) as stream:
        stream.send({"chest_ecg": np.zeros(1200 * 7000, np.float32)})
        stream.end()
        assert [found.start_s for found in stream] == [5.0 * number for number in range(120)]


def test_what_was_lost_is_said_again_from_the_first_window_not_answered():
    begun, heard = [], []
    # It breaks off once both are read, which whoever resets a connection cannot be sure of.
    break_off = plays(HEAR, ready(), HEAR, prediction(0, score=1.5), prediction(2), HEAR, BREAK, heard=begun)
    following = ready(wrist_bvp=640, wrist_eda=44)
    go_on = plays(HEAR, following, HEAR_ALL, prediction(3), packed("end"), heard=heard)
    with scripted(break_off, go_on) as url, Client(url) as client, client.stream(RATES, person="P-1") as stream:
        stream.send(seconds(0, 10))
        predictions = iter(stream)
        assert [next(predictions).start_s, next(predictions).start_s] == [0.0, 10.0]
        stream.send(seconds(10, 20))
        stream.end()
        assert [found.start_s for found in predictions] == [15.0]
    first, (second, *rest, _) = begun[0], heard
    assert (first.get("start_s"), first["person"]) == (None, "P-1")
    assert second == first | {"start_s": 15.0, "scores": np.array([1.5, np.nan, np.nan]).tobytes()}
    for name, begin in (("wrist_bvp", 640), ("wrist_eda", 44)):
        parts = [part["channels"][name] for part in rest if name in part["channels"]]
        values = np.concatenate([np.frombuffer(part["samples"], part["dtype"]) for part in parts])
        assert parts[0]["first"] == begin
        np.testing.assert_array_equal(values, np.arange(begin, 20 * RATES[name]))


def test_a_server_that_fails_at_the_same_window_each_time_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr(stream_client, "_MOST_BREAKS", 2)
    heard = []
    fail = plays(HEAR, ready(), HEAR, 1011, heard=heard)
    scripts = fail, fail, plays(HEAR, ready(), HEAR, prediction(0), 1011, heard=heard), fail, fail
    with scripted(*scripts) as url, Client(url, retry_s=0) as client, client.stream(RATES, hop_s=5.0) as stream:
        stream.send(seconds(0, 20))
        with pytest.raises(StreamLost, match="at the same place again and again"):
            list(stream)
    starts = [message.get("start_s") for message in heard if message["type"] == "start"]
    assert starts == [None, None, None, 5.0, 5.0]


@pytest.mark.parametrize("use", [lambda stream: stream.send(seconds(0, 1)), lambda stream: stream.end(), list])
def test_a_stream_that_is_not_open_is_told_so(use):
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match="inside the `with` that opens it"):
        use(client.stream(RATES))


def test_what_answers_but_is_no_stream_and_what_is_not_there_are_told():
    def answer(connection, request):
        return connection.respond(200, "hello")

    unopened = pytest.raises(StreamLost, match=r"no stream could be opened at ws://.* HTTP 200")
    with scripted(process_request=answer) as url, Client(url) as client, unopened:
        client.stream(RATES).__enter__()
    with Client(url, retry_s=0.2) as client, pytest.raises(StreamLost, match="no stream could be opened"):
        client.stream(RATES).__enter__()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("end", "error", "words"),
    [
        ([1008], StreamLost, "1008"),
        ([1009], StreamLost, "1009"),
        ([PROBLEM, 1008], RequestRefused, r"422 No\. channels\.wrist_eda: no"),
    ],
)
async def test_what_would_be_refused_again_is_not_said_again_and_raised_wherever_the_stream_is_asked(end, error, words):
    with scripted(plays(HEAR, ready(), HEAR, *end)) as url:
        async with AsyncClient(url) as client, client.stream(RATES) as stream:
            await stream.send(seconds(0, 1))
            for _ in range(2):
                with pytest.raises(error, match=words):
                    await anext(stream)
            with pytest.raises(error):
                await stream.end()
            with pytest.raises(error):
                await stream.send(seconds(1, 2))


def test_a_token_that_is_not_known_is_a_refusal_and_a_known_one_is_sent():
    def check(connection, request):
        known = request.headers.get("authorization") == "Bearer secret"
        return None if known else connection.respond(401, "who?")

    with scripted(plays(HEAR, ready(), HEAR, packed("end")), process_request=check) as url:
        with Client(url) as client, pytest.raises(RequestRefused, match="401 who"), client.stream(RATES):
            pass
        with Client(url, token="secret") as client, client.stream(RATES) as stream:
            stream.end()
            assert list(stream) == []


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_sample_is_lost_and_no_message_is_long(data):
    lengths = {name: data.draw(st.integers(0, round(25 * rate)), name) for name, rate in RATES.items()}
    signals = {name: np.arange(length, dtype=np.float32) for name, length in lengths.items()}
    for values in signals.values():
        values[data.draw(st.lists(st.integers(0, max(len(values) - 1, 0)), max_size=8 * bool(len(values))))] = np.nan
    joined = {name: np.zeros(0, np.float32) for name in RATES}
    for chunk in stream_client._cut({name: Chunk(0, values) for name, values in signals.items()}, RATES):
        for name, (first, values) in chunk.items():
            assert first == len(joined[name]) and 0 < len(values) <= 10 * RATES[name]
            joined[name] = np.append(joined[name], values)
    for name, values in joined.items():
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
    for minute in range(6):
        stream.send(seconds(60 * minute, 60 * minute + 60))
        assert next(predictions).start_s == 60 * minute
        kept = sum(len(samples.values) for chunk in stream._awaited._kept for samples in chunk.values())
        assert kept <= 60 * sum(RATES.values())
    stream.end()


@pytest.mark.parametrize("retry_s", [0, 30.0])
def test_a_server_that_is_full_or_away_for_a_while_is_waited_for_although_no_call_is_repeated(retry_s):
    handshakes = []

    def away(connection, request):
        handshakes.append(request)
        return connection.respond(503, "away") if len(handshakes) == 2 + bool(retry_s) else None

    full = plays(packed("problem", title="x", status=503, detail="Later.", errors=[]), 1013)
    last = plays(HEAR, ready(), HEAR_ALL, packed("end"))
    scripts = [*[full] * bool(retry_s), plays(HEAR, ready(), 1001 if retry_s else 1012), full, last]
    with (
        scripted(*scripts, process_request=away) as url,
        Client(url, retry_s=retry_s) as client,
        client.stream(RATES) as stream,
    ):
        stream.send(seconds(0, 2))
        stream.end()
        assert list(stream) == []
    assert len(handshakes) == 4 + bool(retry_s)
