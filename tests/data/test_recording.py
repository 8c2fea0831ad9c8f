"""A part of a recording is the recording, later and shorter."""

import minutes
import numpy as np


def test_a_part_holds_the_samples_of_its_time_and_begins_at_zero():
    recording = minutes.wrist_recording(0)
    part = recording.between(30.5, 90.5)
    assert part.duration_s == 60
    for name, signal in part.signals.items():
        rate_hz = signal.attrs["rate_hz"]
        first = round(30.5 * rate_hz)
        np.testing.assert_array_equal(signal, recording.signals[name][first : first + round(60 * rate_hz)])
        np.testing.assert_allclose(signal["time"], np.arange(len(signal)) / rate_hz)
        assert signal.attrs == recording.signals[name].attrs
    assert recording.between(230, 1000).duration_s == 10
