"""More than can be answered: a refusal at once for what is too much, answers for the rest, and no aftermath."""

import time

import people
from asking import asking
from command import serving

#: Windows that may wait; a batch has 16.
QUEUE = 64


def test_past_saturation_what_is_too_much_is_refused_and_the_rest_is_answered(tmp_path, old_bundle, short):
    seconds = 8 if short else 60
    with serving(tmp_path, old_bundle.folder, queue_length=QUEUE) as command:
        begun = time.monotonic()
        for _ in range(20):
            command.client.predict_batch(people.WINDOWS * 4, form="binary")
        per_s = 20 / (time.monotonic() - begun)
        with asking(command.client.url, people.BATCHES, 4 * per_s, "/predict/batch") as asked:
            time.sleep(seconds)
        # Neither the server's time for a request nor the client's is exceeded, which would be 504 or no status.
        assert {one.status for one in asked} == {200, 503}
        assert sum(one.status == 200 for one in asked) > 0.2 * per_s * seconds
        for one in asked:
            if one.status == 503:
                assert one.headers["content-type"] == "application/problem+json"
                assert int(one.headers["retry-after"]) >= 1
                assert one.answer["status"] == 503
        afterwards = command.client.predict_batch(people.WINDOWS * 4, form="binary")
        assert {answer.status for answer in afterwards} == {"ok"}
        assert 'outcome="answered"' in command.client.metrics()
