"""Real exports: spans, rates and counts equal those counted from the raw files by a path of its own."""

import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from wesadlib.data.e4 import read_e4
from wesadlib.data.embraceplus import read_embraceplus
from wesadlib.quality import assess_arrays
from wesadlib.quality.recordings import to_known_scale
from wesadlib.signals import cut_window, windows_from_channels

pytestmark = pytest.mark.real
SHARED = Path(os.environ.get("RECORDINGS_ROOT", Path(__file__).resolve().parents[3] / "shared"))
SESSIONS = [
    *sorted(SHARED.glob("stress-predict/Raw_data/*.zip")),
    *sorted(SHARED.glob("hongn-2025/Wearable_Dataset/*/*.zip")),
]
AVRO = sorted(SHARED.glob("embraceplus/*.avro"))


def count(archive, name):
    """Start and number of whole lines of one file, by the letters in it."""
    text = archive.read(name).decode("utf-8-sig").strip()
    first = text.split("\n", 1)[0].split(",")[0].strip()
    dated = first.count("-") == 2
    moment = datetime.fromisoformat(first).replace(tzinfo=UTC).timestamp() if dated else float(first)
    return moment, text.count("\n") - 1


def read_record(path):
    import fastavro

    with open(path, "rb") as file:
        return next(fastavro.reader(file))


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_counts_and_spans_of_a_session_are_those_of_its_files(path):
    recording = read_e4(path)
    starts, ends = [], []
    with zipfile.ZipFile(path) as archive:
        for kind, channel, rate in (("BVP", "bvp", 64), ("EDA", "eda", 4), ("TEMP", "temp", 4), ("ACC", "acc_x", 32)):
            moment, samples = count(archive, f"{kind}.csv")
            values = recording.signals[f"wrist_{channel}"]
            assert values.attrs["rate_hz"] == rate
            assert int(np.isfinite(values.values).sum()) == samples, kind
            starts.append(moment)
            ends.append(moment + samples / rate)
    assert recording.start.timestamp() == pytest.approx(min(starts))
    assert recording.duration_s == pytest.approx(max(ends) - min(starts), abs=0.25)


@pytest.mark.parametrize("path", AVRO, ids=lambda path: path.stem)
def test_a_still_embraceplus_shows_one_g_and_the_counts_of_its_file(path):
    recording, record = read_embraceplus(path), read_record(path)
    for sensor, channel in (("bvp", "bvp"), ("eda", "eda"), ("temperature", "temp")):
        values = recording.signals[f"wrist_{channel}"]
        assert values.attrs["rate_hz"] == pytest.approx(record["rawData"][sensor]["samplingFrequency"])
        assert int(np.isfinite(values.values).sum()) == len(record["rawData"][sensor]["values"])
    axes = np.stack([recording.signals[f"wrist_acc_{axis}"].values for axis in "xyz"])
    seconds = np.sqrt((axes**2).sum(axis=0))[: axes.shape[1] // 64 * 64].reshape(-1, 64)
    whole = seconds[np.isfinite(seconds).all(axis=1)]
    still = np.median(whole[whole.std(axis=1) < 0.02])
    assert still == pytest.approx(1, abs=0.05)
    assert record["enrollment"]["participantID"] not in str(recording.person) + str(recording.notes)


@pytest.mark.parametrize("path", AVRO, ids=lambda path: path.stem)
def test_our_beats_of_an_embraceplus_are_those_that_the_device_found(path, record_property):
    recording = to_known_scale(read_embraceplus(path))
    peaks_ns = read_record(path)["rawData"]["systolicPeaks"]["peaksTimeNanos"]
    peaks_s = np.array(peaks_ns) / 1e9 - recording.start.timestamp()
    starts_s = np.arange(0, recording.duration_s - 60, 60)
    windows = windows_from_channels([cut_window(recording, ["wrist_bvp"], start, 60) for start in starts_s])
    accepted = np.flatnonzero(assess_arrays(windows).verdict)
    differences, lags, pairs = [], [], []
    for k in accepted:
        beats = windows.beat_s[k, 0][np.isfinite(windows.beat_s[k, 0])]
        theirs = peaks_s[(peaks_s >= starts_s[k]) & (peaks_s < starts_s[k] + 60)] - starts_s[k]
        differences.append(60 / np.median(np.diff(beats)) - 60 / np.median(np.diff(theirs)))
        apart = beats[:, None] - theirs
        lags.append(apart[np.arange(len(beats)), np.abs(apart).argmin(axis=1)])
        pairs.append((beats, theirs))
    # Ours is the upstroke and theirs another point of the wave: a lag of its own for each file.
    lag = np.median(np.concatenate(lags))
    met = sum((np.abs(beats[:, None] - lag - theirs).min(axis=0) <= 0.15).sum() for beats, theirs in pairs)
    f1 = 2 * met / sum(len(beats) + len(theirs) for beats, theirs in pairs)
    record_property(path.stem, f"{len(accepted)} minutes, {np.median(np.abs(differences)):.2f} bpm, F1 {f1:.3f}")
    assert len(accepted) >= 4 and np.median(np.abs(differences)) < 3
    assert f1 > 0.7
