"""Minutes in which nobody wears the device, and sensors that do not touch."""

import numpy as np
import pytest

from wesadlib.data import Recording, make_signals
from wesadlib.quality.wear import WEAR_RULES, assess_wear

MINUTES = 6


def make_recording(off=(), **changes):
    """A wrist of six minutes that moves a little; `off`: minutes on a table in a cool room."""
    generator = np.random.default_rng(0)
    samples = {}
    for signal, rate, level, spread in (
        ("bvp", 64, 0, 30), ("eda", 4, 1.0, 0.05), ("temp", 4, 33, 0.05),
        *((f"acc_{axis}", 32, 0.58, 0.05) for axis in "xyz")
    ):  # fmt: skip
        values = level + spread * generator.standard_normal((MINUTES, 60 * rate))
        for minute in off:
            quiet = {"eda": 0.01, "temp": 22.0}.get(signal, 0.58 if "acc" in signal else 0.0)
            values[minute] = quiet + 0.001 * generator.standard_normal(60 * rate)
        for minute, value in changes.get(signal, {}).items():
            values[minute] = value
        samples[f"wrist_{signal}"] = values.ravel()
    return Recording("S1", make_signals(samples))


def test_a_worn_wrist_is_worn_and_a_table_is_not():
    wear = assess_wear(make_recording(off=(2, 3)))
    assert wear["worn"].tolist() == [True, True, False, False, True, True]
    assert wear["start_s"].tolist() == [0, 60, 120, 180, 240, 300]
    assert wear["wrist_acc"].tolist() == ["good", "good", "still", "still", "good", "good"]


def test_electrodes_a_stuck_sensor_and_missing_samples_are_named_and_do_not_undress_the_wrist():
    wear = assess_wear(make_recording(eda={1: 0.02}, bvp={2: 7.0, 3: np.nan}, temp={4: 25.0}))
    assert wear["worn"].all()
    assert wear["wrist_eda"].tolist()[1] in ("stuck", "not touching")
    assert wear["wrist_bvp"].tolist() == ["good", "good", "stuck", "missing", "good", "good"]
    assert wear["wrist_temp"].tolist()[4] == "cold"


RISE = np.arange(240) * 1e-5
SWING = np.tile([-1.0, 1.0], 960)


@pytest.mark.parametrize(
    ("signals", "within", "beyond", "name"),
    [
        (["temp"], 26.1, 25.9, "cold"),
        (["eda"], 0.051 + RISE, 0.048 + RISE, "not touching"),
        (["acc_x", "acc_y", "acc_z"], 0.58 + 0.0131 * SWING, 0.58 + 0.0129 * SWING, "still"),
    ],
)
def test_a_minute_has_its_name_beyond_the_cutoff(signals, within, beyond, name):
    wear = assess_wear(make_recording(**{signal: {1: within, 2: beyond} for signal in signals}))
    assert wear[f"wrist_{signals[0].partition('_')[0]}"].tolist()[1:3] == ["good", name]


def test_every_rule_has_a_unit():
    assert all(rule.unit and rule.definition for rule in WEAR_RULES)


def test_a_minute_without_any_sample_was_not_recorded_and_is_not_called_worn():
    gap = {1: np.nan}
    wear = assess_wear(make_recording(bvp=gap, eda=gap, temp=gap, **{f"acc_{axis}": gap for axis in "xyz"}))
    assert wear["recorded"].tolist() == wear["worn"].tolist() == [True, False, True, True, True, True]
