"""Compiled peaks are those of SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import signal

from wesadlib.signals.peaks import find_peaks, left_bases

STEPS = arrays(np.float64, st.integers(1, 60), elements=st.integers(-3, 3).map(float))


def same_as_scipy(values, distance, prominence, reach):
    peaks, found = signal.find_peaks(values, distance=distance, prominence=prominence, wlen=2 * reach + 1)
    mine = find_peaks(values, float(distance), float(prominence), reach)
    np.testing.assert_array_equal(mine, peaks)
    np.testing.assert_array_equal(left_bases(values, mine, reach), found["left_bases"])


@pytest.mark.filterwarnings("ignore:some peaks have a prominence of 0")
@given(values=STEPS, prominence=st.sampled_from([0.0, 1.0, 2.5]), reach=st.integers(1, 70))
@settings(deadline=None, max_examples=300)
def test_steps_and_flat_tops_have_the_peaks_that_scipy_finds(values, prominence, reach):
    same_as_scipy(values, 1, prominence, reach)


@given(seed=st.integers(0, 10_000), samples=st.integers(3, 400), distance=st.floats(1, 50), share=st.floats(0, 2))
@settings(deadline=None, max_examples=200)
def test_of_two_that_are_too_near_the_higher_stays(seed, samples, distance, share):
    values = np.random.default_rng(seed).normal(size=samples).cumsum()
    same_as_scipy(values, distance, share * values.std(), samples)


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_too_short_a_row_has_none(samples):
    assert len(find_peaks(np.arange(float(samples)), 1.0, 0.0, 5)) == 0


def test_a_gap_is_no_valley_and_a_flat_end_no_peak():
    assert find_peaks(np.array([0.0, 1.0, 1.0]), 1.0, 0.0, 5).tolist() == []
    assert find_peaks(np.array([0.0, 2.0, 2.0, 1.0, 3.0, 0.0]), 1.0, 1.5, 5).tolist() == [4]
