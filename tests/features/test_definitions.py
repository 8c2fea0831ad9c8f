"""Each group finds for all windows at once what its definition, written down one row after the other, finds."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.features import STATISTICS, Block
from wesadlib.features.block import slope, without_gaps

RATE_HZ = 35.0
SEEDS = st.integers(0, 2**32 - 1)
agree = settings(max_examples=40, deadline=None, derandomize=True)


def close(found, expected, what=""):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=what)


def with_gaps(values, generator):
    """The same with nothing, single samples, stretches or the edges missing, row by row."""
    values = values.copy()
    for row in values:
        kind, at = generator.integers(0, 5), generator.integers(0, len(row))
        if kind == 1:
            row[generator.random(len(row)) < generator.choice([0.02, 0.4, 0.6])] = np.nan
        elif kind == 2:
            row[at : at + generator.integers(1, max(2, len(row) // 2))] = np.nan
        elif kind == 3:
            row[: at // 8] = row[len(row) - at // 5 :] = np.nan
        elif kind == 4:
            row[at] = np.nan
    return values


def block(beat_s=None, **signal):
    return Block(signal=signal, beat_s=beat_s or {}, rate_hz=RATE_HZ, window_s=60.0)


def describe(values):
    return {name.removeprefix("x_"): value for name, value in STATISTICS.extract(block(x=values)).items()}


def statistics_of_row(row):
    present = row[~np.isnan(row)].astype(float)
    if len(present) < len(row) / 2:
        return dict.fromkeys(
            ("mean", "sd", "dynamic_range", "interquartile_range", "skewness", "kurtosis", "peak_rate"), np.nan
        )
    mean, sd = present.mean(), present.std()
    varies = np.ptp(present) > 0
    peaks = sum(
        row[k - 1] < row[k] >= row[k + 1] and float(row[k]) - mean > sd for k in range(1, len(row) - 1)
    )  # Nothing compares with NaN.
    return {
        "mean": mean,
        "sd": sd,
        "dynamic_range": np.ptp(present),
        "interquartile_range": scipy.stats.iqr(present),
        "skewness": scipy.stats.skew(present) if varies else np.nan,
        "kurtosis": scipy.stats.kurtosis(present) if varies else np.nan,
        "peak_rate": peaks / len(present) * RATE_HZ * 60 if varies else np.nan,
    }


@agree
@given(SEEDS, st.integers(4, 300), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_statistics(seed, samples, coarse, dtype):
    generator = np.random.default_rng(seed)
    values = generator.gamma(2.0, 10.0, (5, samples))
    values = with_gaps((np.floor(values) if coarse else values).astype(dtype), generator)
    values[0] = np.where(np.isnan(values[0]), np.nan, 7)
    found = describe(values)
    for k, row in enumerate(values):
        expected = statistics_of_row(row)
        assert list(found) == list(expected)
        for name, value in expected.items():
            close(found[name][k], value, name)


def test_single_precision_samples_are_summed_in_double():
    temperature = (33 + np.random.default_rng(0).normal(0, 1e-3, (2, 2100))).astype(np.float32)
    found = describe(temperature)
    for name in ("mean", "sd", "skewness", "kurtosis", "interquartile_range"):
        close(found[name][1], statistics_of_row(temperature[1])[name], name)


def test_what_equals_one_standard_deviation_is_no_peak():
    # Half of the samples at either level: each lies exactly one standard deviation from the mean.
    found = describe(np.tile([0.0, 0.0, 3.0, 3.0, 0.0, 3.0], (1, 350)).astype(np.float32))
    assert found["sd"][0] == 1.5
    assert found["peak_rate"][0] == 0


def test_one_value_throughout_is_its_mean_exactly():
    found = describe(np.full((1, 2100), 0.1))
    assert (found["mean"][0], found["sd"][0], found["dynamic_range"][0]) == (0.1, 0.0, 0.0)
    assert np.isnan(found["kurtosis"][0])


def test_peaks_of_a_sine_are_its_cycles_and_a_rise_into_a_gap_is_none():
    time = np.arange(0, 60, 1 / RATE_HZ)
    values = np.sin(2 * np.pi * np.array([0.5, 1.2, 0.5])[:, None] * time)
    # From just after a steep rise above one standard deviation, before its peak, until the next cycle begins.
    values[2, 360:420] = np.nan
    rate = describe(values)["peak_rate"]
    np.testing.assert_allclose(rate[:2], [30, 72])
    assert rate[2] * np.isfinite(values[2]).sum() / RATE_HZ / 60 == pytest.approx(29)


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


@agree
@given(SEEDS, st.sampled_from([np.float32, np.float64]))
def test_slopes(seed, dtype):
    generator = np.random.default_rng(seed)
    values = with_gaps(generator.normal(size=(6, 240)).cumsum(axis=1).astype(dtype), generator)
    values[5] = np.nan
    for row, found in zip(values.astype(float), slope(values, 4.0), strict=True):
        present = np.flatnonzero(~np.isnan(row))
        line = np.polyfit(present / 4.0, row[present], 1)[0] if len(present) >= 120 else np.nan
        np.testing.assert_allclose(found, line, rtol=1e-7, atol=1e-10)
