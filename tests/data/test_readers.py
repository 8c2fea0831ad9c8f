"""One made person, written in each format, and read back: the same signals to what the format holds."""

import struct
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import timedelta

import minutes
import numpy as np
import pandas as pd
import pytest
from formats import make_table, write_person

from wesadlib.data.e4 import read_e4, write_e4
from wesadlib.data.embraceplus import PULSE_SCALE, read_embraceplus, write_embraceplus
from wesadlib.data.table import read_table
from wesadlib.data.xdf import read_xdf
from wesadlib.errors import InputError

START = minutes.START
COLUMNS = {name: name.upper() for name in ("bvp", "eda", "temp", "acc_x", "acc_y", "acc_z")}


def assert_same(recording, person, tolerance):
    assert list(recording.signals) == list(person.signals)
    for name, signal in person.signals.items():
        read = recording.signals[name]
        assert read.attrs["rate_hz"] == pytest.approx(signal.attrs["rate_hz"]) and len(read) == len(signal), name
        assert np.abs(read.values - signal.values).max() < tolerance, name


@pytest.mark.parametrize("form", ["zip", "folder", "folder of a folder", "zip in a zip", "zip with a Mac's folder"])
def test_an_e4_export_comes_back_in_every_wrapping(person, tmp_path, form):
    place = archive = write_e4(person, tmp_path / "S99.zip")
    if form.startswith("folder"):
        place = tmp_path / "place"
        zipfile.ZipFile(archive).extractall(place / "S99" if "of a" in form else place)
    elif form != "zip":
        place = tmp_path / "outer.zip"
        with zipfile.ZipFile(place, "w") as outer:
            if form == "zip in a zip":
                outer.write(archive, "1.zip")
            else:
                for name in zipfile.ZipFile(archive).namelist():
                    outer.writestr(f"S99/{name}", zipfile.ZipFile(archive).read(name))
                    outer.writestr(f"__MACOSX/S99/._{name}", b"\x00\x05")
    recording = read_e4(place)
    assert_same(recording, person, 0.01)
    assert (recording.subject, recording.start, recording.device) == (place.stem, START, "E4")
    assert recording.marks_s == pytest.approx(person.marks_s)


def test_dates_marks_of_byte_order_line_ends_of_windows_and_a_line_cut_off_are_read_and_told(edit_e4):
    moment = f"{START.timestamp():.6f}"
    edited = edit_e4(
        EDA=lambda text: "\ufeff" + text.replace(moment, "2024-02-03 04:05:06").replace("\n", "\r\n"),
        ACC=lambda text: text.rstrip()[:-5],
    )
    recording = read_e4(edited)
    assert recording.start == START and len(recording.signals["wrist_eda"]) == 400
    assert np.isnan(recording.signals["wrist_acc_x"].values[-2:]).tolist() == [False, True]
    assert any("ACC.csv" in note and "cut off" in note for note in recording.notes)


@pytest.mark.parametrize(("seconds", "overlap"), [(130, False), (50, True)])
def test_sessions_are_joined_in_time_with_their_gap_and_refused_at_the_same_time(person, tmp_path, seconds, overlap):
    write_e4(person, tmp_path / "both" / "S99_a.zip")
    write_e4(replace(person, start=START + timedelta(seconds=seconds)), tmp_path / "both" / "S99_b.zip")
    if overlap:
        with pytest.raises(InputError, match=r"both: wrist_.* two recordings at the same time for 50 s"):
            read_e4(tmp_path / "both")
        return
    recording = read_e4(tmp_path / "both")
    assert recording.duration_s == pytest.approx(230)
    values = recording.signals["wrist_bvp"].values
    assert np.isnan(values).sum() == 30 * 64 and not np.isnan(values[: 100 * 64]).any()
    assert any("gap of 30.0 s" in note for note in recording.notes)


def write_zip(path, name="", content="0\n64\n1\n"):
    with zipfile.ZipFile(path, "w") as archive:
        if name:
            archive.writestr(name, content)
    return path


def lock(path):
    """Set the bit that says so, in the local header and in the directory."""
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))


def test_zips_that_are_none_or_not_to_be_trusted_are_refused(person, tmp_path):
    (tmp_path / "cut.zip").write_bytes(write_e4(person, tmp_path / "S99.zip").read_bytes()[:-40])
    write_zip(tmp_path / "empty.zip")
    write_zip(tmp_path / "out.zip", "../BVP.csv")
    lock(write_zip(tmp_path / "locked.zip", "BVP.csv"))
    for name, sentence in [
        ("cut", r"cut\.zip: not a whole zip"),
        ("empty", r"empty\.zip: no BVP\.csv with samples"),
        ("out", "outside itself"),
        ("locked", r"locked\.zip: BVP\.csv is locked by a password"),
    ]:
        with pytest.raises(InputError, match=sentence):
            read_e4(tmp_path / f"{name}.zip")


@pytest.mark.parametrize("declared", [64 << 20, 10])
def test_of_a_bomb_no_more_is_read_than_a_recording_may_have(tmp_path, monkeypatch, declared):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BVP.csv", bytes(64 << 20))
    content = bytearray((tmp_path / "bomb.zip").read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, declared)
    (tmp_path / "bomb.zip").write_bytes(content)
    monkeypatch.setattr("wesadlib.data.archives.LARGEST_FILE", 1 << 20)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"bomb\.zip: BVP\.csv (is no recording|cannot be read)"):
        read_e4(tmp_path / "bomb.zip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_two_devices_in_one_folder_are_refused(person, tmp_path):
    for serial in ("A00123", "A00456"):
        write_e4(person, tmp_path / "study" / f"1706933106_{serial}.zip")
    with pytest.raises(InputError, match="devices A00123 and A00456"):
        read_e4(tmp_path / "study")


def test_embraceplus_files_come_back_with_true_scales(person, tmp_path):
    recording = read_embraceplus(write_embraceplus(person, tmp_path / "S99", file_s=40))
    assert len(list((tmp_path / "S99").iterdir())) == 3
    assert recording.start == START and recording.marks_s == pytest.approx(person.marks_s)
    pulse = recording.signals["wrist_bvp"]
    assert pulse.attrs["units"] == "nW"
    np.testing.assert_allclose(pulse.values * PULSE_SCALE, person.signals["wrist_bvp"].values, atol=1e-3)
    magnitude = np.sqrt(sum(recording.signals[f"wrist_acc_{axis}"].values ** 2 for axis in "xyz"))
    np.testing.assert_allclose(magnitude, np.sqrt(16**2 + 32**2 + 53**2) / 64, rtol=1e-3)
    assert recording.signals["wrist_temp"].attrs["rate_hz"] == 1.0


def test_avro_files_that_are_cut_off_given_twice_or_of_another_maker_are_refused(person, tmp_path):
    import fastavro

    (file,) = write_embraceplus(person, tmp_path / "S99").iterdir()
    file.with_name("copy.avro").write_bytes(file.read_bytes())
    with open(tmp_path / "other.avro", "wb") as other:
        fastavro.writer(other, {"type": "record", "name": "A", "fields": [{"name": "a", "type": "int"}]}, [{"a": 1}])
    (tmp_path / "cut.avro").write_bytes(file.read_bytes()[:-500])
    (tmp_path / "empty").mkdir()
    for name, sentence in [
        ("S99", "two recordings at the same time for 100 s"),
        ("other.avro", r"other\.avro: an Avro file of another maker"),
        ("cut.avro", r"cut\.avro: not a whole Avro file"),
        ("empty", "no Avro file here"),
    ]:
        with pytest.raises(InputError, match=sentence):
            read_embraceplus(tmp_path / name)


@pytest.mark.parametrize("clock", ["seconds", "milliseconds", "Unix", "Unix milliseconds", "dates"])
def test_a_table_comes_back_whatever_its_clock(person, tmp_path, clock):
    table = make_table(person)
    seconds = table["time"] + START.timestamp()
    times = {
        "seconds": table["time"],
        "milliseconds": table["time"] * 1000,
        "Unix": seconds,
        "Unix milliseconds": (seconds * 1000).round(3),
        "dates": pd.to_datetime(seconds, unit="s", utc=True).dt.strftime("%Y-%m-%d %H:%M:%S.%f"),
    }[clock]
    name = "time_ms" if clock == "milliseconds" else "time"
    table.drop(columns="time").assign(**{name: times}).to_csv(tmp_path / "S99.csv", index=False)
    recording = read_table(tmp_path / "S99.csv", COLUMNS)
    assert_same(recording, person, 0.01)
    assert recording.start == (START if "Unix" in clock or clock == "dates" else None)


def test_units_are_converted_where_they_are_said_and_guessed_nowhere(person, tmp_path):
    table = make_table(person)
    table.assign(TEMP=table["TEMP"] * 1.8 + 32).to_csv(tmp_path / "S99.csv", index=False)
    assert_same(read_table(tmp_path / "S99.csv", COLUMNS, units={"temp": "degF"}), person, 0.01)
    with pytest.raises(InputError, match=r"wrist_temp is 91.* perhaps degF; say its unit"):
        read_table(tmp_path / "S99.csv", COLUMNS)
    with pytest.raises(InputError, match="wrist_temp comes in degC, degF, K, and cannot be in 'uS'"):
        read_table(tmp_path / "S99.csv", COLUMNS, units={"temp": "uS"})


def test_streams_of_an_xdf_file_are_told_by_name_type_and_label(person, tmp_path):
    pytest.importorskip("pyxdf")
    path = write_person(person, tmp_path / "S99.xdf")
    assert_same(read_xdf(path), person, 0.01)
    some = read_xdf(path, {"bvp": "E4 bvp", "acc_x": "acc:ACC_X"})
    assert list(some.signals) == ["wrist_bvp", "wrist_acc_x"]
    with pytest.raises(InputError, match="no stream 'pulse'; there are"):
        read_xdf(path, {"bvp": "pulse"})
