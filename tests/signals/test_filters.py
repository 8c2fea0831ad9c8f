"""Filters without delay are SciPy's, rows go on beyond their ends as NumPy continues them, gaps are bridged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from wesadlib.signals.filters import bridge_gaps, continue_row, zero_phase

DESIGNS = [("bandpass", (0.5, 5.0)), ("lowpass", 0.05), ("highpass", 2.0)]


@pytest.mark.parametrize(("kind", "cutoff_hz"), DESIGNS)
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 17])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filtering_is_scipys_for_any_number_of_rows(kind, cutoff_hz, rows, dtype):
    values = (30 + np.random.default_rng(rows).normal(size=(rows, 700)).cumsum(axis=1)).astype(dtype)
    expected = sosfiltfilt(butter(2, cutoff_hz, kind, fs=20.0, output="sos"), values.astype(float))
    found = zero_phase(values, 20.0, kind, cutoff_hz)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    for k in range(rows):
        np.testing.assert_array_equal(zero_phase(values[k : k + 1], 20.0, kind, cutoff_hz)[0], found[k])


@pytest.mark.parametrize("samples", [2, 3, 10])
def test_a_row_that_is_shorter_than_the_usual_padding_is_filtered(samples):
    found = zero_phase(np.full((2, samples), 3.0), 20.0, "lowpass", 0.05)
    np.testing.assert_allclose(found, 3, atol=1e-9)


@given(samples=st.integers(2, 12), before=st.integers(0, 40), after=st.integers(0, 40))
@settings(deadline=None)
def test_a_row_goes_on_as_numpy_continues_it(samples, before, after):
    values = np.random.default_rng(samples).normal(size=samples)
    continued = np.empty(before + samples + after)
    continue_row(values, before, after, continued)
    expected = np.pad(values, (before, after), "reflect", reflect_type="odd")
    np.testing.assert_allclose(continued, expected, atol=1e-12)


def test_gaps_are_bridged_row_by_row():
    values = np.array([[np.nan, 1.0, np.nan, 3.0, np.nan], [np.nan] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]])
    found = bridge_gaps(values, np.isnan(values))
    np.testing.assert_array_equal(found, [[1, 1, 2, 3, 3], [0] * 5, [1, 2, 3, 4, 5]])
