"""What is wrong without a word: units, missing minutes, one person under two names."""

import re
from dataclasses import replace

import minutes
import numpy as np
import pytest

from wesadlib.data import check_cohort, make_signals, open_wesad
from wesadlib.data.checks import SharedRecordings, find_faults
from wesadlib.errors import InputError
from wesadlib.signals import make_windows

AXES = ("wrist_acc_x", "wrist_acc_y", "wrist_acc_z")


def changed(recording, change, *names, subject="S2"):
    samples = {name: signal.values.copy() for name, signal in recording.signals.items()}
    samples |= {name: change(samples[name]) for name in names}
    return replace(recording, subject=subject, signals=make_signals(samples))


@pytest.fixture(scope="module")
def still():
    """Four minutes of a wrist that is turned away from every axis."""
    return changed(minutes.wrist_recording(0), lambda values: 0.577 + 0.01 * (values - values.mean()), *AXES)


def missing_from_start(values):
    values[: int(94 / 240 * len(values))] = np.nan
    return values


def wrapped(values):
    return np.uint8(np.int8(np.round(-64 * values))) / 64


# Channels, a factor and an offset (or what is done to them), and the sentence.
FAULTS = [
    (AXES, (9.81, 0), "wrist_acc is 9.8.? g in minutes 1 to 4 of 4, but a still wrist shows 1 g: perhaps m/s2.$"),
    (AXES, (9.81 / 64, 0), "wrist_acc is 0.153 g in minutes 1 to 4 of 4.*perhaps m/s2"),
    (AXES, (64, 0), "wrist_acc is 6.* g .*perhaps 1/64 g"),
    (AXES, (1 / 64, 0), "wrist_acc is 0.0156 g .*perhaps g"),
    (AXES[:1], wrapped, "wrist_acc is 3.* g in minutes 1 to 4 of 4.*perhaps bytes without their sign"),
    (AXES, (0, 127 / 64), "wrist_acc is 3.44 g .* a still wrist shows 1 g.$"),
    (AXES, (-4, 0), "wrist_acc is 4 g .* a still wrist shows 1 g.$"),
    (AXES, (0, 0), "wrist_acc is 0 g .* a still wrist shows 1 g.$"),
    (["wrist_eda"], (1000, 0), "wrist_eda is .* uS in minutes 1 to 4 of 4.*perhaps nS"),
    (["wrist_eda"], (1e-6, 0), "wrist_eda is .*e-06 uS .*perhaps S"),
    (["wrist_eda"], (0, 100), "wrist_eda is 100 uS .* 0 to 100 uS.*perhaps nS"),
    (["wrist_temp"], (1.8, 32), "wrist_temp is 9.* degC .*perhaps degF"),
    (["wrist_temp"], (1, 273.15), "wrist_temp is 30.* degC .*perhaps K"),
    (["wrist_temp"], (0, 0), "wrist_temp is 0 degC .* skin has 10 to 45 degC.$"),
    (["wrist_bvp"], missing_from_start, "wrist_bvp is missing in minutes 1 to 2 of 4"),
]


@pytest.mark.parametrize(("names", "change", "sentence"), FAULTS)
def test_impossible_values_are_told_with_channel_minutes_and_the_likely_unit(still, names, change, sentence):
    assert find_faults(still) == []
    change = change if callable(change) else lambda values, line=change: line[0] * values + line[1]
    (fault,) = find_faults(changed(still, change, *names))
    assert fault.startswith("S2: ") and re.search(sentence, fault), fault


def test_minutes_that_no_sensor_has_lie_between_sessions(still):
    assert find_faults(changed(still, missing_from_start, *still.signals)) == []
    # Of less than half a minute, what there is.
    (fault,) = find_faults(changed(still.between(0, 20), lambda values: values * 9.81, *AXES))
    assert "in minute 1 of 1" in fault


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_stretch_of_somebody_else_is_found_by_its_samples_whatever_their_type_and_place(still, kind):
    shared = SharedRecordings()
    assert shared.find(still) == ""
    assert shared.find(minutes.wrist_recording(1)) == ""
    stretch = still.between(100.3, 220.3)
    copy = changed(stretch, lambda values: values.astype(kind), *stretch.signals, subject="S9")
    assert shared.find(copy).startswith("S9 and S2 share recordings (")


def test_sensors_that_hardly_change_are_nobodys_own(still):
    steps = np.repeat(np.random.default_rng(0).integers(0, 40, 15360 // 10), 10).astype(float)
    people = [changed(still, lambda _: steps, "wrist_bvp", subject=subject) for subject in ("S2", "S3")]
    shared = SharedRecordings()
    assert [shared.find(person) for person in people] == ["", ""]


def test_one_person_under_two_names_is_told_by_check_and_refused_by_windows(write_person, tmp_path):
    def pulse(content):
        time = np.arange(len(content["signal"]["wrist"]["BVP"])) / 64
        noise = np.random.default_rng(5).normal(size=len(time))
        content["signal"]["wrist"]["BVP"] = (50 * np.sin(7 * time) + noise)[:, None]

    for subject in ("S2", "S3"):
        write_person(subject, change=pulse)
    assert any("S3 and S2 share recordings (100 %" in problem for problem in check_cohort(tmp_path)[1])
    with pytest.raises(InputError, match="S3 and S2 share recordings"):
        make_windows(open_wesad(tmp_path), device="wrist")


def test_masked_samples_are_missing_and_a_device_without_temperature_is_read(write_person, tmp_path):
    def change(content):
        wrist = content["signal"]["wrist"]
        wrist["BVP"] = np.ma.masked_array(wrist["BVP"], np.arange(len(wrist["BVP"]))[:, None] < 640)
        wrist["ACC"] = np.ma.masked_array(wrist["ACC"], np.indices(wrist["ACC"].shape)[0] < 320)
        del wrist["TEMP"]

    write_person("S2", change=change)
    recording = open_wesad(tmp_path)[0]
    assert np.isnan(recording.signals["wrist_bvp"]).sum() == 640
    assert np.isnan(recording.signals["wrist_acc_x"]).sum() == 320
    assert "wrist_temp" not in recording.signals
    assert any("no TEMP of the wrist" in problem for problem in recording.problems)
