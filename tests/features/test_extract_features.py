import numpy as np
import pytest
import xarray as xr

from wesadlib.data import DEVICE_CHANNELS
from wesadlib.errors import InputError
from wesadlib.features import GROUPS, describe_features, extract_features


@pytest.fixture(scope="module")
def featured(_toy_windows):
    return extract_features(_toy_windows)


def test_known_truth_comes_back(featured):
    feature = featured["feature"].to_pandas()
    beats = featured["beat_s"].isel(beat_source=0).values
    np.testing.assert_allclose(feature["wrist_bvp_heart_rate"], 60 / np.nanmean(np.diff(beats), axis=1), rtol=1e-6)
    np.testing.assert_allclose(feature["wrist_temp_slope"], 1.0, atol=0.2)
    np.testing.assert_allclose(
        feature["wrist_eda_mean"], featured["signal"].sel(channel="wrist_eda").mean("time"), rtol=1e-5
    )


def test_one_value_and_gaps_are_no_change(toy_windows):
    windows = toy_windows.isel(window=slice(0, 2))
    windows["signal"].loc[{"channel": "wrist_eda"}] = 2.5
    windows["signal"].values[:, 1, [0, 700, -1]] = np.nan
    windows["signal"].values[1, 1, 1500] = np.float32(2.5000002)
    feature = extract_features(windows)["feature"].sel(feature_name=["wrist_eda_mean", "wrist_eda_log_level"])
    np.testing.assert_array_equal(np.isnan(feature.values), [[True, True], [False, False]])


@pytest.mark.parametrize("value", [np.nan, 0.0, 2.5])
@pytest.mark.parametrize("channel", ["wrist_bvp", "wrist_eda", "wrist_temp"])
def test_a_dead_channel_is_nan_and_never_zero(toy_windows, featured, channel, value):
    windows = toy_windows.isel(window=slice(0, 2))
    windows["signal"].loc[{"channel": channel}] = value
    feature = extract_features(windows)["feature"]
    names = feature["feature_name"].values
    # Beats were found before the channel died here; what is read from its samples must be gone.
    dead = [name for name in names if name.startswith(f"{channel}_") and not name.endswith(BEAT_STATISTICS)]
    assert np.isnan(feature.sel(feature_name=dead)).all()
    others = [name for name in names if not name.startswith(f"{channel}_")]
    np.testing.assert_allclose(
        feature.sel(feature_name=others), featured["feature"].isel(window=slice(0, 2)).sel(feature_name=others)
    )


BEAT_STATISTICS = ("heart_rate", "sdnn", "rmssd", "pnn50", "hf_power", "regular_share")


def test_one_still_axis_is_no_dead_sensor(toy_windows):
    windows = toy_windows.isel(window=slice(0, 1))
    windows["signal"].loc[{"channel": "wrist_acc_y"}] = 0.25
    feature = extract_features(windows)["feature"].isel(window=0)
    assert feature.sel(feature_name="wrist_acc_y_mean") == 0.25
    assert feature.sel(feature_name="wrist_acc_y_sd") == 0
    assert np.isfinite(feature.sel(feature_name="wrist_acc_magnitude_sd"))
    for axis in "xyz":
        windows["signal"].loc[{"channel": f"wrist_acc_{axis}"}] = 0.25
    feature = extract_features(windows)["feature"].isel(window=0).to_pandas()
    assert feature[feature.index.str.contains("_acc_")].isna().all()


def test_chest_windows_have_breathing_and_both_devices_their_own_names(toy_windows):
    chest = as_chest(toy_windows.isel(window=slice(0, 3)))
    feature = extract_features(chest)["feature"].to_pandas()
    assert feature["chest_resp_rate"].between(5, 30).all()
    assert feature["chest_ecg_heart_rate"].notna().all()
    assert not feature.columns.str.startswith("wrist").any()


def as_chest(windows):
    channels, time = DEVICE_CHANNELS["chest"], windows["time"].values
    generator = np.random.default_rng(0)
    signal = generator.normal(1, 0.1, (windows.sizes["window"], len(channels), len(time))).astype(np.float32)
    signal[:, channels.index("chest_resp")] = np.sin(2 * np.pi * 0.25 * time)
    return xr.Dataset(
        {"signal": (("window", "channel", "time"), signal), "beat_s": windows["beat_s"].variable},
        coords={"channel": list(channels), "beat_source": ["chest_ecg"], "time": time},
        attrs=windows.attrs,
    )


def test_every_feature_is_described_and_every_description_computed(toy_windows, featured):
    table = describe_features()
    described = {name.removeprefix("<channel>_") for name in table["name"]}
    chest = extract_features(as_chest(toy_windows.isel(window=slice(0, 1))))
    channels = [*map(str, featured["channel"].values), *map(str, chest["channel"].values), "wrist_acc", "chest_acc"]
    names = {*map(str, featured["feature_name"].values), *map(str, chest["feature_name"].values)}
    statistics = {
        name.removeprefix(f"{channel}_") for name in names for channel in channels if name.startswith(f"{channel}_")
    }
    assert described <= statistics
    assert names == {f"{channel}_{d}" for channel in channels for d in described} & names
    assert set(table["group"]) == {group.name for group in GROUPS}
    assert (table["definition"].str.len() > 5).all()


def test_features_of_windows_are_described_with_their_units(featured):
    table = describe_features(featured).set_index("name")
    assert list(table.index) == list(featured["feature_name"].values)
    assert table.loc["wrist_eda_mean", ["group", "unit"]].tolist() == ["statistics", "uS"]
    assert table.loc["wrist_bvp_heart_rate", ["group", "unit"]].tolist() == ["cardiac", "1/min"]
    assert table.loc["wrist_bvp_pulse_amplitude", "unit"] == "a.u."
    assert table.loc["wrist_acc_magnitude_sd", ["group", "unit"]].tolist() == ["motion", "g"]
    assert not table["unit"].str.contains("{", regex=False).any()


def test_features_are_replaced_not_doubled(featured):
    again = extract_features(featured)
    xr.testing.assert_identical(again["feature"], featured["feature"])


def test_no_windows_give_no_features_but_all_names(toy_windows, featured):
    none = extract_features(toy_windows.isel(window=slice(0, 0)))["feature"]
    assert none.shape == (0, featured.sizes["feature_name"])
    np.testing.assert_array_equal(none["feature_name"], featured["feature_name"])


@pytest.mark.parametrize("missing", ["signal", "beat_s", "rate_hz"])
def test_windows_without_a_variable_or_their_rate_are_refused(toy_windows, missing):
    toy_windows.attrs.pop(missing, None)
    with pytest.raises(InputError, match=f"`{missing}`"):
        extract_features(toy_windows.drop_vars(missing, errors="ignore"))
