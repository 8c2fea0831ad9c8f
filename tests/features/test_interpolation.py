"""Many rows at once are interpolated as one after the other by SciPy."""

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from wesadlib.features.interpolation import interpolate_rows


@pytest.mark.parametrize("shape", ["noise", "steps", "monotone", "flat"])
@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_scipy(shape, seed):
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.uniform(0.3, 1.5, (7, 40)), axis=1)
    values = {
        "noise": generator.normal(800, 50, times.shape),
        "steps": generator.integers(0, 3, times.shape).astype(float),
        "monotone": np.cumsum(generator.uniform(0, 1, times.shape), axis=1),
        "flat": np.ones(times.shape),
    }[shape]
    known = generator.random(times.shape) < 0.7
    known[:, :3] = True
    known[3, 3:] = False
    values[~known] = np.nan
    at = np.arange(-1, 60, 0.25)
    found = interpolate_rows(times, values, known, at)
    for row, line in enumerate(found):
        knots = times[row, known[row]]
        expected = PchipInterpolator(knots, values[row, known[row]])(np.clip(at, knots[0], knots[-1]))
        np.testing.assert_allclose(line, expected, rtol=1e-11, atol=1e-11)


def test_no_row_is_no_row():
    assert interpolate_rows(np.empty((0, 5)), np.empty((0, 5)), np.empty((0, 5), bool), np.arange(3.0)).shape == (0, 3)


def test_a_row_of_fewer_than_three_knots_is_not_interpolated():
    times = np.tile(np.arange(4.0), (5, 1))
    known = np.arange(4) < np.arange(5)[:, None]
    found = interpolate_rows(times, 2 * times, known, np.array([0.5, 1.5]))
    np.testing.assert_array_equal(found, [[np.nan, np.nan]] * 3 + [[1.0, 3.0]] * 2)
