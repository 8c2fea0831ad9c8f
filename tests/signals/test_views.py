"""A recording's course and what a beat loses, from recordings whose answers are known."""

import numpy as np
import pytest
from signal_toys import make_recording, native_minutes

from wesadlib.data import CHANNELS
from wesadlib.signals import cut_window
from wesadlib.signals.views import power_spectrum, resampling_loss, windowed_trend


def test_a_course_tells_heart_rate_and_skin_conductance_whatever_the_labels():
    recording = make_recording(np.zeros(150 * 700, int))
    recording.signals["wrist_eda"][:] = np.repeat([1.0, 3.0], 300)
    course = windowed_trend(recording, "wrist")
    assert course["time_s"].tolist() == [30, 60, 90, 120]
    assert course["eda"].tolist() == [1, pytest.approx(1.5), pytest.approx(2.5), 3]
    np.testing.assert_allclose(course["heart_rate"], 72, atol=0.3)


def test_a_course_has_no_heart_rate_where_no_beat_can_be_read():
    recording = make_recording(np.zeros(120 * 700, int))
    recording.signals["wrist_bvp"][: 64 * 45] = 0
    recording.signals["wrist_eda"][: 4 * 60] = np.nan
    course = windowed_trend(recording, "wrist", hop_s=60)
    assert np.isnan(course["heart_rate"]).tolist() == [True, False]
    assert np.isnan(course["eda"]).tolist() == [True, False]


def test_a_cut_starts_at_the_nearest_sample():
    recording = make_recording(np.zeros(90 * 700, int))
    minute, rates_hz = cut_window(recording, ["wrist_eda", "wrist_bvp"], 10.1, 60)
    assert list(minute) == ["wrist_eda", "wrist_bvp"]
    assert rates_hz == {"wrist_eda": 4, "wrist_bvp": 64}
    np.testing.assert_array_equal(minute["wrist_eda"], recording.signals["wrist_eda"][40:280])
    np.testing.assert_array_equal(minute["wrist_bvp"], recording.signals["wrist_bvp"][646 : 646 + 3840])


def losses(device, source):
    minute = native_minutes(device)
    rates_hz = {name: CHANNELS[name][1] for name in minute}
    return resampling_loss(minute, rates_hz, source, rate_hz=35.0, window_s=60.0)


def test_a_sharp_beat_loses_height_and_a_round_one_does_not():
    sharp, blunt = losses("chest", "chest_ecg"), losses("wrist", "wrist_bvp")
    assert 0.4 < sharp["height_kept"] < 0.95
    assert 0.05 < sharp["power_lost"] < 0.5
    assert blunt["height_kept"] == pytest.approx(1, abs=0.05)
    assert blunt["power_lost"] < 0.01


def test_rounding_beats_to_samples_costs_what_uniform_errors_cost():
    # Intervals of 1/1.2 s are no multiple of 1/35 s: each beat is off by up to half a sample.
    assert 5 < losses("chest", "chest_ecg")["interval_error_ms"] < 1000 / 35


def test_nothing_is_said_of_beats_that_are_not_there():
    minute, rates_hz = {"wrist_bvp": np.zeros(3840)}, {"wrist_bvp": 64.0}
    lost = resampling_loss(minute, rates_hz, "wrist_bvp", rate_hz=35.0, window_s=60.0)
    assert np.isnan(list(lost.values())).all()


def test_the_spectrum_peaks_where_the_wave_is():
    frequency, power = power_spectrum(np.sin(2 * np.pi * 5 * np.arange(3840) / 64), 64)
    assert frequency[power.argmax()] == 5
