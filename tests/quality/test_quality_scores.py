"""Scores of windows whose answer is known."""

import numpy as np
import pytest

from wesadlib.quality.scores import (
    STILL_G,
    beat_plausibility,
    in_range,
    longest_quiet_s,
    stillness,
)

LOW, HIGH = 0.7, 40.2


def test_stillness_is_told_on_either_side_of_its_limit():
    swing = np.tile([1.0, -1.0], 30)
    acceleration = 1 + np.stack([swing * STILL_G * factor for factor in (0.999, 1.001)])[:, None]
    acceleration = np.pad(acceleration, ((0, 0), (0, 2), (0, 0))).astype(np.float32)
    assert stillness(acceleration, 10.0).tolist() == [1, 0]
    acceleration[0, 1, 15] = np.nan
    acceleration[1, 2, 15:45] = np.inf
    assert stillness(acceleration, 10.0).tolist() == [1, 0]
    assert np.isnan(stillness(np.full((1, 3, 60), np.nan, np.float32), 10.0)).all()
    assert np.isnan(stillness(acceleration[..., :9], 10.0)).all()


def test_a_second_is_quiet_only_below_the_floor_and_without_a_hole():
    values = np.tile(np.array([0, 0.3], np.float32), (4, 60))
    values[1, 60] = values[2, 61] = np.nan
    values[3, 1::2] = np.nextafter(np.float32(0.3), np.float32(0))
    assert longest_quiet_s(values, 4.0, 0.31).tolist() == [30, 15, 15, 30]
    assert longest_quiet_s(values, 4.0, 0.3).tolist() == [0, 0, 0, 30]
    # As float32 it is less than 0.7, and no range is below itself.
    assert longest_quiet_s(values / 0.3 * np.float32(0.7), 4.0, 0.7)[0] == 0
    assert longest_quiet_s(values[:, :39], 4.0, 0.31).tolist() == [0, 0, 0, 0]
    assert longest_quiet_s(values[:, :40], 4.0, 0.31).tolist() == [10, 10, 10, 10]
    assert longest_quiet_s(values[:, :3], 4.0, 0.31).tolist() == [0, 0, 0, 0]


def test_what_is_in_range_is_a_share_of_what_is_there():
    values = np.array([[1, 2, np.nan, 50, np.inf], [np.nan] * 5], np.float32)
    impossible = np.array([[True, False, True, True, False]] * 2)
    np.testing.assert_allclose(in_range(values, LOW, HIGH, impossible), [1 / 4, np.nan])


def test_a_sample_on_a_limit_is_in_range():
    on = np.array([[LOW, HIGH]], np.float32)
    assert in_range(on, *np.float32([LOW, HIGH]), False).tolist() == [1]
    beyond = np.nextafter(on, np.array([-np.inf, np.inf], np.float32))
    assert in_range(beyond, *np.float32([LOW, HIGH]), False).tolist() == [0]


def test_a_beat_that_cannot_be_read_is_unlike_and_spoils_no_other():
    beats = np.arange(0.5, 60, 1.0)
    time = np.arange(2100) / 35
    pulse = sum(np.exp(-0.5 * ((time - beat) / 0.05) ** 2) for beat in beats).astype(np.float32)
    values = np.tile(pulse, (4, 1))
    values[1, 1060:1080] = np.nan
    values[2, 1050:1120] = 0.1
    values[3] += 1e4
    score = beat_plausibility(np.tile(beats, (4, 1)), values, 35.0, 60.0)
    assert score.tolist() == pytest.approx([1, 58 / 60, 57 / 60, 1])


def test_beats_that_cancel_each_other_are_not_alike():
    beats = np.array([[1.0, 2.0, 3.0, 4.0]])
    time = np.arange(200) / 40
    pulse = [
        sign * np.exp(-0.5 * ((time - beat) / 0.05) ** 2) for sign, beat in zip((1, -1, 1, -1), beats[0], strict=True)
    ]
    assert beat_plausibility(beats, np.sum(pulse, axis=0, dtype=np.float32)[None], 40.0, 5.0).tolist() == [0]


def test_a_beat_is_cut_whole_from_the_first_sample_to_the_last():
    beats = np.arange(0.5, 60, 1.0)
    time = np.arange(2101) / 35
    pulse = sum(np.exp(-0.5 * ((time - beat) / 0.05) ** 2) for beat in beats).astype(np.float32)
    values = np.tile(pulse, (3, 1))
    values[1, :35] *= -1
    values[2, -35:] *= -1
    assert beat_plausibility(np.tile(beats, (3, 1)), values, 35.0, 60.0).tolist() == pytest.approx(
        [1, 58.5 / 60, 58.5 / 60]
    )
    assert beat_plausibility(np.tile(beats, (3, 1)), values[:, :-1], 35.0, 60.0).tolist() == pytest.approx(
        [1, 58.5 / 60, 1]
    )


@pytest.mark.parametrize(("correlation", "expected"), [(0.72, 1.0), (0.6, 58 / 60)])
def test_a_beat_is_told_from_the_mean_one_by_its_correlation(correlation, expected):
    # One of sixty cosines is for so much of a cosine, and of twice its frequency, with which it has nothing in common.
    beats, time = np.arange(0.5, 60, 1.0), np.arange(2100) / 35
    first, second = (np.cos(2 * np.pi * k * time) for k in (1, 2))
    other = correlation * first + np.sqrt(1 - correlation**2) * second
    values = np.where((time >= 30) & (time < 31), other, first)
    assert beat_plausibility(beats[None], values[None], 35.0, 60.0)[0] == pytest.approx(expected)
