"""Events are found where they were put; attributions are averaged around them, and deleted by what they say."""

import numpy as np
import pytest
import xarray as xr

from wesadlib.evaluation import attribution

RATE_HZ = 35.0


@pytest.fixture(scope="module")
def windows():
    """Two wrist minutes with beats every 0.8 s, skin responses from 20 s and 40 s on, and movement from 30 s on."""
    time = np.arange(2100) / RATE_HZ
    eda = 2 + sum(np.where(time > at, (time - at) * np.exp(at - time), 0) for at in (20.0, 40.0))
    axis = 0.6 + np.where((time >= 30) & (time < 35), 0.2 * np.sin(2 * np.pi * 3 * time), 0)
    beats = np.arange(0.5, 60, 0.8)
    signal = np.stack([np.cos(2 * np.pi * (time - 0.5) / 0.8), eda, axis, axis, axis]).astype(np.float32)
    return xr.Dataset(
        {
            "signal": (("window", "channel", "time"), np.stack([signal, signal])),
            "beat_s": (("window", "beat_source", "beat"), np.tile(np.append(beats, np.nan), (2, 1, 1))),
        },
        {
            "channel": ["wrist_bvp", "wrist_eda", "wrist_acc_x", "wrist_acc_y", "wrist_acc_z"],
            "beat_source": ["wrist_bvp"],
        },
        {"rate_hz": RATE_HZ},
    )


def test_events_are_found_where_they_are(windows):
    found = attribution.find_events(windows)
    assert [channels for channels, _ in found.values()] == [[0], [1], [2, 3, 4]]
    pulses, onsets, bursts = (times[1] for _, times in found.values())
    assert len(pulses) == 75
    np.testing.assert_allclose(onsets, [20, 40], atol=0.6)
    np.testing.assert_array_equal(bursts, [30])


def test_a_gap_in_conductance_has_no_onsets_and_a_device_without_a_sensor_no_events_of_it(windows):
    gappy = windows.copy(deep=True)
    gappy["signal"][0, 1] = np.nan
    (_, times) = attribution.find_events(gappy)["skin response"]
    assert len(times[0]) == 0 and len(times[1]) == 2
    assert set(attribution.find_events(windows.isel(channel=[1]))) == {"skin response"}


def test_what_is_large_at_pulses_is_so_around_them_and_not_at_random(windows):
    samples = np.full((2, 5, 2100), 0.1)
    for at in np.round(np.arange(0.5, 60, 0.8) * RATE_HZ).astype(int):
        samples[:, 0, at] = -3
    table = attribution.follow_events(windows, samples)
    pulse = table[table["measure"] == "pulse peak"].set_index(["how", "x"])["value"]
    assert pulse["at events"].idxmax() == pytest.approx(0, abs=1e-9) and pulse["at events"].max() > 8
    assert pulse["at random"].mean() == pytest.approx(1, abs=0.25) and pulse["at random"].max() < 3


def test_an_event_at_the_edge_is_left_out_and_none_is_unknown():
    values = np.arange(100.0)[None]
    lag_s, mean = attribution.average_around(values, [np.array([0.0, 50.0, 99.0])], 1.0, (-2, 3))
    np.testing.assert_array_equal(lag_s, [-2, -1, 0, 1, 2, 3])
    np.testing.assert_array_equal(mean, [48, 49, 50, 51, 52, 53])
    assert np.isnan(attribution.average_around(values, [np.empty(0)], 1.0, (-2, 3))[1]).all()


def test_deleting_what_speaks_for_an_answer_hurts_it_more_than_chance():
    generator = np.random.default_rng(0)
    weight = generator.normal(0, 0.02, (6, 3, 2)) + np.array([0.01] * 3 + [-0.01] * 3)[:, None, None]
    weight = weight.repeat(35, axis=-1)

    def log_odds(removed):
        return np.where(removed, 0, weight).sum(axis=(1, 2))

    seconds = attribution.sum_seconds(weight, 35.0)
    table = attribution.delete_seconds(log_odds, seconds, weight.shape).set_index(["how", "x"])["value"]
    assert seconds.shape == (6, 3, 2) and table["by attribution", 0.0] == table["at random", 0.0]
    # Deleted first is what speaks for the answer; what speaks against it comes last.
    assert (table["by attribution"].diff().dropna() <= 0).all()
    assert table["by attribution", 0.5] < table["at random", 0.5] - 0.05


def test_an_attribution_agrees_with_itself_whatever_its_sign_and_not_with_another():
    first, second = np.random.default_rng(0).normal(size=(2, 5, 3, 60))
    assert attribution.agree(first, -2 * first) == pytest.approx(1)
    assert abs(attribution.agree(first, second)) < 0.15


def test_windows_are_chosen_of_one_person_of_every_state_and_good(make_windows_of_toys):
    windows = make_windows_of_toys(n_subjects=3, per_subject=12, window_s=20.0)
    windows["verdict"] = "window", np.arange(36) != 12
    chosen = windows.isel(window=attribution.choose_windows(windows, "S3", 3))
    assert set(chosen["subject"].values) == {"S3"} and 12 not in attribution.choose_windows(windows, "S3", 8)
    assert np.unique(chosen["label"].values, return_counts=True)[1].tolist() == [3, 3]
