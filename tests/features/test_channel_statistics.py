import numpy as np
import pytest
import scipy.stats

from wesadlib.features.block import bridge, slope, thin
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


def test_bridge_fills_short_gaps_in_line_and_gives_up_on_long_ones():
    values = np.tile(np.arange(20.0), (3, 1))
    values[0, 5:8] = np.nan
    values[1, 5:9] = np.nan
    bridged = bridge(values, rate_hz=1.0, max_gap_s=3.0)
    np.testing.assert_allclose(bridged[0], np.arange(20.0))
    assert np.isnan(bridged[1]).all()
    np.testing.assert_array_equal(bridged[2], values[2])
    assert np.isnan(values[0, 5])


def test_bridge_judges_gaps_at_the_edges_too():
    values = np.arange(40.0).reshape(2, 20)
    values[0, :5] = np.nan
    values[1, -2:] = np.nan
    bridged = bridge(values, rate_hz=1.0, max_gap_s=3.0)
    assert np.isnan(bridged[0]).all()
    assert (bridged[1, -2:] == 37).all()


def test_slope_of_a_line_with_gaps_is_the_lines():
    values = np.tile(2.5 * np.arange(200) / 4.0, (2, 1))
    values[0, ::3] = np.nan
    values[1, 10:] = np.nan
    found = slope(values, rate_hz=4.0)
    assert found[0] == pytest.approx(2.5)
    assert np.isnan(found[1])


def test_thin_keeps_the_mean_and_tells_its_rate():
    values = np.arange(70.0)[None]
    thinned, rate_hz = thin(values, rate_hz=35.0, target_hz=5.0)
    assert rate_hz == 5
    np.testing.assert_allclose(thinned[0], np.arange(3, 70, 7))
