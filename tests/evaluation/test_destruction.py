"""What each way to destroy windows leaves, and what it takes away."""

import numpy as np
import pytest

from wesadlib.evaluation.destruction import LADDER, PIECES_S, WHOLE, destroy

RATE_HZ = 35.0


@pytest.fixture(scope="module")
def signal():
    """Three windows of 40 s, two channels that share a wave, each with a level of its own."""
    generator = np.random.default_rng(0)
    time = np.arange(1400) / RATE_HZ
    wave = np.sin(2 * np.pi * (1.2 * time + generator.random((3, 1))))
    channels = np.stack([wave, 3 * wave + generator.normal(0, 0.2, wave.shape)], axis=1)
    return (channels + np.array([[2.0, 9.0], [3.0, 5.0], [1.0, 7.0]])[..., None]).astype(np.float32)


def spectrum(values):
    return np.fft.rfft(values.astype(float))


@pytest.mark.parametrize("piece_s", PIECES_S)
def test_pieces_keep_their_inside_and_channels_stay_together(signal, piece_s):
    index = np.broadcast_to(np.arange(1400.0), signal.shape)
    left = destroy(index, RATE_HZ, f"pieces of {piece_s:g} s")
    np.testing.assert_array_equal(left[:, 0], left[:, 1])
    np.testing.assert_array_equal(np.sort(left), index)
    breaks = (np.diff(left[:, 0]) != 1).sum(axis=1)
    assert (breaks < 1400 / round(piece_s * RATE_HZ)).all()
    assert piece_s >= 10 or (breaks > 0).all()


def test_random_phases_keep_amplitudes_and_alike_what_relates_channels(signal):
    for rung, stays in (("phases random, alike", True), ("phases random", False)):
        left = destroy(signal, RATE_HZ, rung)
        np.testing.assert_allclose(np.abs(spectrum(left)), np.abs(spectrum(signal)), rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(left.mean(-1), signal.mean(-1), rtol=1e-5)
        relation, before = (spectrum(part)[:, 0] * spectrum(part)[:, 1].conj() for part in (left, signal))
        assert np.allclose(relation, before, rtol=1e-3, atol=1.0) == stays


def test_shuffled_samples_and_noise_leave_what_they_say(signal):
    shuffled, noise = (destroy(signal, RATE_HZ, name) for name in ("samples shuffled", "level and spread alone"))
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(signal))
    for left in (shuffled, noise):
        np.testing.assert_allclose(left.mean(-1), signal.mean(-1), rtol=1e-4)
        np.testing.assert_allclose(left.std(-1), signal.std(-1), rtol=1e-4)
        centred = left - left.mean(-1, keepdims=True)
        follows = (centred[..., 1:] * centred[..., :-1]).mean(-1) / centred.var(-1)
        assert (np.abs(follows) < 0.2).all()
    assert not np.isin(noise, signal).all()


def test_without_level_windows_differ_in_shape_alone(signal):
    left = destroy(signal, RATE_HZ, "level and spread removed")
    for statistic in (left.mean(-1), left.std(-1)):
        np.testing.assert_allclose(statistic, np.broadcast_to(statistic[:1], statistic.shape), rtol=1e-4)
    np.testing.assert_allclose(left.mean(-1)[0], [2.0, 7.0], atol=0.1)
    for before, after in zip(signal.reshape(6, -1), left.reshape(6, -1), strict=True):
        assert np.corrcoef(before, after)[0, 1] > 0.9999


@pytest.mark.parametrize(("cutoff_hz", "stays"), [(4, True), (1, False), (0.25, False)])
def test_what_is_faster_goes(signal, cutoff_hz, stays):
    left = destroy(signal, RATE_HZ, f"below {cutoff_hz} Hz")
    inside = left[..., 105:-105].std(-1) / signal[..., 105:-105].std(-1)
    assert (inside > 0.95).all() if stays else (inside < 0.4).all()


@pytest.mark.parametrize("rung", [WHOLE, *LADDER])
def test_a_rung_keeps_form_and_is_drawn_again_alike_and_gaps_become_means(signal, rung):
    gappy = signal.copy()
    gappy[0, 0, 100:300] = np.nan
    gappy[1, 0] = np.nan
    left = destroy(gappy, RATE_HZ, rung)
    assert left.shape == signal.shape and left.dtype == signal.dtype
    np.testing.assert_array_equal(left, destroy(gappy, RATE_HZ, rung))
    assert (rung == WHOLE) == np.array_equal(left, destroy(gappy, RATE_HZ, WHOLE), equal_nan=True)
    assert np.isnan(left[1, 0]).all() and np.isfinite(np.delete(left.reshape(6, -1), 2, axis=0)).all()
    if rung == WHOLE:
        np.testing.assert_array_equal(left[2], signal[2])
        np.testing.assert_allclose(left[0, 0, 100:300], np.nanmean(gappy[0, 0]), rtol=1e-6)
