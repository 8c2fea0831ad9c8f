"""Recordings, their labels, and cohorts of them."""

import hashlib
import json
import shutil

import minutes
import numpy as np
import pandas as pd
import pytest

from wesadlib.data import Recording, label_windows, make_signals, open_wesad
from wesadlib.data import wesad as layout
from wesadlib.data.pickles import load_arrays
from wesadlib.errors import InputError


def make_labels(*runs: tuple[str, float]) -> pd.DataFrame:
    """Blocks that follow each other; an empty state is a stretch without a label."""
    table = pd.DataFrame(runs, columns=["state", "seconds"])
    end_s = table["seconds"].cumsum().astype(float)
    return table.assign(start_s=end_s - table["seconds"], end_s=end_s)[table["state"] != ""]


@pytest.mark.parametrize(
    ("runs", "states"),
    [
        ([("rest", 59.9)], []),
        ([("rest", 119.9)], ["rest", "rest"]),
        ([("stress", 30), ("rest", 30)], ["stress"]),
        ([("", 30), ("rest", 30)], [""]),
        ([("", 60), ("rest", 60)], ["", "", "rest"]),
        # The commonest state need not have half of the window, and may come in parts.
        ([("", 15), ("rest", 25), ("stress", 20)], ["rest"]),
        ([("rest", 20), ("stress", 25), ("rest", 15)], ["rest"]),
    ],
)
def test_windows_are_labelled_by_majority(runs, states):
    duration_s = sum(seconds for _, seconds in runs)
    assert label_windows(make_labels(*runs), duration_s, window_s=60, hop_s=30)[1].tolist() == states


def test_a_window_is_labelled_as_its_samples_are():
    """Blocks against counting samples, on edges that lie on no window's."""
    generator = np.random.default_rng(0)
    states = np.array(["transient", "baseline", "stress"])
    seconds = generator.integers(10, 90, 30)
    codes = np.repeat(np.arange(30) % 3, seconds * 7)
    start_s, state, purity = label_windows(
        make_labels(*zip(states[np.arange(30) % 3], seconds, strict=True)), seconds.sum(), window_s=20, hop_s=7
    )
    counts = np.array([np.bincount(codes[int(7 * start) :][:140], minlength=3) for start in start_s])
    np.testing.assert_allclose(purity, counts.max(axis=1) / 140)
    tied = np.sort(counts)[:, -1] == np.sort(counts)[:, -2]
    assert len(start_s) == (seconds.sum() - 20) // 7 + 1 and not tied.all()
    np.testing.assert_array_equal(state[~tied], states[counts.argmax(axis=1)][~tied])


def test_a_part_holds_the_samples_and_labels_of_its_time_and_begins_at_zero():
    recording = minutes.wrist_recording(0)
    part = recording.between(30.5, 150.5)
    assert part.duration_s == 120
    for name, signal in part.signals.items():
        rate_hz = signal.attrs["rate_hz"]
        first = round(30.5 * rate_hz)
        np.testing.assert_array_equal(signal, recording.signals[name][first : first + round(120 * rate_hz)])
        np.testing.assert_allclose(signal["time"], np.arange(len(signal)) / rate_hz)
        assert signal.attrs == recording.signals[name].attrs
    assert part.labels.values.tolist() == [["baseline", 0, 89.5], ["stress", 89.5, 120]]
    assert recording.between(230, 1000).duration_s == 10
    assert recording.between(130, 140).labels["state"].tolist() == ["stress"]


def test_signals_come_in_the_order_of_the_table_and_at_their_own_rates():
    signals = make_signals({"wrist_temp": np.ones(8), "wrist_bvp": np.ones(128)}, {"wrist_temp": 0.5})
    assert list(signals) == ["wrist_bvp", "wrist_temp"]
    assert signals["wrist_temp"].attrs == {"units": "degC", "rate_hz": 0.5}
    assert signals["wrist_temp"]["time"].values[-1] == 14
    assert Recording("S2", signals).duration_s == 2 and Recording("S2", {}).duration_s == 0


def test_opening_loads_nothing_and_iterating_loads_one_at_a_time(write_person, tmp_path, monkeypatch):
    for subject in ("S2", "S3"):
        write_person(subject)
    loaded = []
    monkeypatch.setattr(layout, "load_arrays", lambda path: loaded.append(path.stem) or load_arrays(path))
    cohort = open_wesad(tmp_path)
    assert len(cohort) == 2 and cohort.choose(["S3"]).subjects == ["S3"] and cohort.choose([]).subjects == []
    assert cohort.digest and loaded == []
    recordings = iter(cohort)
    assert next(recordings).subject == "S2"
    assert loaded == ["S2"]
    assert cohort["S3"].subject == "S3"
    with pytest.raises(InputError, match="no subject S4; there are S2, S3"):
        cohort["S4"]


def test_the_manifest_and_digest_say_which_data_and_not_where_they_lie(write_person, tmp_path):
    folder = write_person("S2")
    write_person("S3")
    manifest = open_wesad(tmp_path, ["S2"]).manifest()
    assert [file["path"] for file in manifest["files"]] == ["S2/S2.pkl", "S2/S2_quest.csv", "S2/S2_readme.txt"]
    for file in manifest["files"]:
        data = (tmp_path / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["subjects"] == ["S2"] and manifest["simulated"] is False
    assert str(tmp_path) not in json.dumps(manifest)
    digests = {open_wesad(tmp_path).digest}
    shutil.copytree(tmp_path, tmp_path / "copy")
    (folder / "S2_E4_Data.zip").write_bytes(b"not read")
    digests |= {open_wesad(tmp_path).digest, open_wesad(tmp_path / "copy").digest}
    assert len(digests) == 1
    digests.add(open_wesad(tmp_path, ["S2"]).digest)
    for name in ("S2.pkl", "S2_quest.csv", "S2_readme.txt"):
        with open(folder / name, "ab") as file:
            file.write(b" ")
        digests.add(open_wesad(tmp_path).digest)
    assert len(digests) == 5
