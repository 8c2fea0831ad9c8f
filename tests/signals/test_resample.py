"""Any rates to one rate: what comes out is the same signal, nothing folds back, gaps stay gaps, edges keep level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.errors import InputError
from wesadlib.signals import harmonise, windows_from_channels
from wesadlib.signals.resample import _MOST_WEIGHTS, _decimate, _interpolate, _operator

RATES = (700.0, 256.0, 64.0, 63.97, 50.3, 35.0, 34.99, 32.0, 31.25, 4.0)


def lone(channels, rates_hz, **keywords):
    return windows_from_channels([(channels, rates_hz)], **keywords).to_dataset().isel(window=0)


def sampled(function, rate_hz, samples):
    return function(np.arange(samples) / rate_hz)


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


@pytest.mark.parametrize("rate_hz", RATES)
def test_each_sample_is_the_windowed_sinc_of_those_around_it(rate_hz):
    values = np.random.default_rng(1).normal(size=(2, round(60 * rate_hz))).astype(np.float32)
    down = rate_hz > 35
    crossings, beta, cutoff = (16, 5.65, 0.89 * 35 / rate_hz) if down else (10, 5.0, 1.0)
    reach = np.ceil(crossings * max(35 / rate_hz, 1)) * rate_hz / 35
    beyond = int(reach) + 1 + round(rate_hz)
    continued = np.pad(values.astype(float), ((0, 0), (beyond, beyond)), "reflect", reflect_type="odd")
    position = np.arange(-beyond, values.shape[1] + beyond)
    found = harmonise(values, rate_hz, 35, 2100)
    for n in (0, 1, 36, 1000, 2098, 2099):
        away = position - n * rate_hz / 35
        near = np.abs(away) < reach + 1e-6
        weight = np.sinc(cutoff * away[near]) * np.i0(beta * np.sqrt(np.clip(1 - (away[near] / reach) ** 2, 0, 1)))
        np.testing.assert_allclose(found[:, n], continued[:, near] @ weight / weight.sum(), rtol=1e-5, atol=1e-6)


def test_a_level_stays_a_level_to_the_last_bit():
    for level in np.float32([33.02, 1e-3, -7.3]):
        for rate_hz in RATES:
            values = np.full((1, round(60 * rate_hz)), level, np.float32)
            assert np.unique(harmonise(values, rate_hz, 35, 2100)).tolist() == [level]


def test_a_gap_stays_where_it_was_and_nothing_else_is_lost():
    values = np.sin(2 * np.pi * 0.2 * np.arange(3840) / 64)
    gapped = values.copy()
    gapped[640:1280] = np.nan
    found = harmonise(gapped[None], 64, 35, 2100)[0]
    time = np.arange(2100) / 35
    np.testing.assert_array_equal(np.isnan(found), (time > 10 - 1 / 70) & (time < 20 - 1 / 70))
    kept = (time < 9) | (time > 21)
    np.testing.assert_allclose(found[kept], harmonise(values[None], 64, 35, 2100)[0][kept], atol=1e-4)


def test_two_missing_samples_are_a_gap_and_a_single_one_is_bridged():
    values = np.linspace(33, 34, 240)
    values[[40, 41, 200]] = np.nan
    missing = np.isnan(harmonise(values[None], 4, 35, 2100)[0])
    time = np.arange(2100) / 35
    np.testing.assert_array_equal(missing, (time >= 10) & (time <= 10.25))


@pytest.mark.parametrize(
    ("values", "rate_hz", "words"),
    [
        (np.zeros(239), 4.0, ("239", "240")),
        (np.zeros(241), 4.0, ("241", "240")),
        (np.zeros((240, 2)), 4.0, ("one row",)),
        *((np.zeros(240), rate_hz, ("above 0",)) for rate_hz in (None, 0.0, -4.0, np.nan, np.inf)),
        (np.r_[np.zeros(239), np.inf], 4.0, ("infinite",)),
        (np.zeros(1), 0.02, ("at least 2",)),
    ],
)
def test_nonsense_is_refused_by_name(values, rate_hz, words):
    with pytest.raises(InputError, match="wrist_temp") as caught:
        lone({"wrist_temp": values}, {"wrist_temp": rate_hz} if rate_hz is not None else {})
    for word in words:
        assert word in str(caught.value)


def test_windows_at_rates_of_their_own_are_made_as_each_alone():
    generator = np.random.default_rng(0)
    sent = [
        ({"wrist_bvp": generator.normal(size=60 * bvp), "wrist_temp": generator.normal(size=240)}, rates)
        for bvp, rates in ((64, {"wrist_bvp": 64.0, "wrist_temp": 4.0}), (32, {"wrist_bvp": 32.0, "wrist_temp": 4.0}))
    ]
    together = windows_from_channels(sent).to_dataset()
    assert together["signal"].dims == ("window", "channel", "time")
    for k, window in enumerate(sent):
        assert together.isel(window=k).identical(lone(*window))
    with pytest.raises(InputError, match="has the channels wrist_temp, the first one wrist_bvp, wrist_temp"):
        windows_from_channels([sent[0], tuple({"wrist_temp": part["wrist_temp"]} for part in sent[0])])


@pytest.mark.parametrize("rate_hz", [32.0, 1234.567, 20_000.03])
def test_no_matrix_is_of_unbounded_size_and_parts_join(rate_hz):
    _operator.cache_clear()
    time = np.arange(round(10 * rate_hz)) / rate_hz
    found = harmonise(np.sin(2 * np.pi * time)[None], rate_hz, 35, 350)[0]
    np.testing.assert_allclose(found[35:-35], np.sin(2 * np.pi * np.arange(350) / 35)[35:-35], atol=2e-3)
    assert _operator.cache_info().currsize == -(-350 * (2 * 16 * max(rate_hz / 35, 1)) // _MOST_WEIGHTS)


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_a_row_of_a_few_samples_goes_on_as_numpy_continues_it(samples):
    values = np.random.default_rng(samples).normal(size=(1, samples))
    whole = np.pad(values, ((0, 0), (40, 40)), "reflect", reflect_type="odd")
    found = harmonise(values, 4, 35, 9 * samples)[0]
    np.testing.assert_allclose(found, harmonise(whole, 4, 35, 350 + 9 * samples)[0, 350:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("native", "factor"), [(42000, 20), (41999, 20), (5, 2), (2, 3)])
def test_a_whole_factor_gives_what_any_other_does(native, factor):
    values = np.random.default_rng(native).normal(size=(2, native))
    samples = -(-native // factor)
    np.testing.assert_allclose(
        _decimate(values, factor, samples), _interpolate(values, 35.0 * factor, 35.0, samples), atol=1e-12
    )
