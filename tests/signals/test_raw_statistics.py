"""What only the native samples can tell: gaps, flat lines, rails."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.signals import RAW_STATISTICS, windows_from_channels
from wesadlib.signals.raw_statistics import raw_statistics

NOISE = np.random.default_rng(0).normal(size=3840)


def of(values, rate_hz=64.0):
    return dict(zip(RAW_STATISTICS, raw_statistics(np.asarray(values)[None], rate_hz)[0], strict=True))


def test_clipping_is_found_on_both_sides():
    values = 10 * np.sin(2 * np.pi * 1.2 * np.arange(3840) / 64)
    clipped = np.clip(values, -8, 8)
    assert of(values)["rail_share"] == 0
    assert of(clipped)["rail_share"] == pytest.approx((np.abs(values) >= 8).mean(), abs=1e-3)
    assert of(np.minimum(values, 8))["rail_share"] == pytest.approx((values >= 8).mean(), abs=1e-3)


@given(seed=st.integers(0, 10_000), samples=st.integers(2, 40), missing=st.floats(0, 1))
@settings(deadline=None, max_examples=200)
def test_they_are_what_counting_sample_by_sample_gives(seed, samples, missing):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 3, samples).astype(float)
    values[generator.random(samples) < missing] = np.nan
    runs = [list(run) for _, run in groupby(values.tolist())]
    lengths = [len(run) for run in runs if run[0] == run[0]]
    extremes = {value for value in values if value in (np.nanmin(values), np.nanmax(values))} if lengths else set()
    found = of(values, 4.0)
    assert found["missing_share"] == pytest.approx(np.isnan(values).mean())
    if lengths:
        assert found["longest_flat_s"] == (max(lengths) / 4 if max(lengths) > 1 else 0)
        railed = sum(len(run) for run in runs if len(run) >= 3 and run[0] in extremes)
        assert found["rail_share"] == pytest.approx(railed / samples)
        # At 4 Hz, any run is a quarter of a second.
        assert found["flat_share"] == pytest.approx(sum(length for length in lengths if length > 1) / samples)
    else:
        assert np.isnan([found["longest_flat_s"], found["rail_share"], found["flat_share"]]).all()


def test_rows_do_not_mix_and_windows_carry_them():
    rows = np.stack([NOISE, np.zeros(3840)])
    np.testing.assert_array_equal(raw_statistics(rows, 64)[1], [0, 60, 1, 1])
    np.testing.assert_array_equal(raw_statistics(rows, 64)[0], [0, 0, 0, 0])
    channels = {"wrist_bvp": rows[0], "wrist_acc_x": rows[1]}
    window = windows_from_channels([(channels, dict.fromkeys(channels, 64.0))]).to_dataset().isel(window=0)
    assert float(window.raw_statistics.sel(channel="wrist_acc_x", raw_statistic="longest_flat_s")) == 60
    assert float(window.raw_statistics.sel(channel="wrist_bvp", raw_statistic="longest_flat_s")) == 0
