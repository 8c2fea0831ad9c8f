"""A recording in, an answer out: one made person in every format, folders of people, and what is refused."""

import json
import re
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from formats import make_table, write_person
from light import COMMAND, run_without

from wesadlib import bundle as bundles
from wesadlib.artefacts import file_digest
from wesadlib.bundle import recording as of_bundle
from wesadlib.data.e4 import write_e4
from wesadlib.data.embraceplus import write_embraceplus
from wesadlib.data.pickles import save_arrays
from wesadlib.report import answers
from wesadlib.report.glossary import PEOPLE, PREDICTIONS, SUMMARY, list_meanings
from wesadlib.report.recording import render_recording

FILES = ["figure.png", "predictions.csv", "report.html", "summary.json"]
COLUMNS = "bvp=BVP,eda=EDA,temp=TEMP,acc_x=ACC_X,acc_y=ACC_Y,acc_z=ACC_Z"


def answer(path):
    return json.loads((path / "summary.json").read_text()), pd.read_csv(path / "predictions.csv")


def write_pickle(person, folder):
    values = {name.removeprefix("wrist_"): signal.values for name, signal in person.signals.items()}
    acceleration = np.stack([values[f"acc_{axis}"] for axis in "xyz"], axis=1) * 64
    wrist = {name.upper(): values[name][:, None] for name in ("bvp", "eda", "temp")} | {"ACC": acceleration}
    folder.mkdir()
    label = np.zeros(round(person.duration_s * 700), np.int8)
    save_arrays(folder / f"{folder.name}.pkl", {"subject": folder.name, "signal": {"wrist": wrist}, "label": label})
    return folder


def test_an_e4_zip_is_answered_with_a_table_a_summary_a_figure_and_a_page(wesad, e4, own_bundle, tmp_path):
    out = tmp_path / "answer"
    status, text, error = wesad("predict", e4, "--bundle", own_bundle, "--out", out, "--step", 20)
    assert (status, error) == (0, "") and "report.html" in text
    assert sorted(path.name for path in out.iterdir()) == FILES
    summary, windows = answer(out)
    assert set(summary) == set(SUMMARY)
    assert {re.sub("^p_.*", "p_<state>", name) for name in windows} == set(PREDICTIONS)
    assert summary["windows"] == len(windows) == 10
    counts = windows["status"].value_counts()
    assert all(summary[name] == counts.get(name, 0) for name in ("answered", "abstained", "rejected"))
    assert np.allclose(windows["start_s"], 20 * np.arange(10))
    assert np.allclose(windows["end_s"], windows["start_s"] + 60)
    judged = windows[windows["status"] != "rejected"]
    assert len(judged) and np.allclose(judged.filter(like="p_").sum(axis=1), 1, atol=1e-5)
    assert (windows["state"].notna() == (windows["status"] == "answered")).all()
    assert summary["bundle_score"]["accuracy"] == 0.8 and summary["rest"] is None


def test_the_page_asks_nothing_of_anybody_and_says_first_how_far_to_trust_it(wesad, e4, own_bundle, tmp_path):
    status, _, error = wesad("predict", e4, "--bundle", own_bundle, "--out", tmp_path / "a", "--rest", "tags")
    assert (status, error) == (0, "")
    page = (tmp_path / "a" / "report.html").read_text()
    assert not re.search(r"<script|https?:|<link|url\(|@import", page)
    assert re.findall(r'(?:src|href)="([^"]{22})', page) == ["data:image/png;base64,"]
    marks = ["How far to trust this", "simulated", "data:image/png", "<h2>The model", "What not to", "wesad predict"]
    assert [page.index(mark) for mark in marks] == sorted(page.index(mark) for mark in marks)
    assert "0:00:05 to 0:01:50" in page and "rest_calibrated" in page
    counts = answer(tmp_path / "a")[0]
    for words, shown in [("hollow where", counts["abstained"]), ("ticks where", counts["rejected"]), ("Dotted", True)]:
        assert (words in page) == bool(shown)
    assert (tmp_path / "a" / "report.html").stat().st_size < 2e6
    summary = answer(tmp_path / "a")[0] | {"problems": [], "answered": 9}
    summary["bundle"]["simulated"] = False
    for share, warns in ((0.49, True), (0.5, False)):
        shown = render_recording(summary | {"judged_share": share}, b"", "stress", marked=False)
        assert ('class="trust warn"' in shown) == warns


@pytest.mark.parametrize("form", ["WESAD", "CSV", "XDF"])
def test_one_person_is_answered_alike_in_every_format(wesad, person, e4, own_bundle, tmp_path, form):
    options = ["--bundle", own_bundle, "--step", 20]
    wesad("predict", e4, *options, "--out", tmp_path / "e4")
    if form == "WESAD":
        path = write_pickle(person, tmp_path / "S5")
    elif form == "CSV":
        path, options = tmp_path / "anna.csv", [*options, "--columns", COLUMNS]
        make_table(person, person.start.timestamp()).to_csv(path, index=False)
    else:
        path = write_person(person, tmp_path / "anna.xdf")
    status, _, error = wesad("predict", path, *options, "--out", tmp_path / "other")
    assert (status, error) == (0, "")
    first, second = (answer(tmp_path / name)[1] for name in ("e4", "other"))
    assert second[["start_s", "status", "state"]].equals(first[["start_s", "status", "state"]])
    # Times of a table go through decimal text.
    assert np.allclose(second.filter(like="p_"), first.filter(like="p_"), atol=2e-3, equal_nan=True)


def test_another_device_is_refused_or_answered_alike_by_whether_the_model_depends_on_its_scale(
    wesad, person, e4, own_bundle, free_bundle, tmp_path
):
    folder = write_embraceplus(person, tmp_path / "anna")
    status, _, error = wesad("predict", folder, "--bundle", own_bundle, "--out", tmp_path / "out")
    assert status == 1 and error.count("\n") == 1 and not (tmp_path / "out").exists()
    assert "wrist_bvp is in nW (EmbracePlus)" in error and "reads wrist_bvp_mean" in error
    for path, name in ((folder, "plus"), (e4, "e4")):
        assert wesad("predict", path, "--bundle", free_bundle, "--out", tmp_path / name, "--step", 20)[0] == 0
    (summary, plus), (own, first) = answer(tmp_path / "plus"), answer(tmp_path / "e4")
    # A mean in another unit is held against nobody's.
    compared = [{row["feature"] for row in one["compared_with_training"]} for one in (summary, own)]
    assert ["wrist_bvp_mean" in names for names in compared] == [False, True]
    assert any("wrist_bvp is in nW" in note for note in summary["notes"])
    both = (plus["status"] != "rejected") & (first["status"] != "rejected")
    assert both.sum() >= 8
    assert ((plus["p_stress"] > 0.5) == (first["p_stress"] > 0.5))[both].all()


def test_a_channel_that_is_missing_costs_only_the_models_that_read_it(wesad, e4, own_bundle, free_bundle, tmp_path):
    path = tmp_path / "cold.zip"
    with zipfile.ZipFile(path, "w") as copy, zipfile.ZipFile(e4) as given:
        for name in given.namelist():
            if name != "TEMP.csv":
                copy.writestr(name, given.read(name))
    status, _, error = wesad("predict", path, "--bundle", own_bundle)
    assert status == 1 and "cold.zip: the recording has no wrist_temp, which the model `logistic`" in error
    assert wesad("predict", path, "--bundle", free_bundle)[0] == 0
    assert answer(tmp_path / "cold_wesad")[0]["judged_share"] > 0


def test_minutes_in_which_nobody_wears_the_device_are_not_judged(wesad, person, own_bundle, tmp_path):
    signals = dict(person.signals)
    for name, value in (("wrist_eda", 0.01), ("wrist_temp", 22.0), *((f"wrist_acc_{axis}", 0.5) for axis in "xyz")):
        signals[name] = signals[name].copy()
        signals[name][signals[name]["time"] >= 120] = value
    path = write_e4(replace(person, signals=signals), tmp_path / "off.zip")
    assert wesad("predict", path, "--bundle", own_bundle, "--step", 30)[0] == 0
    summary, windows = answer(tmp_path / "off_wesad")
    assert summary["worn_share"] == 0.5
    off = windows["start_s"] >= 120
    assert (windows.loc[off, "reasons"] == "not worn").all() and (windows.loc[off, "status"] == "rejected").all()
    assert (windows.loc[windows["start_s"] < 60, "reasons"] != "not worn").all()
    assert summary["judged_share"] == pytest.approx((windows["status"] != "rejected").mean())


def test_values_that_no_sensor_shows_are_told_before_the_answer(wesad, person, own_bundle, tmp_path):
    signals = {name: signal * 9.81 if "_acc_" in name else signal for name, signal in person.signals.items()}
    signals = {name: signal.assign_attrs(person.signals[name].attrs) for name, signal in signals.items()}
    path = write_e4(replace(person, signals=signals), tmp_path / "far.zip")
    assert wesad("predict", path, "--bundle", own_bundle, "--step", 60)[0] == 0
    (problem,) = answer(tmp_path / "far_wesad")[0]["problems"]
    assert "perhaps m/s2" in problem
    page = (tmp_path / "far_wesad" / "report.html").read_text()
    assert page.index("perhaps m/s2") < page.index("data:image")
    assert wesad("check", path)[0] == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rest", "first:9"], "rest from 00:00:00 to 00:09:00 lies outside the recording, which ends at 00:04:00"),
        (["--rest", "00:00:00-00:00:40"], "0 of 0 windows at rest are of good quality; at least 2 are needed"),
        (["--rest", "soon"], "rest 'soon': write 00:02:00-00:07:00, first:5 (minutes) or tags"),
        (["--rest", "00:03:00-00:01:00"], "rest from 00:03:00 to 00:01:00 ends before it begins"),
        *((["--step", step], f"the step is {step} s; it has to be 0.1 s or more") for step in ("0", "inf", "1e-09")),
        (["--bundle", "nowhere"], "nowhere: no model here"),
        (["--columns", "bvp=PPG"], "anna.zip: not a table"),
        (["--columns", "bvp"], "--columns 'bvp': write signal=column"),
        (["--units", "temp=degF"], "--units belongs to --columns"),
        (["--out", "anna.zip/inside"], "anna.zip is no folder to write in"),
        (["--out", "/proc/inside"], "/proc/inside: cannot be written"),
        (["--out", "full"], "it holds something else (thesis.txt)"),
        (["--out", "asked"], "it holds the answer to another question; --force replaces it"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence_and_leaves_nothing(
    wesad, e4, own_bundle, tmp_path, monkeypatch, options, sentence
):
    shutil.copy(e4, tmp_path / "anna.zip")
    monkeypatch.chdir(tmp_path)
    for name, text in (("full/thesis.txt", "mine"), ("asked/summary.json", '{"key": "another"}')):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    before = sorted(tmp_path.rglob("*"))
    status, out, error = wesad("predict", "anna.zip", "--bundle", own_bundle, *options)
    assert (status, out) == (1, "") and error.startswith("wesad: ") and error.count("\n") == 1
    assert sentence in error, error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recording_that_is_none_or_too_short_is_told_by_its_path(wesad, person, e4, own_bundle, tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    (tmp_path / "notes.txt").write_text("no recording")
    (tmp_path / "empty").mkdir()
    zipfile.ZipFile(e4).extractall(write_embraceplus(person, tmp_path / "mixed"))
    write_e4(person.between(0, 40), tmp_path / "short.zip")
    for name, sentence, also in [
        ("broken.zip", "broken.zip: not a whole zip; export or copy it again", True),
        ("notes.txt", "notes.txt is no recording; looked for", True),
        ("empty", "empty: no recording in it", True),
        ("absent.zip", "absent.zip: no such file or folder", True),
        ("mixed", "(.avro); give one device's files at a time", True),
        ("short.zip", "short.zip: 40 s long, and one window takes 60 s; give a longer recording", False),
    ]:
        status, out, error = wesad("predict", tmp_path / name, "--bundle", own_bundle)
        assert (status, out) == (1, "") and sentence in error and error.count("\n") == 1, error
        assert str(tmp_path / name) in error
        status, out, checked = wesad("check", tmp_path / name)
        assert status == 1 and ((out, checked) == ("", error) if also else "less than one window" in out), checked


def write_parts(person, folder, later_s):
    """One person in two sessions, of which the second begins so much later."""
    for name, start_s in (("bea_a", 0), ("bea_b", later_s)):
        part = replace(person.between(start_s, start_s + 110), start=person.start + pd.Timedelta(start_s, "s"))
        write_e4(part, folder / f"{name}.zip")


@pytest.fixture
def folder(person, e4, tmp_path):
    """Three people: one in two sessions, one whole, one broken."""
    (tmp_path / "people").mkdir()
    write_parts(person, tmp_path / "people", 120)
    shutil.copy(e4, tmp_path / "people" / "carl.zip")
    for name in ("anna.zip", "readme.txt"):
        (tmp_path / "people" / name).write_text("no person")
    return tmp_path / "people"


def test_a_folder_of_people_gives_a_table_and_an_index_and_one_bad_person_stops_nobody(wesad, folder, own_bundle):
    status, out, error = wesad("predict", folder, "--bundle", own_bundle, "--step", 20)
    assert status == 1 and "anna.zip" in out and error == ""
    answers = folder.parent / "people_wesad"
    assert sorted(path.name for path in answers.iterdir()) == ["bea", "carl", "index.html", "people.csv"]
    table = pd.read_csv(answers / "people.csv").set_index("person")
    assert {re.sub("^share_.*", "share_<state>", name) for name in table.reset_index()} == set(PEOPLE)
    assert table.index.tolist() == ["anna", "bea", "carl"]
    assert "anna.zip" in table.loc["anna", "problem"] and table["problem"].isna().tolist() == [False, True, True]
    assert table.loc["bea", "duration_s"] == pytest.approx(230, abs=1)
    gaps = answer(answers / "bea")[0]["gaps"]
    assert gaps and all(gap["end_s"] - gap["start_s"] == pytest.approx(10, abs=0.1) for gap in gaps)
    page = (answers / "index.html").read_text()
    assert 'href="carl/report.html"' in page and 'href="anna' not in page and "<script" not in page


def test_a_person_whose_file_may_not_be_read_stops_nobody_and_is_one_sentence_alone(
    wesad, folder, own_bundle, monkeypatch
):
    def denied(path):
        if path.name.startswith("bea"):
            raise PermissionError(13, "Permission denied", str(path))
        return file_digest(path)

    (folder / "anna.zip").unlink()
    monkeypatch.setattr(answers, "file_digest", denied)
    status, out, error = wesad("predict", folder, "--bundle", own_bundle, "--step", 60)
    assert status == 1 and "bea" in out and error == ""
    assert (folder.parent / "people_wesad" / "carl" / "report.html").is_file()
    status, _, error = wesad("predict", next(folder.glob("bea*")), "--bundle", own_bundle)
    assert status == 1 and "bea" in error and "may not read" in error


def test_a_folder_of_one_is_answered_whether_in_parts_or_in_a_folder_of_its_own(wesad, person, own_bundle, tmp_path):
    options = ["--bundle", own_bundle, "--step", 60]
    (tmp_path / "parts").mkdir()
    write_parts(person, tmp_path / "parts", 130)
    assert wesad("predict", tmp_path / "parts", *options)[0] == 0
    assert answer(tmp_path / "parts_wesad" / "bea")[0]["duration_s"] == pytest.approx(240, abs=1)
    (tmp_path / "cohort").mkdir()
    write_pickle(person, tmp_path / "cohort" / "S5")
    assert wesad("predict", tmp_path / "cohort", *options)[0] == 0
    assert answer(tmp_path / "cohort_wesad")[0]["subject"] == "S5"


def test_the_same_question_again_computes_nothing(wesad, folder, own_bundle, monkeypatch):
    wesad("predict", folder, "--bundle", own_bundle, "--step", 30)
    (folder / "anna.zip").unlink()
    monkeypatch.setattr(bundles, "load_bundle", None)
    monkeypatch.setattr(of_bundle, "predict_recording", None)
    assert wesad("predict", folder, "--bundle", own_bundle, "--step", 30)[0] == 0
    status, out, _ = wesad("predict", folder, "--bundle", own_bundle, "--step", 40)
    assert status == 1 and out.count("it holds the answer to another question") == 2


def test_another_question_with_force_replaces_the_answer(wesad, e4, own_bundle, tmp_path):
    for step in (30, 60):
        assert wesad("predict", e4, "--bundle", own_bundle, "--out", tmp_path / "a", "--step", step, "--force")[0] == 0
        assert answer(tmp_path / "a")[0]["step_s"] == step
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == FILES


def test_who_is_finished_stays_when_it_is_interrupted(wesad, folder, own_bundle, monkeypatch):
    whole, calls = of_bundle.predict_recording, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    monkeypatch.setattr(of_bundle, "predict_recording", interrupted)
    status, _, error = wesad("predict", folder, "--bundle", own_bundle, "--step", 30)
    assert status == 130 and "interrupted" in error
    answers = folder.parent / "people_wesad"
    assert sorted(path.name for path in answers.iterdir()) == ["bea", "index.html", "people.csv"]
    assert sorted(path.name for path in (answers / "bea").iterdir()) == FILES


def test_a_name_that_looks_like_markup_stays_a_name(wesad, e4, own_bundle, tmp_path):
    shutil.copy(e4, tmp_path / "<b>&.zip")
    assert wesad("predict", tmp_path / "<b>&.zip", "--bundle", own_bundle, "--step", 60)[0] == 0
    page = (tmp_path / "<b>&_wesad" / "report.html").read_text()
    assert "<b>&." not in page and "<h1>&lt;b&gt;&amp;</h1>" in page


def test_check_says_what_a_recording_holds_without_a_model(wesad, e4, folder):
    status, out, _ = wesad("check", e4)
    assert status == 0
    first = "anna.zip: E4, 2024-02-03T04:05:06+00:00, 4.0 min, worn 100 %"
    assert all(text in out for text in (first, "wrist_temp", "degC", "1 session of an E4")), out
    status, out, _ = wesad("check", folder)
    assert status == 1 and "anna.zip" in out and "carl" in out


def test_the_glossary_lists_every_name(wesad):
    status, out, _ = wesad("glossary")
    assert status == 0
    assert all(name[:10] in out for names in list_meanings().values() for name in names)


@pytest.mark.parametrize(("form", "path"), [("e4", "S2.zip"), ("embraceplus", "S2")])
def test_simulated_people_are_written_in_a_devices_format(wesad, tmp_path, form, path):
    assert wesad("simulate", tmp_path / "made", "--subjects", 1, "--format", form)[0] == 0
    status, out, _ = wesad("check", tmp_path / "made" / path)
    assert status == 0 and "worn 100 %" in out
    assert wesad("simulate", tmp_path / "made", "--format", form)[0] == 1


def test_a_light_install_answers_and_the_same_question_again_loads_nothing(e4, own_bundle, tmp_path):
    question = ["predict", e4, "--bundle", own_bundle, "--out", tmp_path / "a", "--rest", "first:2"]
    for heavy in ("torch ray fastapi papermill nbformat pyarrow pyxdf h5netcdf IPython psutil", "numpy pandas scipy"):
        done = run_without(heavy.split(), COMMAND, *question)
        assert done.returncode == 0, done.stderr[-2000:]
        assert sorted(path.name for path in (tmp_path / "a").iterdir()) == FILES


def test_a_recording_is_answered_as_its_windows_are(person, own_bundle):
    bundle = bundles.load_bundle(own_bundle)
    rows = bundles.predict_recording(bundle, person, step_s=17.0).windows
    for row in rows.itertuples():
        alone = bundle.predict_window(*bundle.cut(person, row.start_s))
        if alone.status == "ok":
            assert row.status == ("abstained" if alone.abstained else "answered")
            assert row.p_stress == pytest.approx(alone.probabilities["stress"], abs=1e-6)
            assert row.confidence == pytest.approx(alone.confidence, abs=1e-6)
        else:
            assert row.status == "rejected" and row.reasons == "; ".join(alone.reasons)


def test_rest_is_that_of_the_interval_and_changes_the_answer(person, own_bundle):
    bundle = bundles.load_bundle(own_bundle)
    rests = None, (0, 120), (120, 240)
    cold, early, late = (bundles.predict_recording(bundle, person, 20.0, rest).windows["p_stress"] for rest in rests)
    value = bundle.rest_values([bundle.cut(person, start) for start in (0.0, 30.0, 60.0)])
    alone = bundle.predict_window(*bundle.cut(person, 40.0), rest=value)
    assert early[2] == pytest.approx(alone.probabilities["stress"], abs=1e-6)
    assert np.nanmax(abs(early - late)) > 0.01 and np.nanmax(abs(early - cold)) > 0.01


@pytest.mark.browser
def test_the_page_needs_no_network_fits_a_phone_and_prints_on_two_pages(
    wesad, person, own_bundle, tmp_path, browser_path
):
    from playwright.sync_api import sync_playwright

    path = write_e4(person, tmp_path / f"{'a long name ' * 6}.zip")
    assert wesad("predict", path, "--bundle", own_bundle, "--out", tmp_path / "a", "--step", 20)[0] == 0
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser_path) as browser:
        page = browser.new_context(offline=True, viewport={"width": 420, "height": 800}).new_page()
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "a" / "report.html").as_uri())
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        # Of each reading the person's dot, which stays in its picture; and a figure that is not squeezed.
        assert page.locator("svg.home circle").count() == 6
        assert page.locator(".figure img").bounding_box()["width"] >= 600
        printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2
