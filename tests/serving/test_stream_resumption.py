"""A stream whose connection dropped goes on where it was, once, for whoever began it, for as long as it is kept."""

import asyncio

import msgpack
import pytest
from bodies import RATES
from fastapi.testclient import TestClient
from lines import hold_against, line, samples, start
from services import make_service
from starlette.websockets import WebSocketDisconnect

from wesadlib.serving import stream_conversation
from wesadlib.serving.app import make_app
from wesadlib.serving.stream_conversation import Conversation


@pytest.fixture(autouse=True)
def no_search(monkeypatch):
    """What is not parked is not waited for."""
    monkeypatch.setattr(stream_conversation, "CLAIM_S", 0.0)
    monkeypatch.setattr(stream_conversation, "CLAIM_EVERY_S", 0.0)


@pytest.fixture
def service(bundle):
    return make_service(bundle)


@pytest.fixture
def client(service):
    with TestClient(make_app(service)) as client:
        yield client


def drop(client, **fields):
    """Begin a stream with 80 s in hops of 15 s, and leave it after the two answers of those; gives its session."""
    with line(client) as talk:
        talk.say(start(hop_s=15.0, **fields))
        session = talk.hear()["session"]
        talk.say(samples(0, 80))
        assert [talk.hear()["start_s"], talk.hear()["start_s"]] == [0.0, 15.0]
    return session


def take_up(client, **fields):
    """What is said to whoever asks for a stream, and leaves at once."""
    with line(client) as talk:
        talk.say(start(**{"hop_s": 15.0} | fields))
        return talk.hear()


NOTHING = dict.fromkeys(RATES, 0)
ALL_SENT = {name: round(80 * rate) for name, rate in RATES.items()}


def test_a_dropped_stream_goes_on_where_it_was(client, bundle):
    with line(client) as talk:
        talk.say(start(hop_s=15.0))
        session = talk.hear()["session"]
        talk.say(samples(0, 80))
        before = [talk.hear(), talk.hear()]
    with line(client) as talk:
        talk.say(start(hop_s=15.0, session=session))
        ready = talk.hear()
        assert ready["session"] == session
        assert ready["next"] == {name: round(80 * rate) for name, rate in RATES.items()}
        talk.say(samples(80, 150))
        talk.say({"type": "end"})
        after, _ = talk.until_end()
    hold_against(before + after, bundle, 15.0)
    with line(client) as talk:
        talk.say(start(hop_s=15.0, session=session))
        ready = talk.hear()
        assert ready["session"] != session and set(ready["next"].values()) == {0}


@pytest.mark.parametrize("person", ["P-2", None])
def test_another_person_does_not_go_on_with_a_stream(client, person):
    session = drop(client, person="P-1")
    fresh = take_up(client, session=session, **{"person": person} if person else {})
    assert fresh["session"] != session and fresh["next"] == NOTHING
    assert take_up(client, session=session, person="P-1")["next"] == ALL_SENT


@pytest.mark.parametrize(("fields", "name"), [({"start_s": 1.0}, "start_s"), ({"hop_s": 20.0}, "session")])
def test_a_start_that_is_refused_leaves_the_stream_where_it_is(client, service, fields, name):
    session = drop(client, person="P-1")
    problem = take_up(client, session=session, person="P-1", **fields)
    assert (problem["status"], [item["name"] for item in problem["errors"]]) == (422, [name])
    assert take_up(client, session=session, person="P-1")["next"] == ALL_SENT
    take_up(client, session=session, person="P-1", **fields)
    assert service.store.store.forget("P-1").streams == 1


def test_a_stream_is_gone_on_with_by_one_connection_only(client):
    session = drop(client)
    with line(client) as one, line(client) as other:
        for talk in (one, other):
            talk.say(start(hop_s=15.0, session=session))
        assert sorted((talk.hear()["session"] == session) for talk in (one, other)) == [False, True]


def test_a_stream_that_was_dropped_for_longer_than_it_is_kept_begins_anew(client, service):
    clock = service.store.store._clock
    session = drop(client)
    service.store.store._clock = lambda: clock() + service.settings.grace_s + 1
    ready = take_up(client, session=session, start_s=30.0)
    assert ready["session"] != session
    assert ready["next"] == {name: round(30 * rate) for name, rate in RATES.items()}


class Dropping:
    """A connection by the script, on which nothing can be sent any more after so many messages."""

    def __init__(self, *messages, sent):
        self.messages, self.left, self.heard = list(messages), sent, []

    async def receive(self):
        if not self.messages:
            return {"type": "websocket.disconnect", "code": 1006}
        return {"type": "websocket.receive", "bytes": msgpack.packb(self.messages.pop(0)), "text": None}

    async def send_bytes(self, body):
        if not self.left:
            raise WebSocketDisconnect(1006)
        self.left -= 1
        self.heard.append(msgpack.unpackb(body))

    async def close(self, code):
        self.code = code


async def converse(service, *messages, sent=100):
    """What is heard on a connection that drops."""
    websocket = Dropping(*messages, sent=sent)
    conversation = Conversation(service, websocket)
    await conversation.end(await conversation.attend())
    return websocket.heard


@pytest.mark.parametrize("wanted", [{}, {"start_s": 15.0}])
def test_a_window_that_could_not_be_said_is_said_after_all(service, bundle, wanted):
    async def drop_at_the_second():
        ready, *before = await converse(service, start(hop_s=15.0), samples(0, 55), samples(55, 80), sent=2)
        begun = start(hop_s=15.0, session=ready["session"], **wanted)
        again, *after = await converse(service, begun, samples(55, 150), {"type": "end"})
        assert again["session"] == ready["session"]
        # The samples of the window that was lost are asked for again.
        assert again["next"] == {name: round(55 * rate) for name, rate in RATES.items()}
        assert after.pop() == {"type": "end"}
        return before + after

    hold_against(asyncio.run(drop_at_the_second()), bundle, 15.0)
