"""More than can be answered: a refusal at once for what is too much, answers in time for the rest, and no aftermath."""

from itertools import pairwise

import numpy as np
import people
import pytest
from asking import asking
from command import serving

from wesadlib.serving import load
from wesadlib.serving.wire import CONTENT_TYPES

#: Windows of a batch, and those that may wait.
BATCH, QUEUE = 16, 64
ANSWER_S = 5.0


@pytest.fixture(scope="module")
def command(tmp_path_factory, old_bundle):
    settings = {"queue_length": QUEUE, "batch_size": BATCH, "request_time_s": ANSWER_S}
    with serving(tmp_path_factory.mktemp("saturated"), old_bundle.folder, **settings) as command:
        yield command


@pytest.fixture(scope="module")
def target(command):
    return load.Target(command.port, "/predict/batch", CONTENT_TYPES["binary"], tuple(people.BATCHES))


@pytest.fixture(scope="module")
def clients():
    with load.clients() as executor:
        yield executor


def test_past_saturation_what_is_too_much_is_refused_and_the_rest_is_answered_in_time(command, target, clients, short):
    seconds = 8 if short else 60
    alone = clients.submit(load.closed_loop, target, 1, 4).result()
    per_s = len(clients.submit(load.closed_loop, target, 4, 4).result()) / 4
    found = clients.submit(load.open_loop, target, 2 * per_s, seconds).result()
    answered = found[found["status"] == 200]
    assert set(found["status"]) == {200, 503}
    # It goes on answering at about its own rate.
    assert len(answered) > 0.3 * per_s * seconds
    assert found["milliseconds"].max() < 1e3 * ANSWER_S
    # What waits before a request, what is being computed, and itself; the clients take half of the machine.
    batches = QUEUE / BATCH + 3
    assert answered["milliseconds"].quantile(0.99) < 3 * batches * alone["milliseconds"].median() + 250
    afterwards = clients.submit(load.closed_loop, target, 1, 3).result()
    assert set(afterwards["status"]) == {200}
    assert afterwards["milliseconds"].median() < 2 * alone["milliseconds"].median() + 20


def test_a_refusal_says_when_to_ask_again(command, target, clients):
    per_s = len(clients.submit(load.closed_loop, target, 4, 2).result()) / 2
    others = clients.submit(load.open_loop, target, 2 * per_s, 5)
    with asking(command.client.url, people.BODIES, 20) as asked:
        others.result()
    refused = [one for one in asked if one.status != 200]
    assert refused and {one.status for one in refused} == {503}
    for one in refused:
        assert one.headers["content-type"] == "application/problem+json"
        assert int(one.headers["retry-after"]) >= 1
        assert one.answer["status"] == 503 and "waiting" in one.answer["detail"]
    sent = np.sort([one.sent_s for one in asked])
    assert max(after - before for before, after in pairwise(sent)) < 1.0
