"""What answers or remembers is killed under load: every request ends, and the server is itself again by itself."""

import time
from concurrent.futures import ThreadPoolExecutor

import minutes
import people
import pytest
from asking import BROKEN, asking
from command import serving, until

from wesadlib.serving import RequestRefused

#: Seconds after which it has to be as before.
BACK_S = 10.0
#: Overloaded or gone for a moment, in a word of the app, of what stands before it, or of the kernel.
PASSING = {BROKEN, 500, 502, 503, 504}


def check_killed(asked, killed_s, expected):
    """Errors only after the kill and for a while; before and after, and meanwhile where there is one, right answers."""
    wrong = [one for one in asked if one.status != 200]
    assert {one.status for one in wrong} <= PASSING
    assert all(killed_s - 1 < one.ended_s < killed_s + BACK_S for one in wrong), wrong
    for one in asked:
        if one.status == 200:
            assert one.answer["probabilities"] == pytest.approx(expected[one.which], abs=1e-6)
    assert sum(one.sent_s > killed_s + BACK_S for one in asked) > 20


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
        rest = command.client.rest("somebody", people.at_rest()).rest
        known = command.client.predict(*people.WINDOWS[0], rest=rest)
        stream = threads.submit(command.client.replay, recording, speed=16.0)
        time.sleep(5)
        victim = command.replicas()[0]
        killed_s = time.monotonic()
        victim.kill()
        time.sleep(BACK_S + 3)
        again = command.client.predict(*people.WINDOWS[0], rest=rest)
        predictions = stream.result(60)
        until(lambda: len(command.replicas()) == replicas, BACK_S)
        assert victim.pid not in {replica.pid for replica in command.replicas()}
    check_killed(asked, killed_s, expected)
    assert (again.protocol, again.model_version) == ("rest_calibrated", known.model_version)
    assert again.probabilities == pytest.approx(known.probabilities, abs=1e-6)
    check_stream(predictions, old_bundle, recording)


def test_a_killed_store_forgets_handles_and_nothing_else(tmp_path, old_bundle):
    expected = people.probabilities(old_bundle)
    with (
        serving(tmp_path, old_bundle.folder) as command,
        asking(command.client.url, people.BODIES, 20) as asked,
    ):
        client = command.client
        before = client.rest("somebody", people.at_rest()).rest
        assert client.predict(*people.WINDOWS[0], rest=before).protocol == "rest_calibrated"
        killed = command.store()
        killed.kill()
        seen = []

        def unknown():
            with pytest.raises(RequestRefused) as refused:
                client.predict(*people.WINDOWS[0], rest=before)
            seen.append(refused.value.status)
            return refused.value.status == 404

        until(unknown, BACK_S)
        assert set(seen) <= {404, 503}
        assert command.store().pid != killed.pid
        after = client.rest("somebody", people.at_rest()).rest
        assert after != before
        assert client.predict(*people.WINDOWS[0], rest=after).protocol == "rest_calibrated"
        assert client.drift() is not None
        assert "wesad" in client.metrics()
    # Who named no rest noticed nothing.
    assert {one.status for one in asked} == {200}
    for one in asked:
        assert one.answer["probabilities"] == pytest.approx(expected[one.which], abs=1e-6)
