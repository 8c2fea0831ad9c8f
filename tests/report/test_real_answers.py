"""Real exports of an E4, from the zip to the page."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from light import COMMAND, run_without

from wesadlib.quality.recordings import check_recording
from wesadlib.report.answers import Question

pytestmark = pytest.mark.real


@pytest.fixture
def shared(repository):
    folder = Path(os.environ.get("RECORDINGS_ROOT", repository.parent / "shared"))
    assert (folder / "stress-predict").is_dir(), f"RECORDINGS_ROOT={folder}: no real exports of an E4 there"
    return folder


def test_an_hour_is_answered_with_little_memory(shared, own_bundle, tmp_path):
    path = shared / "stress-predict" / "Raw_data" / "S03.zip"
    # VmHWM is of this program alone; ru_maxrss keeps the peak of the process that started it.
    code = "\nimport atexit, pathlib, re\nstatus = pathlib.Path('/proc/self/status')\n"
    code += "atexit.register(lambda: print(re.search(r'VmHWM:\\s+(\\d+) kB', status.read_text())[1]))\n"
    done = run_without((), code + COMMAND, "predict", path, "--bundle", own_bundle, "--out", tmp_path / "a")
    assert int(done.stdout.split()[-1]) < 1e6
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    windows = pd.read_csv(tmp_path / "a" / "predictions.csv")
    assert summary["duration_s"] == pytest.approx(3320, abs=1)
    assert len(windows) == 653 and summary["judged_share"] > 0.95 and summary["worn_share"] > 0.95


def test_two_sessions_of_one_person_are_one_recording_with_a_gap(shared):
    parts = [shared / "hongn-2025" / "Wearable_Dataset" / "AEROBIC" / f"S11_{part}.zip" for part in "ab"]
    alone = [Question(parts[0]).read([part]) for part in parts]
    joined = Question(parts[0]).read(parts, "S11")
    expected = (alone[1].start - alone[0].start).total_seconds() + alone[1].duration_s
    assert joined.duration_s == pytest.approx(expected, abs=2)
    summary, _ = check_recording(joined)
    assert max(gap["end_s"] - gap["start_s"] for gap in summary["gaps"]) > 1
