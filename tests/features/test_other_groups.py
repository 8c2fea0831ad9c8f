import numpy as np
import pytest

from wesadlib.features import MOTION, RESPIRATORY, THERMAL, Block

RATE_HZ = 35.0
TIME = np.arange(0, 60, 1 / RATE_HZ)


def block(**signal):
    return Block(signal=signal, beat_s={}, rate_hz=RATE_HZ, window_s=60.0)


def test_depth_is_peak_to_trough_and_its_variation_is_relative():
    even = 4 * np.sin(2 * np.pi * 0.25 * TIME)
    uneven = even * (1 + 0.5 * np.sin(2 * np.pi * 0.03 * TIME))
    found = RESPIRATORY.extract(block(chest_resp=np.stack([even, uneven, 3 * uneven])))
    assert found["chest_resp_depth"][0] == pytest.approx(8, rel=0.005)
    assert found["chest_resp_depth_variation"][0] < 0.001 < found["chest_resp_depth_variation"][1]
    assert found["chest_resp_depth_variation"][2] == pytest.approx(found["chest_resp_depth_variation"][1])


@pytest.mark.parametrize("rate", [6, 12, 25, 40, 55])
def test_even_breaths_have_their_rate_and_depth_and_no_spread_to_the_window_s_edges(rate):
    breathing = 4 * np.sin(2 * np.pi * (rate / 60 * TIME + np.linspace(0, 1, 40)[:, None]))
    found = RESPIRATORY.extract(block(chest_resp=breathing))
    np.testing.assert_allclose(found["chest_resp_rate"], rate, rtol=0.005)
    np.testing.assert_array_less(found["chest_resp_rate_sd"], 0.1)
    np.testing.assert_allclose(found["chest_resp_depth"], 8, rtol=0.02)


def test_no_breath_is_not_a_rate_of_zero():
    missing = np.sin(2 * np.pi * 0.25 * TIME)
    missing[700:800] = np.nan
    once = np.exp(-((TIME - 30) ** 2) / 200)
    found = RESPIRATORY.extract(block(chest_resp=np.stack([np.zeros_like(TIME), once, missing])))
    assert all(np.isnan(value).all() for value in found.values())


def test_temperature_slope_is_the_ramps():
    found = THERMAL.extract(block(wrist_temp=np.stack([33 + 0.002 * TIME, 33 - 0.001 * TIME]), wrist_eda=TIME[None]))
    assert list(found) == ["wrist_temp_slope"]
    np.testing.assert_allclose(found["wrist_temp_slope"], [2.0, -1.0])


def moving(*magnitude_sd, seed=0):
    noise = np.random.default_rng(seed).normal(size=(len(magnitude_sd), len(TIME))) * np.array(magnitude_sd)[:, None]
    still = np.zeros_like(noise)
    return {"wrist_acc_x": still, "wrist_acc_y": still, "wrist_acc_z": 1 + noise}


def test_magnitude_and_activity_follow_movement():
    found = MOTION.extract(block(**moving(0.005, 0.2)))
    np.testing.assert_allclose(found["wrist_acc_magnitude_sd"], [0.005, 0.2], rtol=0.05)
    np.testing.assert_allclose(found["wrist_acc_magnitude_mean"], [1, 1], rtol=0.02)
    np.testing.assert_allclose(found["wrist_acc_active_share"], [0, 1])


def test_turning_the_hand_changes_posture_and_not_magnitude():
    angle = np.where(TIME < 30, 0, np.pi / 2)
    turned = {
        "wrist_acc_x": np.cos(angle)[None],
        "wrist_acc_y": np.sin(angle)[None],
        "wrist_acc_z": np.zeros((1, len(TIME))),
    }
    found = MOTION.extract(block(**turned))
    assert found["wrist_acc_posture_change"][0] == pytest.approx(np.sqrt(0.5))
    assert found["wrist_acc_magnitude_sd"][0] == pytest.approx(0, abs=1e-9)


def test_jerk_is_the_rate_of_change_and_only_half_a_minute_may_be_missing():
    axes = {"wrist_acc_x": np.tile(0.3 * TIME, (3, 1)), "wrist_acc_y": np.tile(0.4 * TIME, (3, 1))}
    axes["wrist_acc_z"] = np.zeros((3, len(TIME)))
    axes["wrist_acc_x"][1, 35:1000] = axes["wrist_acc_y"][2, 35:1100] = np.nan
    found = MOTION.extract(block(**axes))
    np.testing.assert_allclose(found["wrist_acc_jerk"], [0.5, 0.5, np.nan])
    assert all(np.isnan(value).tolist() == [False, False, True] for value in found.values())


def test_movement_needs_three_axes():
    axes = moving(0.1)
    del axes["wrist_acc_y"]
    assert MOTION.extract(block(**axes)) == {}
