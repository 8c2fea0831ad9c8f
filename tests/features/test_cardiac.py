import neurokit2 as nk
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def beats_with_artefacts(generator, window_s):
    beats = np.cumsum(generator.normal(generator.uniform(0.4, 1.3), 0.06, 400))
    beats = beats[(beats > 0) & (beats < window_s)]
    beats = beats[generator.random(len(beats)) < generator.choice([1, 0.9, 0.5])]
    invented = generator.uniform(0, window_s, generator.choice([0, 0, 4]))
    beats = np.sort(np.concatenate([beats, invented]))[: generator.choice([1000, 1000, 30, 2, 0])]
    return np.concatenate([beats, np.full(400 - len(beats), np.nan)])


def normal_of_row(beats):
    interval = 1000 * np.diff(beats)
    interval[~((interval >= 250) & (interval <= 2000))] = np.nan
    local = [np.nanmedian(interval[max(k - 4, 0) : k + 5]) if x == x else np.nan for k, x in enumerate(interval)]
    return np.where(np.abs(interval - local) <= 0.2 * np.array(local), interval, np.nan)


def heart_of_row(beats, window_s):
    interval = normal_of_row(beats)
    known, difference = np.isfinite(interval), np.diff(interval)
    difference = difference[np.isfinite(difference)]
    covered = interval[known].sum() / 1000 / window_s
    expected = dict.fromkeys(("heart_rate", "sdnn", "rmssd", "pnn50", "regular_share"), np.nan)
    if np.isfinite(beats).any():
        expected["regular_share"] = covered
    if covered >= 0.6:
        expected["heart_rate"] = 60_000 / interval[known].mean()
        expected["sdnn"] = interval[known].std()
        expected["rmssd"], expected["pnn50"] = np.sqrt((difference**2).mean()), (np.abs(difference) > 50).mean()
    return expected


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_intervals_of_beats_and_their_variability(seed):
    generator = np.random.default_rng(seed)
    beat_s = np.stack([beats_with_artefacts(generator, 120.0) for _ in range(4)])
    normal, found = normal_intervals(beat_s), describe(beat_s, 120.0)
    for k, beats in enumerate(beat_s):
        np.testing.assert_allclose(normal[k], normal_of_row(beats), rtol=1e-12)
        expected = heart_of_row(beats, 120.0)
        assert set(found) - {"hf_power"} == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][k], value, rtol=1e-9, atol=1e-12, err_msg=name)


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
