import neurokit2 as nk
import numpy as np
import pytest

from wesadlib.features.block import Block
from wesadlib.features.cardiac import CARDIAC, normal_intervals


def describe(beat_s, window_s, **signal):
    block = Block(signal=signal, beat_s={"wrist_bvp": beat_s}, rate_hz=35.0, window_s=window_s)
    return {name.removeprefix("wrist_bvp_"): value for name, value in CARDIAC.extract(block).items()}


def pad(*beat_s, length=240):
    padded = np.full((len(beat_s), length), np.nan)
    for row, beats in enumerate(beat_s):
        padded[row, : len(beats)] = beats
    return padded


def breathing_beats(window_s=60.0, hz=0.25, depth_ms=40.0, seed=0, jitter_ms=0.0):
    generator, beats = np.random.default_rng(seed), [0.2]
    while beats[-1] < window_s:
        wave = depth_ms * np.sin(2 * np.pi * hz * beats[-1])
        beats.append(beats[-1] + (800 + wave + generator.normal(0, jitter_ms)) / 1000)
    return np.array(beats[:-1])


@pytest.mark.parametrize("rate", [45, 72, 150])
def test_regular_beats_give_their_rate_and_no_variability(rate):
    found = describe(pad(np.arange(0, 60, 60 / rate)), 60.0)
    assert found["heart_rate"][0] == pytest.approx(rate)
    assert found["rmssd"][0] == pytest.approx(0, abs=1e-6)
    assert found["sdnn"][0] == pytest.approx(0, abs=1e-6)
    assert found["regular_share"][0] > 0.95


def test_variability_is_neurokits():
    beats = breathing_beats(jitter_ms=15)
    found = describe(pad(beats), 60.0)
    theirs = nk.hrv_time(np.round(beats * 1000).astype(int), sampling_rate=1000)
    count = len(beats) - 1
    assert found["heart_rate"][0] == pytest.approx(60_000 / theirs["HRV_MeanNN"][0], rel=1e-3)
    assert found["rmssd"][0] == pytest.approx(theirs["HRV_RMSSD"][0], rel=0.01)
    assert found["sdnn"][0] * np.sqrt(count / (count - 1)) == pytest.approx(theirs["HRV_SDNN"][0], rel=0.01)
    assert 100 * found["pnn50"][0] == pytest.approx(theirs["HRV_pNN50"][0], abs=2)


def test_a_missed_and_an_invented_beat_change_nothing():
    clean = breathing_beats()
    missed = np.delete(clean, 30)
    invented = np.sort(np.append(clean, clean[40] + 0.3))
    found = describe(pad(clean, missed, invented), 60.0)
    assert found["rmssd"] == pytest.approx(found["rmssd"][0], rel=0.06)
    assert found["heart_rate"] == pytest.approx(found["heart_rate"][0], rel=0.005)


def test_intervals_beside_an_artefact_are_kept():
    interval = normal_intervals(pad(np.delete(np.arange(0, 60, 0.8), 30)))[0]
    assert np.isnan(interval[29])
    assert interval[28] == pytest.approx(800)
    assert interval[30] == pytest.approx(800)


def test_an_interval_that_is_implausible_or_a_fifth_off_its_neighbours_is_none():
    interval = np.array([[800.0, 800, 800, 800, odd, 800, 800, 800, 800] for odd in (645, 635, 955, 965)])
    slow = np.array([1990.0] * 4 + [2010] + [1990] * 4)
    beats = np.pad(np.vstack([interval, slow, 0.12 * slow]).cumsum(axis=1), ((0, 0), (1, 0))) / 1000
    # 249 of twelve hundredths: all of the last are too short, but for the one that is longer.
    kept = ~np.isnan(normal_intervals(beats))
    assert kept[:, 4].tolist() == [True, False, True, False, False, False] and kept[:5, :4].all()
    assert np.isnan(describe(pad([]), 60.0)["regular_share"]).all()


def test_a_heart_that_changes_its_rate_at_once_loses_no_interval():
    beats = np.cumsum([0.8] * 12 + [0.6] * 12)[None]
    assert not np.isnan(normal_intervals(beats)).any()


def test_hf_power_is_the_variance_of_the_breathing():
    found = describe(pad(breathing_beats(depth_ms=30), breathing_beats(depth_ms=30, hz=0.05)), 60.0)
    # An interval is the mean of the heart's period over 0.8 s, which takes a sinc of a wave of 0.25 Hz.
    assert found["hf_power"][0] == pytest.approx(30**2 / 2 / np.sinc(0.8 * 0.25) ** 2, rel=0.05)
    assert found["hf_power"][1] < 0.05 * found["hf_power"][0]


@pytest.mark.parametrize("lost", [1, 2, 3, 7])
def test_hf_power_does_not_confound_with_lost_beats(lost):
    clean, moved = breathing_beats(jitter_ms=5), []
    for seed in range(30):
        gone = np.random.default_rng(seed).choice(np.arange(1, len(clean) - 1), lost, replace=False)
        found = describe(pad(clean, np.delete(clean, gone)), 60.0)["hf_power"]
        moved.append(found[1] / found[0] - 1)
    # Of 10 % and more of the beats nothing can be read; neighbours that are lost together leave a little more.
    assert np.isnan(moved).mean() > (0.9 if lost == 7 else -1)
    assert abs(np.nanmedian([*moved, 0])) < 0.02 and np.nanmean(np.abs([*moved, 0])) < 0.05


def test_hf_power_needs_a_minute():
    assert "hf_power" not in describe(pad(breathing_beats(30), length=120), 30.0)


def test_pulse_amplitude_ignores_bursts():
    time = np.arange(0, 60, 1 / 35)
    pulse = 20 * np.sin(2 * np.pi * 1.2 * time)[None].repeat(3, axis=0)
    pulse[1, 400:500] *= 30
    pulse[2, 200:1500] = np.nan
    found = describe(pad([], [], []), 60.0, wrist_bvp=pulse)["pulse_amplitude"]
    np.testing.assert_allclose(found[:2], 40, rtol=0.01)
    assert np.isnan(found[2])


@pytest.mark.parametrize(("intervals", "values", "spectrum"), [(44, 0, 0), (46, 1, 0), (67, 1, 0), (68, 1, 1)])
def test_intervals_must_cover_enough_of_the_window(intervals, values, spectrum):
    # 58.7, 61.3, 89.3 and 90.7 % of a minute.
    found = describe(0.8 * np.arange(intervals + 1)[None], 60.0)
    for name in ("heart_rate", "sdnn", "rmssd", "pnn50"):
        assert np.isfinite(found[name][0]) == values, name
    assert np.isfinite(found["hf_power"][0]) == spectrum


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_beats_for_an_interval_are_none(count):
    found = describe(np.zeros((2, count)), 60.0)
    assert normal_intervals(np.zeros((2, count))).shape == (2, 0)
    assert np.isnan(found["hf_power"]).all()
