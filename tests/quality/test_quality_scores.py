"""Each score against its definition, taken window by window and sample by sample."""

import numpy as np
import pytest

from wesadlib.quality.scores import (
    LARGEST_RATIO,
    LONGEST_BEAT_S,
    SHORTEST_BEAT_S,
    STILL_G,
    TEMPLATE_CORRELATION,
    beat_plausibility,
    in_range,
    longest_quiet_s,
    stillness,
)

LOW, HIGH = 0.7, 40.2


def by_window(function, *others):
    """Scores that a function gives of one window at a time."""
    return np.array([function(*one) for one in zip(*others, strict=True)], float)


def one_beat_plausibility(beat_s, values, rate_hz, window_s):
    beats = beat_s[~np.isnan(beat_s)]
    if len(beats) < 3:
        return 0.0
    intervals = np.diff(beats)
    typical, time = np.median(intervals), np.arange(len(values)) / rate_hz
    cuts = []
    for beat in beats:
        points = beat + typical * np.linspace(-0.5, 0.5, 32)
        if points[0] < 0 or points[-1] * rate_hz > len(values) - 1:
            cuts.append(None)
            continue
        cut = np.interp(points, time, values.astype(float))
        norm = np.sqrt(((cut - cut.mean()) ** 2).sum())
        cuts.append((cut - cut.mean()) / norm if norm > 1e-12 else np.zeros(32))
    template = np.sum([np.zeros(32), *(cut for cut in cuts if cut is not None)], axis=0)
    template /= max(np.sqrt((template**2).sum()), 1e-12)
    alike = [cut is None or cut @ template >= TEMPLATE_CORRELATION for cut in cuts]
    factor = np.sqrt(LARGEST_RATIO)
    plausible = [
        max(SHORTEST_BEAT_S, typical / factor) <= interval <= min(LONGEST_BEAT_S, typical * factor) and here and there
        for interval, here, there in zip(intervals, alike[:-1], alike[1:], strict=True)
    ]
    covered = intervals[plausible].sum()
    covered += alike[0] * min(beats[0], LONGEST_BEAT_S) + alike[-1] * min(window_s - beats[-1], LONGEST_BEAT_S)
    return min(covered / window_s, 1.0) if any(plausible) else 0.0


def make_beats(generator, n=12, window_s=30.0, rate_hz=20.0):
    """Windows of beats, some of which are noise, missing, alike but upside down, or come at a wrong time."""
    beat_s = np.full((n, 80), np.nan)
    values = generator.normal(0, 0.05, (n, round(window_s * rate_hz))).astype(np.float32)
    time = np.arange(values.shape[1]) / rate_hz
    for k in range(n):
        beats = np.cumsum(generator.uniform(0.3, 1.6) * np.exp(generator.normal(0, generator.uniform(0, 0.4), 80)))
        beats = beats[beats < window_s][: generator.choice([0, 2, 3, 80], p=[0.05, 0.05, 0.1, 0.8])]
        height = generator.choice([1, 1, 1, -1, 0.1], len(beats))
        values[k] += sum((h * np.exp(-0.5 * ((time - b) / 0.1) ** 2) for h, b in zip(height, beats, strict=True)), 10.0)
        first = generator.integers(len(time))
        values[k, first : first + generator.integers(120)] = generator.choice([np.nan, 3.0])
        beat_s[k, : len(beats)] = beats
    return beat_s, values


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


@pytest.mark.parametrize("seed", range(40))
def test_beats_are_plausible_as_defined(seed):
    beat_s, values = make_beats(np.random.default_rng(seed))
    expected = by_window(lambda beats, one: one_beat_plausibility(beats, one, 20.0, 30.0), beat_s, values)
    np.testing.assert_allclose(beat_plausibility(beat_s, values, 20.0, 30.0), expected, atol=1e-9)


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
