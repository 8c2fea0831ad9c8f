"""What answers or remembers is killed under load: every request ends, and the server is itself again by itself."""

import time
from concurrent.futures import ThreadPoolExecutor

import minutes
import people
import pytest
from asking import BROKEN, asking
from command import START_S, serving, until

#: Seconds after a kill in which the kernel and HAProxy may not know of it yet.
UNDER_WAY_S = 1.0
#: Seconds for which requests go on after the server is whole again.
AFTER_S = 5.0


def check_answers(asked, expected, killed_s=0.0):
    for one in asked:
        if one.status == 200:
            assert one.answer["probabilities"] == pytest.approx(expected[one.which], abs=1e-6)
        elif one.status == BROKEN:
            # HAProxy closes the connection of what was under way, for the client to ask again.
            assert one.sent_s < killed_s + UNDER_WAY_S
        else:
            # Gone for a moment: a problem, which says when to ask again.
            assert (one.status, one.answer.get("status"), one.headers.get("retry-after")) == (503, 503, "1")


def check_stream(predictions, bundle, recording):
    assert [prediction.start_s for prediction in predictions] == [5.0 * k for k in range(len(predictions))]
    assert predictions[-1].end_s == pytest.approx(240.0)
    windows = [(minutes.cut(recording, one.start_s), minutes.RATES_HZ) for one in predictions]
    for prediction, offline in zip(predictions, bundle.predict_windows(windows), strict=True):
        assert prediction.answer.status == offline.status
        if offline.status == "ok":
            assert prediction.answer.probabilities == pytest.approx(offline.probabilities, abs=1e-6)


def test_a_killed_replica_loses_no_request_no_rest_and_no_stream(tmp_path, old_bundle, replicas):
    expected, recording = people.probabilities(old_bundle), minutes.wrist_recording(3)
    with (
        serving(tmp_path, old_bundle.folder, replicas) as command,
        ThreadPoolExecutor(1) as threads,
        asking(command.client.url, people.BODIES, 20) as asked,
    ):
        rest = command.client.rest(people.at_rest()).token
        known = command.client.predict(*people.WINDOWS[0], rest=rest)
        stream = threads.submit(command.client.replay, recording, speed=16.0)
        time.sleep(5)
        victim = command.replicas()[0]
        killed_s = time.monotonic()
        victim.kill()
        until(lambda: victim.pid not in {one.pid for one in command.replicas()}, START_S)
        until(lambda: len(command.replicas()) == replicas and command.answers(), START_S)
        whole_s = time.monotonic()
        time.sleep(AFTER_S)
        again = command.client.predict(*people.WINDOWS[0], rest=rest)
        predictions = stream.result(START_S)
        metrics = command.client.metrics()
    check_answers(asked, expected, killed_s)
    assert {one.status for one in asked if one.sent_s > whole_s} == {200}
    assert (again.protocol, again.model_version) == ("rest_calibrated", known.model_version)
    assert again.probabilities == pytest.approx(known.probabilities, abs=1e-6)
    check_stream(predictions, old_bundle, recording)
    # What the dead one counted stays, what it held goes.
    assert f'pid="{victim.pid}"' not in metrics and metrics.count("wesad_model_info{") == replicas


def test_a_killed_store_of_drift_is_noticed_by_nobody_else(tmp_path, old_bundle):
    expected = people.probabilities(old_bundle)
    with (
        serving(tmp_path, old_bundle.folder) as command,
        asking(command.client.url, people.BODIES, 20) as asked,
    ):
        command.client.drift()
        victim = command.drift_store()
        victim.kill()
        until(lambda: [store.pid for store in command.processes("ray::DriftStore")] not in ([], [victim.pid]), START_S)
        until(lambda: command.answers("drift"), START_S)
    assert {one.status for one in asked} == {200}
    check_answers(asked, expected)
