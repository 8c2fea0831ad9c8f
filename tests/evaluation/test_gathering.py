"""Means of models and failed folds: what the runner makes of folds that others ran, or that nobody could."""

import itertools

import numpy as np
import pandas as pd
import pytest
import stub_models

from wesadlib import models
from wesadlib.evaluation.folds import Job, run_fold, windows_of_classes
from wesadlib.evaluation.predictions import main_predictions
from wesadlib.evaluation.protocols import make_protocol
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.scores import score
from wesadlib.features import extract_features
from wesadlib.params import Params

MEMBERS = ["counting", "counting_too"]
OF_STUBS = Params(mean_of=MEMBERS)


def run(model, windows, params=OF_STUBS, **options):
    return evaluate(model, windows, params=params, workers=0, progress=False, return_training=True, **options)


def of(table, model):
    return table[table["model"] == model].reset_index(drop=True)


@pytest.fixture
def fits(monkeypatch):
    """The fits of the counting stubs, as they happen."""
    fits = []
    monkeypatch.setattr(stub_models.Counting, "fits", fits)
    return fits


@pytest.fixture
def failing(monkeypatch):
    """Say whom the failing stub cannot predict."""
    return lambda *people: monkeypatch.setattr(stub_models.Failing, "people", people)


@pytest.mark.parametrize(
    "names", [*itertools.permutations([*MEMBERS, "mean"]), ("mean",), ("counting_too", "mean")], ids="-".join
)
def test_a_mean_trains_its_members_once_in_whatever_order_they_are_named(small_windows, fits, names):
    predictions, training = run(names, small_windows, seeds=[0, 1])
    assert len(fits) == len(set(fits)) == 2 * 2 * 5
    assert list(dict.fromkeys(predictions["model"])) == list(names) == list(dict.fromkeys(training["model"]))
    apart, _ = run(MEMBERS, small_windows, seeds=[0, 1])
    columns = ["p_baseline", "p_stress"]
    expected = (of(apart, "counting")[columns] + of(apart, "counting_too")[columns]) / 2
    assert np.allclose(of(predictions, "mean")[columns], expected, rtol=0, atol=1e-15)
    others = predictions.columns.drop(["model", *columns])
    pd.testing.assert_frame_equal(of(predictions, "mean")[others], of(apart, "counting")[others])
    assert len(training) == len(names) * 2 * 5 and (training["error"] == "").all()


def test_a_mean_takes_kept_folds_of_its_members_and_keeps_none_of_its_own(small_windows, fits, tmp_path):
    run("counting_too", small_windows, folds=tmp_path)
    first, _ = run(["mean", "counting"], small_windows, folds=tmp_path)
    assert len(fits) == 10 and len(list(tmp_path.iterdir())) == 10
    again, training = run(["counting", "mean", "counting_too"], small_windows, folds=tmp_path)
    assert len(fits) == 10
    pd.testing.assert_frame_equal(of(again, "mean"), of(first, "mean"))
    assert of(training, "mean")["seconds"].to_numpy() == pytest.approx(
        of(training, "counting")["seconds"].to_numpy() + of(training, "counting_too")["seconds"].to_numpy()
    )


@pytest.mark.parametrize("protocol", ["cold_start", "rest_calibrated"])
def test_the_fold_of_a_mean_is_the_mean_model_fitted_to_that_fold(make_windows_of_toys, protocol):
    windows = extract_features(make_windows_of_toys(n_subjects=4, per_subject=18))
    params = Params(mean_of=["logistic", "forest"], rest_minutes=2)
    predictions, _ = run("mean", windows, params, protocol=protocol)
    windows = windows_of_classes(windows, params.classes)
    fold = list(make_protocol(protocol, params, 0).split(windows))[1]
    fitted = run_fold(models.create("mean", params), windows, Job("mean", protocol, 0, fold))
    own = predictions[predictions["subject"] == fold.held_out].reset_index(drop=True)
    columns = ["p_baseline", "p_stress"]
    assert np.allclose(fitted[columns], own[columns], rtol=0, atol=1e-9)
    assert (fitted["window"] == own["window"]).all()


def test_one_persons_failure_costs_the_others_nothing(small_windows, failing, tmp_path):
    failing("S4")
    with pytest.warns(UserWarning, match=r"^fold of S4 \(failing, cold_start, seed 0\): ValueError: no idea The other"):
        predictions, training = run("failing", small_windows, folds=tmp_path)
    whole, complete = run("centroid", small_windows)
    others = whole[whole["subject"] != "S4"].reset_index(drop=True)
    pd.testing.assert_frame_equal(predictions.drop(columns="model"), others.drop(columns="model"))
    assert list(training.columns) == list(complete.columns)
    assert training["subject"].tolist() == complete["subject"].tolist()
    assert training["error"].tolist() == [
        "",
        "",
        "fold of S4 (failing, cold_start, seed 0): ValueError: no idea",
        "",
        "",
    ]
    assert np.isnan(training.loc[2, "seconds"]) and np.isnan(training.loc[2, "epochs"])

    failing()
    again, training = run("failing", small_windows, folds=tmp_path)
    assert (training["error"] == "").all(), "a failed fold is not kept, so it is tried again"
    pd.testing.assert_frame_equal(again.drop(columns="model"), whole.drop(columns="model"))


def test_a_mean_fails_with_a_member_and_only_there(small_windows, failing):
    failing("S4")
    params = Params(mean_of=["centroid", "failing"])
    with pytest.warns(UserWarning) as caught:
        predictions, training = run(["mean", "centroid"], small_windows, params)
    assert len(caught) == 1
    assert set(of(predictions, "mean")["subject"]) == {"S2", "S3", "S5", "S6"}
    assert set(of(predictions, "centroid")["subject"]) == {"S2", "S3", "S4", "S5", "S6"}
    failed = training[training["error"] != ""]
    assert failed[["model", "subject"]].to_numpy().tolist() == [["mean", "S4"]]
    assert "failing" in failed["error"].iloc[0], "it is said which member failed"


def test_what_fails_for_everybody_is_raised(small_windows, failing):
    failing("all")
    with pytest.raises(ValueError, match=r"^no idea$"):
        run("failing", small_windows)
    # The other member's folds went well, but there is no mean.
    with pytest.raises(ValueError, match=r"^no idea$"):
        run("mean", small_windows, Params(mean_of=["centroid", "failing"]))


def test_one_model_that_fails_for_everybody_costs_another_nothing(small_windows, failing):
    failing("all")
    with pytest.warns(UserWarning) as caught:
        predictions, training = run(["failing", "centroid"], small_windows)
    assert len(caught) == 5 and set(predictions["model"]) == {"centroid"}
    assert training.groupby("model")["error"].agg(lambda told: (told != "").sum()).to_dict() == {
        "centroid": 0,
        "failing": 5,
    }


def test_a_failure_under_one_seed_leaves_scores_of_the_others(small_windows, monkeypatch):
    predict = stub_models.Failing.predict_proba

    def sometimes(self, signal, feature, rest=None):
        if self.seed_ == 1 and "S4" not in self.seen_:
            raise ValueError("no idea")
        return predict(self, signal, feature)

    monkeypatch.setattr(stub_models.Failing, "predict_proba", sometimes)
    with pytest.warns(UserWarning, match="seed 1"):
        predictions, _ = run(["failing", "centroid"], small_windows, seeds=[0, 1])
    assert (predictions["subject"] == "S4").sum() == 3 * 6
    own = main_predictions(predictions)
    assert set(of(own, "failing")["subject"]) == {"S2", "S3", "S5", "S6"}
    table = score(own).set_index("model")
    assert table["n_windows"].to_dict() == {"failing": 24, "centroid": 30}
