"""What answers or remembers is killed under load: every request ends, and the server is itself again by itself."""

import threading
from concurrent.futures import ThreadPoolExecutor

import minutes
import people
import pytest
from asking import asking
from command import START_S, serving, until

from wesadlib.serving import Client


def check_answers(asked, expected):
    for one in asked:
        if one.status == 200:
            assert one.answer["probabilities"] == pytest.approx(expected[one.which], abs=1e-6)
        else:
            # Gone for a moment, or too many: a problem, which says when to ask again.
            assert (one.status, one.answer.get("status"), one.headers.get("retry-after")) == (503, 503, "1")


def check_stream(predictions, bundle, recording):
    assert [prediction.start_s for prediction in predictions] == [5.0 * k for k in range(len(predictions))]
    assert predictions[-1].end_s == pytest.approx(240.0)
    windows = [(minutes.cut(recording, one.start_s), minutes.RATES_HZ) for one in predictions]
    for prediction, offline in zip(predictions, bundle.predict_windows(windows), strict=True):
        assert prediction.answer.status == offline.status
        if offline.status == "ok":
            assert prediction.answer.probabilities == pytest.approx(offline.probabilities, abs=1e-6)


def again_and_again(over, call):
    """What a call gives until all is over."""
    results = []
    while not over.is_set():
        results.append(call())
    return results


def kill_one(command, replicas):
    """Kill a replica and wait until another answers in its place; gives its process id."""
    victim = command.replicas()[0]
    victim.kill()
    until(lambda: victim.pid not in {one.pid for one in command.replicas()}, START_S)
    until(lambda: len(command.replicas()) == replicas and command.answers(), START_S)
    return victim.pid


def test_killed_replicas_lose_no_request_no_rest_and_no_stream(tmp_path, old_bundle, replicas, short):
    """Who asks once is told when to ask again; our own clients see none of it."""
    expected, recording = people.probabilities(old_bundle), minutes.wrist_recording(3)
    over, victims, kills, rate = threading.Event(), [], *((2, 20) if short else (10, 200))
    with (
        serving(tmp_path, old_bundle.folder, replicas, queue_length=64) as command,
        Client(command.client.url, START_S, retry_s=START_S) as patient,
        ThreadPoolExecutor(2) as threads,
        asking(command.client.url, people.BODIES, rate) as asked,
    ):
        rest = patient.rest(people.at_rest()).token
        known = patient.predict(*people.WINDOWS[0], rest=rest)
        calls = threads.submit(again_and_again, over, lambda: patient.predict(*people.WINDOWS[0], rest=rest))
        streams = threads.submit(again_and_again, over, lambda: patient.replay(recording, speed=16.0))
        try:
            for k in range(kills):
                until(lambda: sum(one.status == 200 for one in asked) >= 40 * (k + 1), START_S)  # noqa: B023
                victims.append(kill_one(command, replicas))
            before = len(asked)
            until(lambda: sum(one.status == 200 for one in asked[before:]) >= 40, START_S)
        finally:
            over.set()
        answers, replays = calls.result(START_S), streams.result(START_S)
        metrics = patient.metrics()
    check_answers(asked, expected)
    for answer in answers:
        assert (answer.protocol, answer.model_version) == ("rest_calibrated", known.model_version)
        assert answer.probabilities == pytest.approx(known.probabilities, abs=1e-6)
    for predictions in replays:
        check_stream(predictions, old_bundle, recording)
    # What the dead ones counted stays, what they held goes.
    assert not [pid for pid in victims if f'pid="{pid}"' in metrics]
    assert metrics.count("wesad_model_info{") == replicas


def test_a_killed_store_of_drift_is_noticed_by_nobody_else(tmp_path, old_bundle):
    expected = people.probabilities(old_bundle)
    with (
        serving(tmp_path, old_bundle.folder) as command,
        asking(command.client.url, people.BODIES, 5) as asked,
    ):
        command.client.drift()
        victim = command.drift_store()
        victim.kill()
        until(lambda: [store.pid for store in command.processes("ray::DriftStore")] not in ([], [victim.pid]), START_S)
        until(lambda: command.answers("drift"), START_S)
    assert {one.status for one in asked} == {200}
    check_answers(asked, expected)
