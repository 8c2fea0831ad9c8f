"""Which entries of a folder are recordings, and whose."""

from dataclasses import replace
from datetime import timedelta

import minutes
import numpy as np
import pytest

from wesadlib.data.e4 import write_e4
from wesadlib.data.embraceplus import write_embraceplus
from wesadlib.data.sessions import find_sessions, is_one_recording, open_sessions
from wesadlib.errors import InputError


@pytest.fixture(scope="module")
def person():
    recording = minutes.wrist_recording(3, 120)
    return replace(recording, start=minutes.START, marks_s=(100.0,))


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The shortest zip, an Avro file's beginning, or nothing.
        path.write_bytes({".zip": b"PK\x05\x06" + bytes(18), ".avro": b"Obj\x01"}.get(path.suffix, b""))


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (["S01.zip", "S02.zip", "notes.txt", ".hidden.zip"], {"S01": ["S01.zip"], "S02": ["S02.zip"]}),
        (["S11_a.zip", "S11_b.zip", "S12.zip"], {"S11": ["S11_a.zip", "S11_b.zip"], "S12": ["S12.zip"]}),
        (
            ["1550000000_A01234.zip", "1550009999_A01234.zip", "1550000000_A09999.zip"],
            {"A01234": ["1550000000_A01234.zip", "1550009999_A01234.zip"], "A09999": ["1550000000_A09999.zip"]},
        ),
        (["anna/BVP.csv", "bea/one.zip", "bea/two.zip"], {"anna": ["anna"], "bea": ["bea/one.zip", "bea/two.zip"]}),
        (["anna_wesad/predictions.csv", "anna.zip", "old/thesis.pdf"], {"anna": ["anna.zip"]}),
        (
            ["2024-01-01/P1/raw/x.avro", "2024-01-02/P1/raw/x.avro", "2024-01-02/P2/raw/x.avro"],
            {"P1": ["2024-01-01/P1", "2024-01-02/P1"], "P2": ["2024-01-02/P2"]},
        ),
    ],
)
def test_people_of_a_folder(tmp_path, names, people):
    touch(tmp_path, *names)
    found = find_sessions(tmp_path)
    assert {name: [path.relative_to(tmp_path).as_posix() for path in paths] for name, paths in found.items()} == people
    assert not is_one_recording(tmp_path)


def test_a_folder_with_channels_or_files_of_a_device_is_one_recording(tmp_path):
    touch(tmp_path, "e4/BVP.csv", "plus/1.avro")
    assert is_one_recording(tmp_path / "e4") and is_one_recording(tmp_path / "plus")


@pytest.mark.parametrize("write", [write_e4, write_embraceplus])
def test_sessions_of_one_person_are_joined_in_time(person, tmp_path, write):
    later = replace(person, start=person.start + timedelta(seconds=300))
    paths = [write(later, tmp_path / "b.zip"), write(person, tmp_path / "a.zip")]
    joined = open_sessions(paths, "anna")
    assert (joined.subject, joined.start, joined.marks_s) == ("anna", person.start, (100.0, 400.0))
    assert joined.duration_s == pytest.approx(420, abs=0.1)
    eda, alone = joined.signals["wrist_eda"], open_sessions([paths[0]]).signals["wrist_eda"]
    assert np.isnan(eda.values[480:1200]).all() and np.array_equal(eda.values[1200:], alone.values)
    assert joined.signals["wrist_bvp"].attrs["units"] == open_sessions(paths[:1]).signals["wrist_bvp"].attrs["units"]
    assert any("gap of 180.0 s" in note for note in joined.notes)


def test_recordings_without_a_date_cannot_be_joined(tmp_path, person, monkeypatch):
    monkeypatch.setattr("wesadlib.data.sessions.open_recording", lambda path: replace(person, start=None))
    with pytest.raises(InputError, match="does not say when it began"):
        open_sessions([tmp_path / "a", tmp_path / "b"], "anna")
