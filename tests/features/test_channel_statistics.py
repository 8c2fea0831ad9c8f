import numpy as np
import pytest
import scipy.stats

from wesadlib.features.block import slope, without_gaps
from wesadlib.features.statistics import describe

RATE_HZ = 35.0


@pytest.fixture
def values():
    return np.random.default_rng(0).gamma(2.0, size=(5, 2100))


def test_statistics_are_scipys(values):
    found = describe(values, RATE_HZ)
    np.testing.assert_allclose(found["mean"], values.mean(axis=1))
    np.testing.assert_allclose(found["sd"], values.std(axis=1))
    np.testing.assert_allclose(found["dynamic_range"], np.ptp(values, axis=1))
    np.testing.assert_allclose(found["interquartile_range"], scipy.stats.iqr(values, axis=1))
    np.testing.assert_allclose(found["skewness"], scipy.stats.skew(values, axis=1))
    np.testing.assert_allclose(found["kurtosis"], scipy.stats.kurtosis(values, axis=1))


def test_missing_samples_are_left_out_of_statistics(values):
    with_gaps = values.copy()
    with_gaps[:, 100:900] = np.nan
    present = np.delete(values, np.s_[100:900], axis=1)
    found, expected = describe(with_gaps, RATE_HZ), describe(present, RATE_HZ)
    for name in ("mean", "sd", "dynamic_range", "interquartile_range", "skewness", "kurtosis"):
        np.testing.assert_allclose(found[name], expected[name], err_msg=name)


def test_mostly_missing_is_not_read(values):
    values[0, 1000:] = np.nan
    found = describe(values, RATE_HZ)
    assert all(np.isnan(value[0]) for value in found.values())
    assert all(np.isfinite(value[1:]).all() for value in found.values())


def test_peaks_of_a_sine_are_its_cycles():
    time = np.arange(0, 60, 1 / RATE_HZ)
    sine = 5 + 3 * np.sin(2 * np.pi * np.array([0.5, 1.2])[:, None] * time)
    np.testing.assert_allclose(describe(sine, RATE_HZ)["peak_rate"], [30, 72])


def test_small_peaks_do_not_count():
    time = np.arange(0, 60, 1 / RATE_HZ)
    spikes = np.zeros((1, len(time)))
    spikes[0, 350::700] = 1.0
    spikes[0, 500::700] = 0.02
    assert describe(spikes, RATE_HZ)["peak_rate"][0] == pytest.approx(3)


def test_a_rise_into_a_gap_is_no_peak():
    time = np.arange(0, 60, 1 / RATE_HZ)
    values = np.sin(2 * np.pi * 0.5 * time)[None]
    cut = values.copy()
    # From just after a steep rise above one standard deviation, before its peak, until the next cycle begins.
    cut[0, 360:420] = np.nan
    assert values[0, 359] > 0.71
    assert values[0, 359] < values[0, 360]
    present = np.isfinite(cut).sum()
    assert describe(cut, RATE_HZ)["peak_rate"][0] * present / RATE_HZ / 60 == pytest.approx(29)


def test_nothing_varies_nothing_is_standardised():
    found = describe(np.full((1, 2100), 4.0), RATE_HZ)
    assert found["mean"][0] == 4
    assert all(np.isnan(found[name][0]) for name in ("skewness", "kurtosis", "peak_rate"))


def test_short_gaps_are_bridged_in_line_and_long_ones_given_up_at_the_edges_too():
    values = np.tile(np.arange(20.0), (5, 1))
    kept = values.copy()
    for row, gap in enumerate((slice(0, 0), slice(5, 8), slice(5, 9), slice(0, 4), slice(18, None))):
        values[row, gap] = np.nan
    found, readable, rate_hz = without_gaps(values, 1.0, 3.0, 0.5)
    assert (readable.tolist(), rate_hz) == ([True, True, False, False, True], 0.5)
    np.testing.assert_allclose(found[:2], kept[:2].reshape(2, 10, 2).mean(axis=2))
    np.testing.assert_array_equal(found[2:4], 0)
    assert found[4, -1] == 17
    assert np.isnan(values[1, 5])


def test_slope_of_a_line_with_gaps_is_the_lines():
    values = np.tile(2.5 * np.arange(200) / 4.0, (2, 1))
    values[0, ::3] = np.nan
    values[1, 10:] = np.nan
    found = slope(values, rate_hz=4.0)
    assert found[0] == pytest.approx(2.5)
    assert np.isnan(found[1])
