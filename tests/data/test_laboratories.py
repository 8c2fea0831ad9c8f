"""Two more laboratories' official layouts, made small; and their real files against the phases that are published."""

import itertools
import os
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import minutes
import numpy as np
import pandas as pd
import pytest

from wesadlib.data import check_cohort, join, open_hongn, open_stress_predict, open_wesad
from wesadlib.data.e4 import write_e4
from wesadlib.data.hongn import STRESS_PHASES
from wesadlib.data.stress_predict import PHASES, read_log
from wesadlib.errors import InputError
from wesadlib.signals import make_windows

START = datetime(2022, 2, 7, 9, 30, tzinfo=UTC)
# Ends of the Stroop test's phases and of those after it, s; the log has them to the minute, by a clock of 12 hours.
PRESSES = (605.0, 910.0, 1195.0, 1805.0, 2110.0, 2225.0, 2530.0)
MINUTES = (0, 10, 10, 15, 15, 20, 20, 30, 30, 35, 35, 37, 37, 42, 42, 48, 48, 58)
LOG = {column: 60 * minute for column, minute in zip("GHIJKLMNOPQRSTUVWX", MINUTES, strict=True)}


def person(seconds: float, marks_s=(), seed: int = 0, start: datetime = START):
    return replace(minutes.wrist_recording(seed, seconds), start=start, marks_s=tuple(marks_s))


def write_log(folder: Path, subject: str = "S01") -> None:
    """Write the workbook of one person, who begins at half past nine."""
    cells = "".join(f'<c r="{column}3"><v>{(34200 + time_s) % 43200 / 86400}</v></c>' for column, time_s in LOG.items())
    row = f'<row r="3"><c r="A3" t="s"><v>0</v></c>{cells}</row>'
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    path = folder / "Processed_data" / "Time_logs.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}><si><t>{subject}</t></si></sst>")
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{row}</sheetData></worksheet>")


@pytest.fixture
def stress_predict(tmp_path):
    """One person, who pressed the button seven times."""
    folder = tmp_path / "stress-predict"
    write_log(folder)
    write_e4(person(3600, PRESSES), folder / "Raw_data" / "S01.zip")
    return folder


def times(recording) -> dict[str, tuple[float, float]]:
    table = recording.protocol
    return dict(zip(table["name"], zip(table["start_s"], table["end_s"], strict=True), strict=True))


@pytest.mark.parametrize("form", ["zip", "folder", "half of the presses half a day off"])
def test_phases_follow_the_presses_and_where_nobody_pressed_the_log(stress_predict, form):
    export = stress_predict / "Raw_data" / "S01.zip"
    if form == "folder":
        zipfile.ZipFile(export).extractall(stress_predict / "Raw_data" / "S01")
        export.unlink()
    if form.startswith("half"):
        write_e4(person(3600, [press - 43200 * (k > 3) for k, press in enumerate(PRESSES)]), export)
    (recording,) = open_stress_predict(stress_predict)
    found = times(recording)
    assert list(found) == list(PHASES)
    assert found["baseline_questionnaire"] == (10, 600) and found["final_relax"] == (2880, 3480)
    assert found["questionnaire2"] == (2530, 2880)
    for (begin, end), phase in zip(itertools.pairwise(PRESSES), list(PHASES)[1:7], strict=True):
        assert found[phase] == pytest.approx((begin, end), abs=0.01)
    labels = recording.labels.set_index("phase")
    assert labels["state"].to_dict() == PHASES
    # What the log bounds to the minute is left out by a minute.
    assert labels.loc["final_relax", ["start_s", "end_s"]].tolist() == [2940, 3420]
    assert labels.loc["stroop", ["start_s", "end_s"]].tolist() == pytest.approx([605, 910], abs=0.01)
    assert any("half a day off" in problem for problem in recording.problems) == form.startswith("half")


def test_presses_that_contradict_the_log_are_told_and_the_log_stands(stress_predict):
    write_e4(person(3600, [press + 500 for press in PRESSES]), stress_predict / "Raw_data" / "S01.zip")
    table, problems = check_cohort(stress_predict)
    assert any("contradict the log" in problem for problem in problems) and table["windows_stress"].item() > 0
    assert times(open_stress_predict(stress_predict)[0])["interview"] == (1200, 1800)


def test_a_press_may_begin_the_interview_after_a_break(stress_predict, monkeypatch):
    monkeypatch.setitem(LOG, "M", 1500)
    write_log(stress_predict)
    write_e4(person(3600, sorted([*PRESSES, 1490.0])), stress_predict / "Raw_data" / "S01.zip")
    found = times(open_stress_predict(stress_predict)[0])
    assert found["relax1"] == pytest.approx((910, 1195), abs=0.01)
    assert found["interview"] == pytest.approx((1490, 1805), abs=0.01)


def test_a_log_that_is_none_or_lacks_somebody(stress_predict, monkeypatch):
    log = stress_predict / "Processed_data" / "Time_logs.xlsx"
    write_log(stress_predict, "S02")
    assert list(read_log(log)) == ["S02"]
    with pytest.raises(InputError, match="no whole row for S01: leave S01 out"):
        open_stress_predict(stress_predict)[0]
    monkeypatch.delitem(LOG, "X")
    write_log(stress_predict)
    with pytest.raises(InputError, match="no whole row for S01"):
        open_stress_predict(stress_predict)[0]
    with zipfile.ZipFile(log, "w") as book:
        # Nothing of a name in it.
        book.writestr("xl/sharedStrings.xml", "<sst><si><t>x</t></si></sst>")
        book.writestr("xl/worksheets/sheet1.xml", '<sheet><c r="A1"><v>1</v></c></sheet>')
    with pytest.raises(InputError, match="no workbook"):
        open_stress_predict(stress_predict)[0]
    log.write_text("a,b")
    with pytest.raises(InputError, match="no workbook"):
        open_stress_predict(stress_predict)[0]
    log.unlink()
    with pytest.raises(InputError, match=r"Time_logs\.xlsx is missing"):
        open_stress_predict(stress_predict)[0]
    with pytest.raises(InputError, match="Raw_data: no such folder"):
        open_stress_predict(stress_predict / "Raw_data")


@pytest.fixture
def hongn(tmp_path):
    """Two people: one of the first protocol with cycling in two parts, one of the second in two parts."""
    data = tmp_path / "hongn" / "Wearable_Dataset"
    write_e4(person(870, np.arange(1, 14) * 60.0, seed=1), data / "STRESS" / "S01.zip")
    write_e4(person(600, (100.0, 300.0, 500.0), seed=2), data / "AEROBIC" / "S01_a.zip")
    write_e4(person(200, (90.0, 130.0), seed=3), data / "AEROBIC" / "S01_b.zip")
    write_e4(person(300, (200.0,), seed=4), data / "STRESS" / "f01_a.zip")
    later = START + timedelta(seconds=400)
    write_e4(person(900, np.arange(1, 9) * 60.0, seed=5, start=later), data / "STRESS" / "f01_b.zip")
    write_e4(person(400, (60.0, 90.0, 250.0, 999.0), seed=6), data / "ANAEROBIC" / "f01.zip")
    return tmp_path / "hongn"


def test_sessions_follow_each_other_and_phases_lie_between_presses(hongn):
    first, second = open_hongn(hongn)
    table = first.protocol
    assert table["name"].tolist()[:14] == list(STRESS_PHASES[13])
    assert table["start_s"].tolist()[:14] == pytest.approx([60 * k for k in range(14)], abs=0.01)
    cycling = table[table["session"] == "AEROBIC"]
    blocks = "pre aerobic_block01 aerobic_block02 post pre aerobic_block01 post"
    assert " ".join(cycling["name"]) == blocks
    assert cycling["start_s"].tolist() == pytest.approx([900, 1000, 1200, 1400, 1500, 1590, 1630], abs=0.01)
    assert any("AEROBIC is in 2 parts" in problem for problem in first.problems)
    pulse = first.signals["wrist_bvp"].values
    original = minutes.wrist_recording(2, 600).signals["wrist_bvp"].values
    np.testing.assert_allclose(pulse[900 * 64 :][: 600 * 64], original, atol=0.01)
    # The second protocol's presses go on in the second part; its baseline settles for two minutes.
    assert second.protocol["name"].tolist()[:10] == list(STRESS_PHASES[9])
    assert second.protocol["start_s"].tolist()[:4] == pytest.approx([0, 200, 460, 520], abs=0.01)
    assert second.labels["start_s"][0] == 120
    assert np.isnan(second.signals["wrist_bvp"].values[300 * 64 : 400 * 64]).all()
    assert second.protocol["name"].tolist()[10:] == ["pre", "sprint_tag1", "pedal_tag2", "post"]


def test_a_phase_shorter_than_a_window_is_told_with_its_person(stress_predict, hongn, monkeypatch):
    def short(folder):
        return [problem for problem in check_cohort(folder)[1] if "no whole window" in problem]

    assert short(hongn) == [
        f"{hongn / 'S01'}: no whole window of 60 s fits into aerobic_block01 (40 s).",
        f"{hongn / 'f01'}: no whole window of 60 s fits into sprint_tag1 (30 s).",
    ]
    assert short(stress_predict) == []
    # Of a phase by the log a minute at either end is left out, and here nothing is left.
    monkeypatch.setitem(LOG, "X", LOG["W"] + 90)
    write_log(stress_predict)
    assert short(stress_predict) == [f"{stress_predict / 'S01'}: no whole window of 60 s fits into final_relax (0 s)."]


def test_temperatures_that_nobody_has_are_left_out_and_unknown_presses_told(hongn):
    hot = person(900, (10.0, 20.0), seed=1)
    hot.signals["wrist_temp"].values[50] = 200.0
    write_e4(hot, hongn / "Wearable_Dataset" / "STRESS" / "S01.zip")
    recording = open_hongn(hongn, ["S01"])[0]
    assert np.isnan(recording.signals["wrist_temp"].values[: 900 * 4]).all()
    assert not np.isnan(recording.signals["wrist_temp"].values[900 * 4 : 1500 * 4]).any()
    assert "STRESS" not in recording.labels["session"].tolist()
    assert sum("2 presses, not 13 or 9" in p or "reaches 200 degC" in p for p in recording.problems) == 2


def test_laboratories_are_joined_and_windows_are_made_of_groups(stress_predict, hongn, write_person, tmp_path):
    folder = write_person("S2")
    (tmp_path / "wesad").mkdir()
    folder.rename(tmp_path / "wesad" / "S2")
    cohort = join([open_stress_predict(stress_predict), open_hongn(hongn, ["S01"]), open_wesad(tmp_path / "wesad")])
    assert cohort.subjects == ["stress-predict/S01", "hongn/S01", "wesad/S2"]
    windows = make_windows(cohort, device="wrist")
    assert set(windows["label"].values) == {"rest", "stress", "provocation", "exercise"}
    wesad = windows["subject"].values == "wesad/S2"
    assert set(windows["phase"].values[wesad]) == {"baseline", "stress"}
    assert set(windows["label"].values[wesad]) == {"rest", "stress"}
    paths = [file["path"] for file in cohort.manifest()["files"]]
    assert paths[0] == "stress-predict/Raw_data/S01.zip" and "wesad/S2/S2.pkl" in paths
    with pytest.raises(InputError, match="each needs a name of its own"):
        join([open_hongn(hongn), open_hongn(hongn)])


SHARED = Path(os.environ.get("RECORDINGS_ROOT", Path(__file__).resolve().parents[3] / "shared"))
# Presses out of order: published as they stand, here in the order of time.
EXCEPTIONS = {("f07", "AEROBIC", f"aerobic_block0{k}") for k in (4, 5, 6)}


@pytest.mark.real
@pytest.mark.parametrize(("name", "opener"), [("stress-predict", open_stress_predict), ("hongn-2025", open_hongn)])
def test_real_phases_are_the_published_ones_to_a_second(name, opener):
    if not (SHARED / name).is_dir():
        pytest.skip(f"{SHARED / name}: the data set is downloaded by itself, and is not there")
    cohort, published = opener(SHARED / name), {}
    rows = pd.read_csv(SHARED / name / "phases.csv", keep_default_na=False)
    for row in rows[rows["person"].isin(cohort.subjects)].itertuples():
        key = row.person, row.session, row.phase
        published.setdefault(key, []).append((row.group, row.start_s, row.end_s))
    found: dict = {}
    for recording in cohort:
        offset_s, session_before = 0.0, ""
        for row in recording.protocol.itertuples():
            session = getattr(row, "session", "")
            if session and (session != session_before or row.name == "pre"):
                offset_s, session_before = row.start_s, session
            key = recording.subject, session, row.name
            found.setdefault(key, []).append((row.condition, row.start_s - offset_s, row.end_s - offset_s))
    assert found.keys() - EXCEPTIONS == published.keys() - EXCEPTIONS
    for key in published.keys() - EXCEPTIONS:
        for ours, theirs in zip(found[key], published[key], strict=True):
            assert ours == (theirs[0], pytest.approx(theirs[1], abs=1), pytest.approx(theirs[2], abs=1)), key
