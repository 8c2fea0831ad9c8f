"""The kept results of a run on real people: whole, and what their part predictions say."""

import json
import re

import nbformat
import pandas as pd
import pytest

from wesadlib.artefacts import Run, write_json
from wesadlib.errors import InputError
from wesadlib.evaluation import score
from wesadlib.evaluation.comparison import leaderboard
from wesadlib.report.inserts import ANSWER, INSERTS
from wesadlib.report.reference import (
    FIGURE,
    INFLATION,
    LEADERBOARD,
    PARAMETERS,
    PREDICTIONS,
    SUMMARY,
    read_reference,
    write_reference,
)

INFLATED = {"shortcut": "shuffled", "model": "resnet", "rule": "windows of everybody", "accuracy": 0.99}
INFLATED |= {"reference": 0.93, "inflation": 0.06, "inflation_low": 0.03, "inflation_high": 0.09}
KEYS = ["task", "model", "protocol", "windows"]
SCORES = ["coverage", "accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "macro_f1", "roc_auc", "brier"]


@pytest.fixture
def finished(tmp_path, reference):
    """A run of real people with two tasks, small enough to keep in a moment."""
    run = Run(tmp_path / "outputs" / "real")
    part = reference.predictions
    part = part[(part["task"] == reference.task) & part["subject"].isin(["S2", "S3", "S4"]) & (part["seed"] == 0)]
    part = part[part["model"].isin(["logistic", "resnet"]) & (part["protocol"] == "cold_start")]
    part = part.dropna(axis="columns", how="all")
    other = part.assign(
        task="three", p_amusement=0.1, p_baseline=0.9 * part["p_baseline"], p_stress=0.9 * part["p_stress"]
    )
    run.write_table("predictions", pd.concat([part, other], ignore_index=True))
    run.write_table("comparison", leaderboard(part))
    run.write_table("inflation", pd.DataFrame([INFLATED]))
    run.write_table("learning", pd.DataFrame({"subjects": [3, 14], "accuracy": [0.8, 0.9]}))
    run.folder.joinpath(PARAMETERS).write_text(
        "run: real\nwesad_root: /somewhere\nown_recording: /home/anna.zip\nrest_minutes: 5\n"
    )
    write_json(run.summary, {**reference.summary, "run": "real", "results": [{"task": reference.task}]})
    return run


def test_the_summary_and_each_person_s_score_follow_from_the_predictions(kept_folder, reference):
    results = pd.DataFrame(reference.summary["results"]).set_index(KEYS)
    scores = pd.concat(score(reference.predictions, windows=which) for which in ("all", "accepted")).set_index(KEYS)
    assert set(results.index) == set(scores.index)
    scores = scores.loc[results.index]
    assert (scores["n_windows"] == results["n_windows"]).all() and (scores["seeds"] == results["seeds"]).all()
    # Kept probabilities are rounded; a window that is as good as undecided may fall to the other side.
    pd.testing.assert_frame_equal(scores[SCORES], results[SCORES], check_dtype=False, rtol=0, atol=1e-3)
    pd.testing.assert_series_equal(scores["ece"], results["ece"], check_dtype=False, rtol=0, atol=3e-3)
    keys = ["task", "protocol", "model", "subject"]
    subjects = pd.read_csv(kept_folder / "subjects.csv").set_index(keys)["accuracy"]
    by_subject = score(reference.predictions, by="subject").set_index(keys)["accuracy"]
    assert (subjects - by_subject).abs().max() < 1e-5 and set(subjects.index) == set(by_subject.index)


def test_the_reference_is_of_real_people_who_are_told_apart_as_well_as_ever(repository, kept_folder, reference):
    summary = reference.summary
    assert summary["data"]["simulated"] is False and len(summary["data"]["subjects"]) == 15
    assert summary["windows"] == {"baseline": 587, "stress": 332, "amusement": 186}
    assert len(summary["commit"]) >= 40 and len(summary["data"]["digest"]) == 64
    assert {"python", "torch", "scikit-learn"} <= set(summary["versions"]) and summary["machine"]["cores"] > 0
    rows = [row for row in summary["results"] if row["task"] == reference.task and row["windows"] == "all"]
    accuracy = {row["model"]: row["accuracy"] for row in rows if row["protocol"] == "cold_start"}
    assert accuracy["logistic"] >= 0.90 and accuracy["resnet"] >= 0.91
    assert not {"wesad_root", "own_recording"} & {*reference.parameters}
    assert sum(path.stat().st_size for path in kept_folder.iterdir()) < 1_500_000, "what is kept is small"
    shown = (kept_folder / FIGURE).relative_to(repository).as_posix()
    assert f"({shown})" in (repository / "README.md").read_text(encoding="utf-8") and (kept_folder / FIGURE).is_file()


def test_a_run_is_kept_whole_with_its_tables_and_parameters_but_not_its_folders(finished, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "stale.csv").touch()
    kept = read_reference(write_reference(finished, folder))
    files = {SUMMARY, PREDICTIONS, "subjects.csv", PARAMETERS, FIGURE, INFLATION, LEADERBOARD}
    assert {path.name for path in folder.iterdir()} == files | {"comparison.csv", "inflation.csv", "learning.csv"}
    assert (folder / FIGURE).stat().st_size > 5000
    assert kept.tables["learning"]["accuracy"].tolist() == [0.8, 0.9]
    assert kept.parameters == {"run": "real", "rest_minutes": 5}
    probabilities = kept.predictions.filter(like="p_")
    assert (probabilities.sum(axis="columns") - 1).abs().max() < 1e-12, "rounded to the file's precision"
    before = finished.read_table("predictions")
    assert (probabilities - before[probabilities.columns]).abs().max(axis=None) < 1e-6
    pd.testing.assert_series_equal(score(kept.predictions)["roc_auc"], score(before)["roc_auc"])


def test_a_run_of_which_a_fold_failed_is_kept(finished, tmp_path):
    predictions = finished.read_table("predictions")
    second = predictions[predictions["subject"] != "S4"].assign(seed=1)
    finished.write_table("predictions", pd.concat([predictions, second], ignore_index=True))
    kept = read_reference(write_reference(finished, tmp_path / "kept"))
    assert len(kept.predictions) == len(predictions) + len(second)


def test_simulated_people_an_unfinished_run_and_an_absent_reference_are_told(finished, tmp_path):
    summary = json.loads(finished.summary.read_text())
    write_json(finished.summary, {**summary, "data": {**summary["data"], "simulated": True}})
    with pytest.raises(InputError, match="simulated; a reference is kept of real people only"):
        write_reference(finished, tmp_path / "kept")
    with pytest.raises(InputError, match=r"absent.*summary\.json is missing"):
        write_reference(Run(tmp_path / "absent"), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    with pytest.raises(InputError, match=r"summary\.json is missing: `make reference"):
        read_reference(tmp_path)


@pytest.mark.parametrize("chapter", INSERTS)
def test_each_chapter_shows_what_was_kept_of_real_people_with_its_figures(repository, kept_folder, chapter):
    cells = nbformat.read(repository / "book" / f"{chapter}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    kept = (kept_folder / chapter).relative_to(repository).as_posix()
    lead = f"```{{include}} ../{kept}.md\n:relative-images:\n:end-before: {ANSWER}\n```"
    answer = f"```{{include}} ../{kept}.md\n:start-after: {ANSWER}\n```"
    assert text.count(lead) == text.count(answer) == 1 and text.index(lead) < text.index(answer)
    for image in re.findall(r"!\[.*?\]\((.*?)\)", (kept_folder / f"{chapter}.md").read_text(encoding="utf-8")):
        assert (kept_folder / image).is_file()
