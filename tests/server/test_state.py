"""What a running server remembers and counts, over its client."""

import minutes
import pytest

from wesadlib.bundle import load_bundle
from wesadlib.serving import RequestRefused

REST = [(minutes.wrist_signals(seed=11), minutes.RATES_HZ), (minutes.wrist_signals(60.0, 11, 0.05), minutes.RATES_HZ)]
LATER = (minutes.wrist_signals(seed=11, arousal=1.0), minutes.RATES_HZ)


def test_a_person_whose_rest_is_known_is_answered_by_it_until_forgotten(server, served_bundle):
    bundle = load_bundle(served_bundle)
    rest = server.rest("ann", REST)
    assert (rest.person, rest.windows, rest.model_version) == ("ann", 2, bundle.version)
    known, unknown = server.predict(*LATER, rest=rest.rest), server.predict(*LATER)
    assert (known.protocol, unknown.protocol) == ("rest_calibrated", "cold_start")
    expected = bundle.predict_window(*LATER, profile=bundle.rest_profile(REST))
    assert known.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    (batched,) = server.predict_batch([LATER], rest=rest.rest, form="binary")
    assert batched.probabilities == pytest.approx(known.probabilities, abs=1e-6)
    forgotten = server.forget("ann")
    assert (forgotten.person, forgotten.rests) == ("ann", 1)
    with pytest.raises(RequestRefused, match="404"):
        server.predict(*LATER, rest=rest.rest)


def test_counts_rise_by_what_was_sent(server):
    def count(name):
        lines = (line for line in server.metrics().splitlines() if line.startswith(name))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = count('wesad_windows_total{outcome="rejected"')
    server.predict_batch([(LATER[0] | {"wrist_temp": [0.0] * 240}, LATER[1])] * 3)
    assert count('wesad_windows_total{outcome="rejected"') == before + 3
    assert count("wesad_requests_total{replica") + count("wesad_requests_total") > 0


def test_drift_says_why_it_cannot_be_judged(server):
    report = server.drift()
    assert report.alarm is None and "no reference" in report.note
