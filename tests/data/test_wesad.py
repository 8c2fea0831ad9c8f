"""The official layout: what is read, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from wesadlib.data import CHANNELS, DEVICE_CHANNELS, open_wesad
from wesadlib.data.pickles import load_arrays, save_arrays
from wesadlib.data.wesad import align_protocol, label_blocks
from wesadlib.errors import InputError


def test_subjects_are_sorted_by_number_and_may_be_chosen(write_person, tmp_path):
    for subject in ("S10", "S9", "S2"):
        write_person(subject)
    (tmp_path / "S1.txt").write_text("no folder")
    (tmp_path / "SX").mkdir()
    assert open_wesad(tmp_path).subjects == ["S2", "S9", "S10"]
    assert open_wesad(tmp_path, ["S10", "S2"]).subjects == ["S2", "S10"]
    with pytest.raises(InputError, match="no subject S1; there are S2, S9, S10"):
        open_wesad(tmp_path, ["S1"])


def test_signals_carry_units_rates_and_time(write_person, tmp_path):
    folder = write_person(devices=("chest", "wrist"))
    raw = load_arrays(folder / "S2.pkl")["signal"]["chest"]
    (recording,) = open_wesad(tmp_path)
    for channel, values in recording.signals.items():
        unit, rate_hz = CHANNELS[channel]
        assert values.dims == ("time",) and values.name == channel and values.dtype == np.float32
        assert values.attrs == {"units": unit, "rate_hz": rate_hz}
        np.testing.assert_allclose(values["time"], np.arange(400 * rate_hz) / rate_hz)
    np.testing.assert_array_equal(recording.signals["chest_acc_y"], raw["ACC"][:, 1].astype(np.float32))
    np.testing.assert_array_equal(recording.signals["chest_resp"], raw["Resp"][:, 0].astype(np.float32))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.float64])
def test_wrist_acceleration_is_in_g_whatever_its_type(write_person, tmp_path, dtype):
    def narrow(content):
        acceleration = content["signal"]["wrist"]["ACC"]
        acceleration[:2] = [[64, -64, 127], [32, 0, -128]]
        content["signal"]["wrist"]["ACC"] = acceleration.astype(dtype)

    write_person(change=narrow)
    (recording,) = open_wesad(tmp_path)
    first = [recording.signals[f"wrist_acc_{axis}"].values[:2].tolist() for axis in "xyz"]
    assert first == [[1.0, 0.5], [-1.0, 0.0], [127 / 64, -2.0]]


def test_a_fault_in_a_text_file_costs_no_signal(write_person, tmp_path):
    write_person(quest="# Subj,S2\n# ORDER,Base,TSST\n", readme="Age: 1,80\n")
    (recording,) = open_wesad(tmp_path)
    assert len(recording.signals) == 6 and recording.protocol.empty and recording.person == {}
    assert "S2_quest.csv: it needs one line `# ORDER`" in recording.problems[0]
    assert "S2_readme.txt: the line `Age: 1,80` is not understood" in recording.problems[1]


def test_nan_are_kept_and_labels_need_not_end_on_a_sample_of_a_slower_channel(write_person, tmp_path):
    def change(content):
        content["signal"]["wrist"]["TEMP"][40:60] = np.nan
        content["label"] = content["label"][:-10]

    write_person(change=change)
    (recording,) = open_wesad(tmp_path)
    missing = np.isnan(recording.signals["wrist_temp"].values)
    assert np.flatnonzero(missing).tolist() == list(range(40, 60))
    assert recording.duration_s == 400 and recording.labels["end_s"].max() == pytest.approx(400 - 10 / 700)


def test_blocks_are_matched_in_time_and_one_out_of_place_moves_no_other_and_is_reported():
    rows = [("meditation", 60, 110), ("meditation", 150, 200), ("stress", 300, 370), ("baseline", 410, 480)]
    codes = np.repeat([0, 4, 0, 4, 0, 2, 0, 1], [20, 30, 60, 30, 100, 50, 100, 50])
    order = pd.DataFrame(rows, columns=["condition", "start_s", "end_s"])
    protocol, _ = align_protocol(order, label_blocks(codes, 1.0))
    assert protocol.attrs == {"crop_s": 50, "crop_error_s": 20} and protocol["start_s"].tolist() == [10, 100, 250, 360]


@pytest.mark.parametrize("devices", [("wrist",), ("chest",), ("chest", "wrist")])
def test_one_person_is_a_cohort_and_either_device_may_be_missing(write_person, tmp_path, devices):
    write_person(devices=devices)
    (recording,) = open_wesad(tmp_path)
    assert recording.subject == "S2" and recording.duration_s == 400
    assert recording.devices == devices
    assert list(recording.signals) == [channel for device in devices for channel in DEVICE_CHANNELS[device]]
    labels = recording.labels.query("state != 'transient'")
    assert labels["state"].tolist() == ["baseline", "stress", "amusement", "meditation"]
    assert labels[["start_s", "end_s"]].values.tolist() == [[40, 140], [170, 250], [270, 340], [350, 390]]
    assert recording.person["dominant_hand"] == "left"
    assert recording.protocol.attrs == {"crop_s": 131, "crop_error_s": 0}
    assert recording.protocol.set_index("condition").loc["stress", ["start_s", "end_s"]].tolist() == [160, 260]
    assert recording.questionnaires["dim"].loc["stress", "arousal"] == 8


def test_what_is_no_cohort(write_person, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_wesad(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no subject's folder"):
        open_wesad(tmp_path)
    save_arrays(write_person() / "S2.pkl", [1, 2])
    with pytest.raises(InputError, match="holds a list, not a recording's mapping"):
        open_wesad(tmp_path)[0]
    (tmp_path / "S3").mkdir()
    with pytest.raises(InputError, match=r"S3/S3\.pkl is missing"):
        open_wesad(tmp_path)
    assert open_wesad(tmp_path, ["S2"]).subjects == ["S2"] and not open_wesad(tmp_path, ["S2"]).simulated
    (tmp_path / "SIMULATED.json").write_text("{}")
    assert open_wesad(tmp_path, ["S2"]).simulated


def infinite(values):
    return np.where(np.arange(len(values))[:, None] == 5, np.inf, values)


# What is wrong, in words of the sentence -> how it comes about: key of the wrist's signals (or "": of the content) and
# what is done to what lies there.
LENGTH = "wrist EDA has 1596 samples at 4 Hz, but the labels last 400 s, which is 1600 samples; repair the file"
FAULTS = {
    LENGTH: ("EDA", lambda values: values[:-4]),
    "wrist_temp holds nothing but NaN": ("TEMP", lambda values: values * np.nan),
    "wrist_bvp holds infinite values": ("BVP", infinite),
    "wrist BVP has shape (25600,), not (samples, 1)": ("BVP", lambda values: values[:, 0]),
    "wrist BVP is no array of numbers": ("BVP", lambda values: values.astype("U8")),
    "`wrist` holds ['Temp'], not ['ACC', 'BVP', 'EDA', 'TEMP']": ("signal", lambda _: {"wrist": {"Temp": 1}}),
    "`wrist` holds a ndarray": ("signal", lambda _: {"wrist": np.ones(3)}),
    "unknown code 8; codes are 0 to 7, so repair the file": ("label", lambda values: np.maximum(values, 8)),
    "unknown code 0.5": ("label", lambda values: values + 0.5),
    "`label` has shape (280000, 1)": ("label", lambda values: values[:, None]),
    "`label` is missing": ("label", None),
    "is the recording of S3, but lies in the folder of S2": ("subject", lambda _: "S3"),
    "neither `chest` nor `wrist`": ("signal", lambda _: {}),
}


@pytest.mark.parametrize("message", FAULTS)
def test_a_damaged_recording_is_one_sentence_with_its_path(write_person, tmp_path, message):
    key, change = FAULTS[message]

    def damage(content):
        place = content if key in content else content["signal"]["wrist"]
        value = place.pop(key)
        if change:
            place[key] = change(value)

    folder = write_person(change=damage)
    with pytest.raises(InputError) as raised:
        open_wesad(tmp_path)[0]
    sentence = str(raised.value)
    assert message in sentence and str(folder / "S2.pkl") in sentence and "\n" not in sentence
