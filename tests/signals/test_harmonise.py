"""Any rates to one rate: what comes out is the same signal, nothing folds back, gaps stay gaps, edges keep level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly
from signal_toys import native_minutes

from wesadlib.data import CHANNELS
from wesadlib.errors import InputError
from wesadlib.signals import RAW_STATISTICS, harmonise, window_from_channels, windows_from_channels
from wesadlib.signals.harmonise import _filter

RATES = (700.0, 256.0, 64.0, 63.97, 50.3, 35.0, 34.99, 32.0, 31.25, 4.0)


def sampled(function, rate_hz, samples):
    return function(np.arange(samples) / rate_hz)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_slow_wave_on_a_slope_comes_out_as_it_is(rate_hz):
    def wave(time):
        return 30 + 0.01 * time + np.sin(2 * np.pi * 0.5 * time)

    found = harmonise(sampled(wave, rate_hz, round(60 * rate_hz))[None], rate_hz, 35, 2100)[0]
    inner = slice(70, -70)
    np.testing.assert_allclose(found[inner], sampled(wave, 35, 2100)[inner], atol=2e-3)


@given(level=st.floats(-1e3, 1e3), slope=st.floats(-10, 10), rate_hz=st.sampled_from(RATES))
@settings(deadline=None, max_examples=30)
def test_level_and_slope_hold_up_to_the_edges(level, slope, rate_hz):
    samples = round(60 * rate_hz)
    found = harmonise((level + slope * np.arange(samples) / rate_hz)[None], rate_hz, 35, 2100)[0]
    np.testing.assert_allclose(found, level + slope * np.arange(2100) / 35, rtol=1e-6, atol=2e-3 * (1 + abs(slope)))


@pytest.mark.parametrize("frequency", [18, 20, 25, 34, 36, 50, 70])
def test_what_35_hz_cannot_hold_does_not_fold_back(frequency):
    found = harmonise(sampled(lambda t: np.sin(2 * np.pi * frequency * t), 700, 42_000)[None], 700, 35, 2100)[0]
    assert np.abs(found[20:-20]).max() < 2e-3


@pytest.mark.parametrize("frequency", [1, 5, 10, 13])
def test_what_35_hz_can_hold_is_kept(frequency):
    found = harmonise(sampled(lambda t: np.sin(2 * np.pi * frequency * t), 700, 42_000)[None], 700, 35, 2100)[0]
    expected = sampled(lambda t: np.sin(2 * np.pi * frequency * t), 35, 2100)
    np.testing.assert_allclose(found[20:-20], expected[20:-20], atol=5e-3)


@pytest.mark.parametrize("rate_hz", RATES)
def test_each_sample_is_the_weighted_sum_of_those_around_it(rate_hz):
    values = np.random.default_rng(1).normal(size=(2, round(60 * rate_hz))).astype(np.float32)
    up, down, reach, weights = _filter(rate_hz, 35.0)
    after = max(2099 * down // up + weights.shape[1] - reach - values.shape[1], 0)
    continued = np.pad(values.astype(float), ((0, 0), (reach, after)), "reflect", reflect_type="odd")
    for n in (0, 1, 36, 1000, 2098, 2099):
        first, phase = divmod(n * down, up)
        expected = continued[:, first : first + weights.shape[1]] @ weights[phase]
        np.testing.assert_allclose(harmonise(values, rate_hz, 35, 2100)[:, n], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)


def test_a_level_stays_a_level_to_the_last_bit():
    for level in np.float32([33.02, 1e-3, -7.3]):
        for rate_hz in RATES:
            values = np.full((1, round(60 * rate_hz)), level, np.float32)
            assert np.unique(harmonise(values, rate_hz, 35, 2100)).tolist() == [level]


def test_whole_steps_down_agree_with_scipy():
    values = np.random.default_rng(0).normal(size=(2, 42_000)).cumsum(axis=1)
    found = harmonise(values, 700, 35, 2100)
    scipys = resample_poly(values, 1, 20, axis=1, padtype="line")[:, 50:-50]
    # Another filter, so alike and not equal: what differs is what lies near the new Nyquist frequency.
    assert np.abs(found[:, 50:-50] - scipys).std() < 0.05 * values.std()


def test_edges_err_less_than_with_the_usual_paddings():
    time = np.arange(4 * 3840) / 64
    pulse = 30 * np.sin(2 * np.pi * 1.23 * time) + 12 * np.sin(2 * np.pi * 2.46 * time + 1) + 100
    whole = harmonise(pulse[None], 64, 35, 4 * 2100)[0]
    minute = pulse[3840 : 2 * 3840][None]
    truth = whole[2100:4200]

    def edge_error(found):
        error = np.abs(found - truth)
        return max(error[:20].max(), error[-20:].max())

    ours = edge_error(harmonise(minute, 64, 35, 2100)[0])
    assert ours < 3
    assert ours < edge_error(resample_poly(minute, 35, 64, axis=1, padtype="line")[0, :2100])
    assert np.array_equal(harmonise(minute, 64, 35, 2100)[0, 40:-40], truth[40:-40])


def test_a_gap_stays_where_it_was_and_nothing_else_is_lost():
    values = np.sin(2 * np.pi * 0.2 * np.arange(3840) / 64)
    gapped = values.copy()
    gapped[640:1280] = np.nan
    found = harmonise(gapped[None], 64, 35, 2100)[0]
    time = np.arange(2100) / 35
    np.testing.assert_array_equal(np.isnan(found), (time > 10 - 1 / 70) & (time < 20 - 1 / 70))
    kept = (time < 9) | (time > 21)
    np.testing.assert_allclose(found[kept], harmonise(values[None], 64, 35, 2100)[0][kept], atol=1e-4)


def test_a_gap_in_a_slow_channel_covers_its_whole_time():
    values = np.linspace(33, 34, 240)
    values[40] = np.nan
    missing = np.isnan(harmonise(values[None], 4, 35, 2100)[0])
    time = np.arange(2100) / 35
    np.testing.assert_array_equal(missing, (time >= 10 - 0.125) & (time < 10 + 0.125))


def test_half_of_the_fast_samples_have_to_be_there():
    values = np.zeros((2, 42_000))
    values[0, 1::3] = np.nan
    values[1, ::3] = values[1, 1::3] = np.nan
    found = harmonise(values, 700, 35, 2100)
    assert not np.isnan(found[0]).any()
    assert np.isnan(found[1]).all()


def test_a_dead_channel_is_all_missing_and_harms_no_other():
    values = np.stack([np.full(240, np.nan), np.ones(240)])
    found = harmonise(values, 4, 35, 2100)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], 1)


@pytest.mark.parametrize("device", ["wrist", "chest"])
def test_a_window_has_the_promised_form(device):
    channels = native_minutes(device)
    window = window_from_channels(channels, {name: CHANNELS[name][1] for name in channels})
    assert window.channel.values.tolist() == list(channels)
    assert dict(window.sizes) == {
        "channel": len(channels),
        "time": 2100,
        "beat_source": 1,
        "beat": 240,
        "raw_statistic": len(RAW_STATISTICS),
    }
    assert window.signal.dtype == np.float32
    assert int(window.beat_s.notnull().sum()) in (71, 72)
    assert float(window.signal.isnull().sum()) == 0


def test_another_device_may_sample_otherwise():
    fast = window_from_channels(native_minutes(), {name: CHANNELS[name][1] for name in native_minutes()})
    time = np.arange(6000) / 100
    other = window_from_channels({"wrist_temp": 33 + 0.002 * time}, {"wrist_temp": 100.0}, rate_hz=20, window_s=60)
    assert other.sizes["time"] == 1200
    assert other.sizes["beat_source"] == 0
    assert fast.attrs == {"rate_hz": 35.0, "window_s": 60.0}


@pytest.mark.parametrize("samples", [239, 240, 241])
def test_one_sample_more_or_less_is_let_pass(samples):
    window = window_from_channels({"wrist_temp": np.linspace(33, 34, samples)}, {"wrist_temp": 4.0})
    assert float(window.signal.isnull().sum()) == 0


@pytest.mark.parametrize(
    ("values", "rate_hz", "words"),
    [
        (np.zeros(238), 4.0, ("238", "240")),
        (np.zeros(242), 4.0, ("242", "240")),
        (np.zeros((240, 2)), 4.0, ("240 x 2",)),
        (np.zeros(240), 0.0, ("positive",)),
        (np.zeros(240), -4.0, ("positive",)),
        (np.zeros(240), np.nan, ("positive",)),
        (np.zeros(240), np.inf, ("positive",)),
        (np.r_[np.zeros(239), np.inf], 4.0, ("infinite",)),
        (np.zeros(1), 0.02, ("window",)),
    ],
)
def test_nonsense_is_refused_by_name(values, rate_hz, words):
    with pytest.raises(InputError, match="wrist_temp") as caught:
        window_from_channels({"wrist_temp": values}, {"wrist_temp": rate_hz})
    for word in words:
        assert word in str(caught.value)


def test_a_channel_without_a_rate_is_refused_by_name():
    with pytest.raises(InputError, match="wrist_temp"):
        window_from_channels({"wrist_temp": np.zeros(240)}, {})


def test_windows_at_rates_of_their_own_are_made_as_each_alone():
    generator = np.random.default_rng(0)
    sent = [
        ({"wrist_bvp": generator.normal(size=60 * bvp), "wrist_temp": generator.normal(size=240)}, rates)
        for bvp, rates in ((64, {"wrist_bvp": 64.0, "wrist_temp": 4.0}), (32, {"wrist_bvp": 32.0, "wrist_temp": 4.0}))
    ]
    together = windows_from_channels(sent).to_dataset()
    assert together["signal"].dims == ("window", "channel", "time")
    for k, window in enumerate(sent):
        assert together.isel(window=k).identical(window_from_channels(*window))
    with pytest.raises(InputError, match="has the channels wrist_temp, the first one wrist_bvp, wrist_temp"):
        windows_from_channels([sent[0], tuple({"wrist_temp": part["wrist_temp"]} for part in sent[0])])


@pytest.mark.parametrize("rate_hz", [1234.567, 99_999.97, 0.0371, 700.123])
def test_no_rate_makes_a_filter_of_unbounded_length(rate_hz):
    shape = _filter(rate_hz, 35.0)
    assert max(shape.up, shape.down) <= 10_000
    assert shape.down / shape.up == pytest.approx(rate_hz / 35, rel=6e-5)
