"""Normalisation over arrays is the network's own."""

import numpy as np
import pytest
import torch

from wesadlib.models.levels import WindowNormalisation
from wesadlib.models.normalising import normalise

UNITS = ["a.u.", "uS", "degC", "g", "mV"]


@pytest.fixture(scope="module")
def signal():
    """Windows of all that may come: levels far above their spread, missing samples and channels, flat ones."""
    generator = np.random.default_rng(0)
    signal = generator.normal(size=(12, len(UNITS), 2100)) * np.array([50, 0.5, 0.01, 0.2, 1])[:, None]
    signal = (signal + np.array([0, 2, 33, 0.6, -0.5])[:, None]).astype(np.float32)
    signal[1, :, ::3] = np.nan
    signal[2, 2] = signal[3] = signal[4, :, 1:] = np.nan
    signal[5, 2], signal[6], signal[7, 1] = 33.0, 0.0, -1.0
    return signal


def test_both_give_the_same(signal):
    module = WindowNormalisation(UNITS)
    expected = [values.numpy() for values in module(torch.from_numpy(signal))]
    found = normalise(signal, module.noise.numpy(), module.logarithmic.numpy())
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (np.float32, other.shape)
        np.testing.assert_allclose(one, other, rtol=2e-7, atol=1e-7)
    assert np.isnan(found[1][3]).all() and np.isnan(found[1][2]).tolist() == [k % 5 == 2 for k in range(10)]
    assert not found[0][3].any() and not found[0][6].any() and np.isfinite(found[0]).all()


def test_a_window_is_the_same_alone_and_among_others(signal):
    module = WindowNormalisation(UNITS)
    noise, logarithmic = module.noise.numpy(), module.logarithmic.numpy()
    together = normalise(signal, noise, logarithmic)
    for k in range(len(signal)):
        for one, all_of_them in zip(normalise(signal[k : k + 1], noise, logarithmic), together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[k])
