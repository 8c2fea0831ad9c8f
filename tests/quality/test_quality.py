"""Rules, verdicts and reasons."""

import numpy as np
import pytest
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.params import Params
from wesadlib.quality import (
    RULES,
    THRESHOLDS,
    assess_arrays,
    assess_quality,
    describe_rules,
    quality_only,
    read_thresholds,
)
from wesadlib.quality.scores import beat_plausibility
from wesadlib.signals import Windows

STATISTICS = ["missing_share", "longest_flat_s", "rail_share"]


def _set_native(windows, channel, statistic, value, window=0):
    row = list(windows["channel"].values).index(channel)
    windows["raw_statistics"].values[window, row, STATISTICS.index(statistic)] = value


@pytest.mark.parametrize(
    ("channel", "statistic", "refused", "accepted", "rule"),
    [
        ("wrist_eda", "missing_share", 0.06, 0.05, "completeness"),
        ("wrist_bvp", "longest_flat_s", 1.1, 1.0, "flat line"),
        ("wrist_eda", "longest_flat_s", 10.5, 10.0, "flat line"),
        ("wrist_temp", "longest_flat_s", 41.0, 40.0, "flat line"),
        ("wrist_bvp", "rail_share", 0.06, 0.05, "saturation"),
    ],
)
def test_a_native_statistic_beyond_its_cutoff_refuses_the_window(
    toy_windows, channel, statistic, refused, accepted, rule
):
    _set_native(toy_windows, channel, statistic, refused, window=0)
    _set_native(toy_windows, channel, statistic, accepted, window=1)
    assessed = assess_quality(toy_windows)
    assert assessed["verdict"].values.tolist() == [False] + [True] * (toy_windows.sizes["window"] - 1)
    assert assessed["reason"].values[0] == f"{channel}: {rule}"
    assert float(assessed["quality"].sel(channel=channel)[0]) < 0.5
    assert float(assessed["quality"].sel(channel=channel)[1]) >= 0.5


def test_range_and_speed(toy_windows):
    toy_windows["signal"][0, 2] = 22.0
    toy_windows["signal"][1, 1] = 0.01
    time = toy_windows["time"].values
    toy_windows["signal"][2, 2] = 34 - 0.2 * np.clip(time - 30, 0, 12)
    toy_windows["signal"][3, 2] = 34 - 0.02 * time
    assessed = assess_quality(toy_windows)
    assert assessed["reason"].values[:4].tolist() == [
        "wrist_temp: physiological range",
        "wrist_eda: physiological range",
        "wrist_temp: physiological range",
        "",
    ]
    assert float(assessed["rule_score"].sel(channel="wrist_temp", rule="physiological range")[0]) == 0


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [([1.0] * 59, 1.0), ([2.0] * 29, 0.0), ([1.0, 1.0, 0.6] * 22, 2 / 2.6), ([1.0] * 29 + [0.6], 0.52)],
)
def test_intervals_count_by_rate_and_by_the_window_s_own_rhythm(intervals, expected):
    time = np.arange(2100) / 35
    beats = 0.7 + np.concatenate([[0], np.cumsum(intervals)])
    beats = beats[beats < 59.5]
    pulse = sum(np.exp(-0.5 * ((time - beat) / 0.05) ** 2) for beat in beats)
    score = beat_plausibility(np.pad(beats, (0, 50), constant_values=np.nan)[None], pulse[None], 35.0, 60.0)
    assert score[0] == pytest.approx(expected, abs=0.04)


def test_what_is_kept_goes_to_disk_and_back(toy_windows, tmp_path):
    kept = quality_only(assess_quality(toy_windows))
    kept.to_netcdf(tmp_path / "quality.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "quality.nc", engine="h5netcdf") as read:
        assert set(read.data_vars) == {"rule_score", "quality", "verdict", "reason"}
        assert read.attrs["cohort_digest"] == toy_windows.attrs["cohort_digest"]
        np.testing.assert_array_equal(read["reason"].values, kept["reason"].values)
        assert read["verdict"].dtype == bool


def test_the_rules_table_names_every_cutoff():
    table = describe_rules(Params(min_completeness=0.8))
    assert set(table["rule"]) == {rule.name for rule in RULES}
    assert set(table["parameter"]) == set(THRESHOLDS)
    assert table.set_index("parameter").loc["min_completeness", "cutoff"] == 0.8
    assert (table["definition"].str.len() > 20).all()


def test_bad_input_is_named(toy_windows):
    with pytest.raises(InputError, match="min_motion_score"):
        read_thresholds({name: 1.0 for name in THRESHOLDS if name != "min_motion_score"})
    odd = toy_windows.assign_coords(channel=["wrist_gsr", *toy_windows["channel"].values[1:]])
    with pytest.raises(InputError, match="wrist_gsr"):
        assess_quality(odd)
    with pytest.raises(InputError, match="chest_ecg is not in the windows"):
        assess_arrays(Windows.from_dataset(toy_windows), channels=["chest_ecg"])
    with pytest.raises(InputError, match="no `raw_statistics`"):
        assess_quality(toy_windows.drop_vars("raw_statistics"))
