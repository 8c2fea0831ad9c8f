"""From native samples to features and verdicts: nothing is read where nothing can be, and what can be is right."""

import numpy as np
import pytest
from minutes import heart
from minutes import pulse as wave

from wesadlib.features import feature_values
from wesadlib.quality import assess_arrays
from wesadlib.signals import windows_from_channels

TIME = np.arange(3840) / 64


def pulse(rate, second_wave=0.35, sign=1):
    """A minute of a wrist's pulse with its second wave, upside down where asked."""
    return sign * wave(heart(rate, spread_s=1.2 / rate), dicrotic=second_wave)


def read(minutes, rate_hz=64.0, channel="wrist_bvp"):
    """Features by statistic, and the assessment, of windows of one channel."""
    windows = windows_from_channels([({channel: values}, {channel: rate_hz}) for values in minutes])
    values, names = feature_values(windows)
    return dict(zip((name.removeprefix(f"{channel}_") for name in names), values.T, strict=True)), assess_arrays(
        windows
    )


@pytest.mark.parametrize("exponent", [0, 0.5])
def test_noise_has_no_pulse(exponent):
    # White, and 1/f.
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=(200, 3840)))
    spectrum[:, 1:] /= np.arange(1, 1921) ** exponent
    found, assessment = read(50 * np.fft.irfft(spectrum) / np.fft.irfft(spectrum).std())
    assert np.isfinite(found["heart_rate"]).mean() <= 0.05
    assert assessment.verdict.mean() <= 0.02


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("second_wave", [0, 0.35, 0.5, 0.6])
def test_a_pulse_has_its_rate_whichever_side_is_up(sign, second_wave):
    rates = [45, 70, 100, 140]
    found, assessment = read([pulse(rate, second_wave, sign) for rate in rates])
    np.testing.assert_allclose(found["heart_rate"], rates, rtol=0.02)
    assert assessment.verdict.all()


def test_dips_of_which_every_other_is_half_as_deep_are_one_beat():
    dips = [np.exp(-(((TIME * 70 / 60 - at) % 1 - 0.5) ** 2) / 0.008) for at in (0.0, 0.45)]
    found, _ = read([-80 * (dips[0] + 0.5 * dips[1])])
    assert found["heart_rate"][0] == pytest.approx(70, abs=1)


@pytest.mark.parametrize("rate", [190, 200, 220])
def test_a_heart_too_fast_for_the_rules_is_read_right_and_refused(rate):
    found, assessment = read([pulse(rate)])
    assert found["heart_rate"][0] == pytest.approx(rate, rel=0.02)
    assert assessment.reason[0] == "wrist_bvp: beat plausibility"


def test_zeros_where_contact_was_lost_count_in_total():
    values = pulse(70)
    values[TIME % 6.25 < 0.8] = 0
    assert read([values])[1].reason[0] == "wrist_bvp: flat line"


def test_single_missing_samples_take_their_share_and_nothing_else():
    whole, gapped = pulse(70), pulse(70)
    gapped[::25] = np.nan
    found, assessment = read([whole, gapped])
    assert assessment.verdict.all()
    assert assessment.rule_score[1, 0, 0] == pytest.approx(0.96, abs=0.001)
    for name in ("heart_rate", "rmssd", "pulse_amplitude"):
        assert found[name][1] == pytest.approx(found[name][0], rel=0.06), name


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.int16])
def test_samples_of_any_number_type_are_read(dtype):
    found, _ = read([np.rint(pulse(70)).astype(dtype)])
    assert found["heart_rate"][0] == pytest.approx(70, abs=1)


def test_what_is_masked_is_missing():
    masked = np.ma.masked_array(pulse(70), TIME < 30)
    assert read([masked])[1].rule_score[0, 0, 0] == 0.5


@pytest.mark.parametrize("wrong", [lambda g: 9.81 * g, lambda g: 9.81 * g / 64, lambda g: g % 4, lambda g: 0.0 * g])
def test_a_still_wrist_shows_one_g(wrong):
    gravity = np.array([-0.6, 0.64, -0.48])[:, None] + np.random.default_rng(0).normal(0, 0.005, (3, 1920))
    names = [f"wrist_acc_{axis}" for axis in "xyz"]
    cuts = [(dict(zip(names, axes, strict=True)), dict.fromkeys(names, 32.0)) for axes in (gravity, wrong(gravity))]
    reasons = assess_arrays(windows_from_channels(cuts)).reasons
    assert not reasons[0]
    assert {f"{name}: physiological range" for name in names} <= set(reasons[1])
