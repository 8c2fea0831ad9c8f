"""What a client of streams does when the server is silent, full, gone, or says no: held against one by the script."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from scripts import RATES, hear, packed, prediction, ready, scripted, seconds
from websockets.exceptions import ConnectionClosed

from wesadlib.errors import InputError
from wesadlib.serving import AsyncClient, Client, RequestRefused, StreamLost


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


def test_a_server_that_forgets_and_finds_a_stream_in_turn_is_not_asked_for_ever(monkeypatch):
    breaks = iter([0.0, 10.0, 21.0])
    monkeypatch.setattr("wesadlib.serving.stream_client.time", SimpleNamespace(monotonic=lambda: next(breaks)))
    monkeypatch.setattr("wesadlib.serving.stream_client._PAUSE_S", 0.0)

    def having(samples):
        async def fail(line):
            await hear(line)
            await line.send(ready(**dict.fromkeys(RATES, samples)))
            await line.close(1011)

        return fail

    with (
        scripted(having(40), having(0), having(40)) as url,
        Client(url, retry_s=0) as client,
        client.stream(RATES) as stream,
        pytest.raises(StreamLost, match="at the same place again and again"),
    ):
        list(stream)


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


def test_what_answers_but_is_no_stream_is_told():
    def answer(connection, request):
        return connection.respond(200, "hello")

    unopened = pytest.raises(StreamLost, match=r"no stream could be opened at ws://.* HTTP 200")
    with scripted(process_request=answer) as url, Client(url) as client, unopened:
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


def test_a_server_that_is_not_there_is_told_after_the_time_to_try():
    with scripted() as url:
        pass
    with Client(url, retry_s=0.2) as client, pytest.raises(StreamLost, match="no stream could be opened"):
        client.stream(RATES).__enter__()
