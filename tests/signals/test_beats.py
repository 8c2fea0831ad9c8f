"""Beats: known answers, NeuroKit2's R waves, other rates, gaps, movement, and one real minute of both devices."""

import neurokit2 as nk
import numpy as np
import pytest
from minutes import heart, pulse
from scipy.signal import butter, sosfiltfilt

from wesadlib.data import open_wesad
from wesadlib.errors import InputError
from wesadlib.signals import find_beats
from wesadlib.signals.beats import MIN_RATE_HZ


def matched(found, true, within_s):
    """F1 of found against true beats, in the inner 56 s, after the constant lag of the pulse."""
    lag = np.median(found[np.abs(found[:, None] - true).argmin(axis=0)] - true)
    found, true = found[(found > 2) & (found < 58)] - lag, true[(true > 2 - lag) & (true < 58 - lag)]
    hits = (np.abs(found[:, None] - true).min(axis=1) < within_s).sum()
    return 2 * hits / (len(found) + len(true))


@pytest.mark.parametrize("rate", [45, 60, 72, 100, 140, 170])
@pytest.mark.parametrize("rate_hz", [25.0, 64.0, 256.0])
def test_every_pulse_is_found_and_none_invented_at_a_devices_rate(rate, rate_hz):
    true = heart(rate, spread_s=0.1 / rate * 60 / 4)
    found = find_beats(pulse(true, rate_hz), rate_hz, "wrist_bvp")
    assert matched(found, true, 0.05) > 0.985


def test_intervals_are_finer_than_a_sample():
    true = heart(72)
    found = find_beats(pulse(true), 64, "wrist_bvp")
    inner = found[(found > 3) & (found < 57)]
    nearest = np.abs(inner[:, None] - true).argmin(axis=1)
    error = np.diff(inner) - np.diff(true[nearest])
    assert error.std() < 0.5 / 64


def test_movement_hides_beats_without_doubling_the_rate():
    generator = np.random.default_rng(1)
    band = butter(2, (0.5, 4), "bandpass", fs=64, output="sos")
    error = []
    for seed in range(12):
        true = heart(65 + 3 * seed, seed=seed)
        clean = pulse(true) - pulse(true).mean()
        noise = sosfiltfilt(band, generator.normal(size=3840))
        found = find_beats(clean + 0.7 * noise * clean.std() / noise.std(), 64, "wrist_bvp")
        error.append(len(found) / len(true) - 1)
    assert np.abs(np.mean(error)) < 0.03
    assert np.abs(error).max() < 0.12


@pytest.mark.parametrize("rate", [50, 75, 120, 160])
@pytest.mark.parametrize("rate_hz", [130, 250, 700])
def test_r_waves_agree_with_neurokit(rate, rate_hz):
    clean, noisy = (
        nk.ecg_simulate(30, sampling_rate=rate_hz, heart_rate=rate, noise=noise, random_state=rate)
        for noise in (0, 0.2)
    )
    expected = nk.ecg_peaks(clean, rate_hz)[1]["ECG_R_Peaks"] / rate_hz
    found = find_beats(noisy, rate_hz, "chest_ecg")
    inner, expected = found[(found > 0.5) & (found < 29.5)], expected[(expected > 0.5) & (expected < 29.5)]
    assert len(inner) == len(expected)
    np.testing.assert_allclose(inner, expected, atol=0.006)


def test_a_pause_of_the_heart_is_not_filled_with_noise():
    true = np.delete(heart(60, spread_s=0.01), [20, 21, 40])
    time = np.arange(60 * 250) / 250
    waves = np.exp(-(((time[:, None] - true) / 0.012) ** 2)) + 0.2 * np.exp(
        -(((time[:, None] - true - 0.25) / 0.04) ** 2)
    )
    ecg = waves.sum(axis=1) + np.random.default_rng(0).normal(0, 0.02, len(time))
    found = find_beats(ecg, 250, "chest_ecg")
    assert len(found) == len(true)
    np.testing.assert_allclose(found, true, atol=0.01)


@pytest.mark.parametrize(("source", "factors"), [("wrist_bvp", [1e-3]), ("chest_ecg", [1e-3, -1])])
def test_neither_unit_nor_level_matters_nor_swapped_electrodes(source, factors):
    ecg = nk.ecg_simulate(60, sampling_rate=250, heart_rate=72, noise=0.05, random_state=1)
    values = pulse(heart(72), 250) if source == "wrist_bvp" else ecg
    expected = find_beats(values, 250, source)
    assert len(expected) > 65
    for factor in factors:
        np.testing.assert_allclose(find_beats(values * factor + 5, 250, source), expected, atol=1e-6)


def test_no_beat_lies_in_a_gap_and_those_beside_it_stay():
    true = heart(72)
    values = pulse(true)
    whole = find_beats(values, 64, "wrist_bvp")
    values[20 * 64 : 30 * 64] = np.nan
    found = find_beats(values, 64, "wrist_bvp")
    assert not ((found > 20) & (found < 30 - 1 / 64)).any()
    away = (whole < 17) | (whole > 33)
    assert matched(np.sort(np.r_[found, whole[~away]]), whole, 0.05) > 0.93


@pytest.mark.parametrize("source", ["wrist_bvp", "chest_ecg"])
@pytest.mark.parametrize("values", [np.zeros(3840), np.full(3840, 33.0), np.full(3840, np.nan)])
def test_a_sensor_that_does_not_move_or_is_too_slow_has_no_beats(source, values):
    assert len(find_beats(values, 64.0, source)) == 0
    slow_hz = MIN_RATE_HZ[source] - 1
    assert len(find_beats(pulse(heart(72), slow_hz), slow_hz, source)) == 0


def test_an_unknown_source_is_refused():
    with pytest.raises(InputError, match="chest_ecg, wrist_bvp"):
        find_beats(np.zeros(100), 64, "chest_eda")


@pytest.mark.real
def test_wrist_and_chest_of_a_real_person_beat_alike(wesad_root):
    """S16 reads aloud (label 7): the only minute of which both devices are at hand."""
    recording = open_wesad(wesad_root, ["S16"])[0]
    start_s, end_s = recording.labels.query("state == 'ignored'")[["start_s", "end_s"]].iloc[-1]
    length_s = end_s - start_s
    if "chest_ecg" in recording.signals:
        ecg = recording.signals["chest_ecg"].values[round(start_s * 700) : round(end_s * 700)]
    else:
        ecg = np.load(wesad_root.parent / "wesad-chest" / "S16_53s_700hz.npz")["ECG"][:, 0]
    chest = find_beats(ecg, 700, "chest_ecg")
    first = round(start_s * 64)
    wrist = recording.signals["wrist_bvp"].values[first : first + round(length_s * 64)]
    wrist = find_beats(wrist, 64, "wrist_bvp")
    assert len(chest) == 77
    assert 60 / np.diff(chest).mean() == pytest.approx(87.8, abs=0.1)
    assert 1000 * np.sqrt(np.mean(np.diff(chest, 2) ** 2)) == pytest.approx(27.2, abs=0.3)
    assert len(wrist) == 77
    assert np.sqrt(np.mean((np.diff(wrist) - np.diff(chest)) ** 2)) < 0.020
