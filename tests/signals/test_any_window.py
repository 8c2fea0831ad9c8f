"""Windows of every awkward kind go through signals, quality and features, alone as among others."""

import numpy as np
import pytest

from wesadlib.data import DEVICE_CHANNELS
from wesadlib.features import feature_values
from wesadlib.quality import assess_arrays
from wesadlib.signals import windows_from_channels


def samples(generator: np.random.Generator, count: int) -> np.ndarray:
    """Noise, a level, steps or spikes, with gaps anywhere, at the ends, or everywhere."""
    kinds = [
        generator.normal(size=count).cumsum(),
        np.full(count, 33.0),
        generator.integers(-2, 3, count).astype(float),
        1e9 * (generator.random(count) < 0.1),
    ]
    values = kinds[generator.integers(len(kinds))].astype([np.float32, np.float64][generator.integers(2)])
    gaps = [slice(0, 0), slice(0, count // 3), slice(count // 2, None), slice(1, count - 1), slice(None)]
    values[gaps[generator.integers(len(gaps))]] = np.nan
    return values


@pytest.mark.parametrize("device", ["wrist", "chest"])
@pytest.mark.parametrize("window_s", [4.0, 61.0])
@pytest.mark.parametrize("rate_hz", [0.5, 16.3, 99.9])
def test_a_lone_window_equals_itself_among_others(device, window_s, rate_hz):
    generator, names = np.random.default_rng(0), DEVICE_CHANNELS[device]
    count = max(round(window_s * rate_hz), 2)
    cuts = [({name: samples(generator, count) for name in names}, dict.fromkeys(names, rate_hz)) for _ in range(5)]
    together = windows_from_channels(cuts, window_s=window_s)
    assessment, (features, _) = assess_arrays(together), feature_values(together)
    score = assessment.rule_score[~np.isnan(assessment.rule_score)]
    assert ((score >= 0) & (score <= 1)).all()
    assert not np.isinf(features).any()
    for k, cut in enumerate(cuts):
        alone = windows_from_channels([cut], window_s=window_s)
        for name in ("signal", "beat_s", "raw_statistics"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(together, name)[k], rtol=1e-6, atol=1e-9)
        assert assess_arrays(alone).reasons == [assessment.reasons[k]]
        np.testing.assert_allclose(feature_values(alone)[0][0], features[k], rtol=1e-6, atol=1e-9)
