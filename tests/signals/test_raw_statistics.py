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


def test_a_live_signal_has_nothing_to_report():
    assert of(NOISE) == {"missing_share": 0, "longest_flat_s": 0, "rail_share": 0}


def test_missing_samples_are_counted_and_do_not_make_a_flat_line():
    values = NOISE.copy()
    values[100:868] = np.nan
    assert of(values) == {"missing_share": 0.2, "longest_flat_s": 0, "rail_share": 0}


def test_a_flat_line_is_as_long_as_its_samples():
    values = NOISE.copy()
    values[640:1280] = 0.1234
    values[2000:2064] = 0.1
    assert of(values)["longest_flat_s"] == 10
    assert of(values)["rail_share"] == 0


def test_a_gap_ends_a_flat_line():
    values = np.zeros(3840)
    values[1920] = np.nan
    assert of(values)["longest_flat_s"] == 1920 / 64


def test_clipping_is_found_on_both_sides():
    values = 10 * np.sin(2 * np.pi * 1.2 * np.arange(3840) / 64)
    clipped = np.clip(values, -8, 8)
    assert of(values)["rail_share"] == 0
    assert of(clipped)["rail_share"] == pytest.approx((np.abs(values) >= 8).mean(), abs=1e-3)
    assert of(np.minimum(values, 8))["rail_share"] == pytest.approx((values >= 8).mean(), abs=1e-3)


def test_a_pair_at_the_extreme_is_chance():
    values = NOISE.copy()
    values[[100, 101, 500]] = 9
    assert of(values)["rail_share"] == 0
    values[102] = 9
    assert of(values)["rail_share"] == 3 / 3840


def test_a_dead_channel_has_no_flat_line_and_no_rail():
    found = of(np.full(240, np.nan), 4)
    assert found["missing_share"] == 1
    assert np.isnan(found["longest_flat_s"])
    assert np.isnan(found["rail_share"])


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


def test_rows_do_not_mix_and_windows_carry_them():
    rows = np.stack([NOISE, np.zeros(3840)])
    np.testing.assert_array_equal(raw_statistics(rows, 64)[1], [0, 60, 1])
    np.testing.assert_array_equal(raw_statistics(rows, 64)[0], [0, 0, 0])
    channels = {"wrist_bvp": rows[0], "wrist_acc_x": rows[1]}
    window = windows_from_channels([(channels, dict.fromkeys(channels, 64.0))]).to_dataset().isel(window=0)
    assert float(window.raw_statistics.sel(channel="wrist_acc_x", raw_statistic="longest_flat_s")) == 60
    assert float(window.raw_statistics.sel(channel="wrist_bvp", raw_statistic="longest_flat_s")) == 0
