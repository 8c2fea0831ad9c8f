"""The kept results of a run on real people: whole, and what their own predictions say."""

import json

import pandas as pd
import pytest

from wesadlib.artefacts import Run
from wesadlib.errors import InputError
from wesadlib.evaluation import score
from wesadlib.report.reference import FIGURE, PREDICTIONS, SUBJECTS, SUMMARY, write_reference


@pytest.fixture(scope="module")
def reference(repository):
    return repository / "outputs" / "reference" / "wesad-wrist"


def test_the_summary_follows_from_the_predictions(reference):
    summary = json.loads((reference / SUMMARY).read_text(encoding="utf-8"))
    predictions = pd.read_parquet(reference / PREDICTIONS)
    told = pd.DataFrame(summary["results"])
    for windows in ("all", "accepted"):
        found = score(predictions, windows=windows, bootstrap=1000)
        expected = told[told["windows"] == windows].reset_index(drop=True)
        pd.testing.assert_frame_equal(found.reset_index(drop=True)[expected.columns], expected, check_dtype=False)


def test_the_reference_is_of_real_people_with_the_published_numbers_of_windows(reference):
    summary = json.loads((reference / SUMMARY).read_text(encoding="utf-8"))
    assert summary["data"]["simulated"] is False and len(summary["data"]["subjects"]) == 15
    assert summary["windows"] == {"baseline": 587, "stress": 332, "amusement": 186}
    accuracy = {row["model"]: row["accuracy"] for row in summary["results"] if row["windows"] == "all"}
    assert accuracy["logistic"] >= 0.90 and accuracy["resnet"] >= 0.91


def test_each_person_s_score_follows_from_the_predictions(reference):
    kept = pd.read_csv(reference / SUBJECTS)
    found = score(pd.read_parquet(reference / PREDICTIONS), by="subject")
    merged = kept.merge(found, on=["model", "subject"], suffixes=("", "_found"))
    assert len(merged) == len(kept) == len(found)
    assert (merged["accuracy"] - merged["accuracy_found"]).abs().max() < 1e-5


def test_the_readme_shows_the_kept_figure(repository, reference):
    shown = (reference / FIGURE).relative_to(repository).as_posix()
    assert f"({shown})" in (repository / "README.md").read_text(encoding="utf-8") and (reference / FIGURE).is_file()


def test_nothing_kept_is_large(reference):
    assert sum(path.stat().st_size for path in reference.iterdir()) < 2_000_000


def test_a_run_that_was_not_finished_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.*summary\.json is missing"):
        write_reference(Run(tmp_path / "absent"), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
