"""Many folds: what each may see, that they are kept and resumed, failures of some, means of models, the final model."""

import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import stub_models
from threadpoolctl import threadpool_info, threadpool_limits

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation import kept_folds
from wesadlib.evaluation.folds import FoldWindows, Job, run_fold, windows_of_classes
from wesadlib.evaluation.protocols import Fold, make_protocol
from wesadlib.evaluation.runner import evaluate, fit_final
from wesadlib.features import extract_features
from wesadlib.models import Examples, predict
from wesadlib.params import Params
from wesadlib.quality import assess_quality

COLUMNS = "task model protocol seed subject window start_s label p_baseline p_stress accepted"
MEMBERS = ["counting", "counting_too"]
OF_STUBS = Params(mean_of=MEMBERS)


def run(windows, model="centroid", **options):
    return evaluate(model, windows, progress=False, return_training=True, **options)


def of(table, subject):
    return table[table["subject"] == subject].reset_index(drop=True)


def by(table, model):
    return table[table["model"] == model].reset_index(drop=True)


@pytest.fixture
def fits(monkeypatch):
    """The fits of the counting stubs, as they happen."""
    monkeypatch.setattr(stub_models.Counting, "fits", [])
    return stub_models.Counting.fits


@pytest.fixture
def failing(monkeypatch):
    """Say whom the failing stub cannot predict."""
    return lambda *people: monkeypatch.setattr(stub_models.Failing, "people", people)


def test_every_window_is_predicted_once_per_model_and_seed(small_windows):
    predictions, training = run(small_windows, ["centroid", "plain"], seeds=[0, 1, 1])
    assert " ".join(predictions.columns) == COLUMNS
    assert len(predictions) == 2 * 2 * small_windows.sizes["window"]
    assert not predictions.duplicated(["model", "seed", "window"]).any()
    of_window = small_windows.isel(window=predictions["window"].to_numpy())
    for name in ("subject", "label", "start_s"):
        assert (of_window[name].values == predictions[name].to_numpy()).all()
    assert np.allclose(predictions["p_baseline"] + predictions["p_stress"], 1)
    assert set(predictions["task"]) == {"stress-baseline"} and len(training) == 2 * 2 * 5


def test_what_is_trained_does_not_depend_on_the_held_out_person(small_windows):
    # The test person's windows but the first are replaced by nonsense: all that is learnt for that fold stays.
    scrambled = small_windows.copy(deep=True)
    own = np.flatnonzero(scrambled["subject"].values == "S4")[1:]
    scrambled["signal"][own] = np.random.default_rng(0).normal(size=scrambled["signal"][own].shape)
    scrambled["label"][own] = scrambled["label"].values[own][::-1]
    learnt = ["best_epoch", "train_loss", "validation_loss", "validation_subjects", "train_windows"]
    (predicted, before), (again, after) = run(small_windows), run(scrambled)
    assert of(before, "S4")[learnt].equals(of(after, "S4")[learnt])
    same = of(predicted, "S4")["p_stress"] == of(again, "S4")["p_stress"]
    assert same.tolist() == [True] + [False] * len(own), "a window is predicted from itself, not from its neighbours"
    assert not of(before, "S2")[learnt].equals(of(after, "S2")[learnt]), "others do learn from S4"


def test_refused_windows_teach_nothing_but_are_predicted(small_windows):
    verdict = np.ones(small_windows.sizes["window"], dtype=bool)
    verdict[[1, 7, 13]] = False  # of S2, S3 and S4
    judged = small_windows.assign(verdict=("window", verdict))
    predictions, training = run(judged)
    assert (predictions["accepted"].to_numpy() == verdict[predictions["window"]]).all()
    assert len(predictions) == len(verdict)
    spoilt = judged.copy(deep=True)
    spoilt["signal"][[1, 7, 13]] = 1e4
    _, same = run(spoilt)
    used = ["train_loss", "validation_loss", "train_windows", "validation_windows"]
    assert same[used].equals(training[used])
    assert training[used[2:]].sum(axis=1).tolist() == [24 - 2, 24 - 2, 24 - 2, 24 - 3, 24 - 3]


def test_states_that_are_not_asked_for_are_left_out_and_positions_stay(small_windows):
    label = small_windows["label"].values.astype("U9").copy()
    label[::6] = "amusement"
    mixed = small_windows.assign_coords(label=("window", label))
    two, _ = run(mixed)
    assert (two["window"] % 6 != 0).all() and len(two) == 25
    three, _ = run(mixed, params=Params(classes=["baseline", "stress", "amusement"]))
    assert [name for name in three if name.startswith("p_")] == ["p_baseline", "p_stress", "p_amusement"]
    assert len(three) == 30 and set(three["task"]) == {"amusement-stress-baseline"}


def test_a_model_without_validation_learns_from_those_people_too(small_windows):
    _, training = run(small_windows, ["centroid", "plain"])
    assert training["train_windows"].tolist() == [18] * 5 + [24] * 5
    assert training["epochs"].tolist() == pytest.approx([2] * 5 + [np.nan] * 5, nan_ok=True)
    assert training["validation_subjects"].map(len).tolist() == [1] * 5 + [0] * 5


def test_an_interrupted_run_resumes_where_it_stopped(small_windows, tmp_path, monkeypatch):
    whole, _ = run(small_windows)
    trained, fit = [], stub_models.Centroid.fit

    def interrupted(self, train, validation, **options):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(1)
        return fit(self, train, validation, **options)

    monkeypatch.setattr(stub_models.Centroid, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(small_windows, folds=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    trained.clear()
    resumed, training = run(small_windows, folds=tmp_path)
    assert len(trained) == 2
    finished, kept = run(small_windows, folds=tmp_path)
    assert len(trained) == 2, "what is finished is not trained again"
    pd.testing.assert_frame_equal(whole, resumed)
    pd.testing.assert_frame_equal(finished, resumed)
    pd.testing.assert_frame_equal(kept, training)
    damaged = sorted(tmp_path.iterdir())[2]
    damaged.write_bytes(b"half")
    with pytest.raises(InputError, match=rf"^{damaged}: not a finished fold; delete it"):
        run(small_windows, folds=tmp_path)


def test_the_final_model_is_trained_by_the_recipe_of_the_folds(small_windows):
    with threadpool_limits(limits=2):
        model = fit_final("centroid", small_windows, params=Params(validation_subjects=2), seed=3)
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    assert model.threads_ and set(model.threads_) == {1}, "on one thread"
    assert len(model.validated_on_) == 2
    assert sorted(model.trained_on_ + model.validated_on_) == ["S2", "S3", "S4", "S5", "S6"] and model.seed_ == 3
    everybody = fit_final("plain", small_windows)
    assert len(everybody.trained_on_) == 5 and everybody.validated_on_ is None
    with pytest.raises(InputError, match=r"2 subject\(s\) \(S2, S3\): the final model needs 2 to validate on"):
        fit_final("centroid", small_windows.isel(window=slice(12)), params=Params(validation_subjects=2))


def test_the_bar_shows_the_fold_the_epoch_and_the_losses(small_windows, capsys):
    evaluate("centroid", small_windows)
    shown = capsys.readouterr().err
    assert re.search(r"5/5.*S6 \(centroid, cold_start, seed 0\): epoch 2/2, loss .*, validation ", shown)


OF_FOLD = r"^fold of S2 \({}, cold_start, seed 0\): {}"
OVERLAPPING = {"params": Params(classes=["non-stress", "baseline"])}


@pytest.mark.parametrize(
    ("spoil", "options", "sentence"),
    [
        (lambda w: w, {"model": "foo"}, "unknown model `foo`; the models are logistic"),
        (lambda w: w, OVERLAPPING, "names non-stress and `baseline`, which is part of it"),
        (lambda w: w.isel(window=w["label"].values == "baseline"), {}, "no window of `stress` among the 20 .* S2, S3"),
        (lambda w: w, {"model": "diverged"}, OF_FOLD.format("diverged", "probabilities that are not numbers")),
        (
            lambda w: w.assign(verdict=w["label"] == "baseline"),
            {},
            OF_FOLD.format("centroid", "no accepted window of `stress` among the training people S"),
        ),
        (lambda w: w.assign(verdict=w["subject"] == "S4"), {"params": Params(validation_subjects=3)}, "no accepted"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(small_windows, spoil, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run(spoil(small_windows), **options)


def test_the_final_model_of_known_rest_is_fitted_with_everybodys_rest_and_not_on_it(toy_windows):
    toy_windows, params = extract_features(assess_quality(toy_windows)), Params(rest_minutes=2.0)
    calibrated = fit_final("logistic", toy_windows, params=params, protocol="rest_calibrated")
    assert calibrated.uses_rest_ and not fit_final("logistic", toy_windows).uses_rest_
    predictions = evaluate("logistic", toy_windows, protocol="rest_calibrated", params=params)
    fold = predictions[predictions["subject"] == "S2"]
    own = toy_windows.isel(window=(toy_windows["subject"] == "S2").values)
    rest = own.isel(window=(own["start_s"] <= 60).values)
    # The one more person that it has learnt from moves it a little.
    tested = own.isel(window=np.isin(own["start_s"], fold["start_s"]))
    probability = predict(calibrated, *(Examples.from_dataset(part) for part in (tested, rest)))
    assert np.abs(probability[:, calibrated.classes.index("stress")] - fold["p_stress"].values).max() < 0.2
    with pytest.raises(InputError, match="the final model cannot be of the protocol `whole_recording`"):
        fit_final("logistic", toy_windows, protocol="whole_recording")


@pytest.mark.parametrize("names", [("counting", "mean", "counting_too"), ("mean",)], ids="-".join)
def test_a_mean_trains_its_members_once_in_whatever_order_they_are_named(small_windows, fits, names):
    predictions, training = run(small_windows, names, params=OF_STUBS, seeds=[0, 1])
    assert len(fits) == len(set(fits)) == 2 * 2 * 5
    assert list(dict.fromkeys(predictions["model"])) == list(names) == list(dict.fromkeys(training["model"]))
    apart, _ = run(small_windows, MEMBERS, seeds=[0, 1])
    columns = ["p_baseline", "p_stress"]
    expected = (by(apart, "counting")[columns] + by(apart, "counting_too")[columns]) / 2
    assert np.allclose(by(predictions, "mean")[columns], expected, rtol=0, atol=1e-15)
    others = predictions.columns.drop(["model", *columns])
    pd.testing.assert_frame_equal(by(predictions, "mean")[others], by(apart, "counting")[others])
    assert len(training) == len(names) * 2 * 5 and (training["error"] == "").all()


def test_a_mean_takes_kept_folds_of_its_members_and_keeps_none_of_its_own(small_windows, fits, tmp_path):
    run(small_windows, "counting_too", params=OF_STUBS, folds=tmp_path)
    first, _ = run(small_windows, ["mean", "counting"], params=OF_STUBS, folds=tmp_path)
    assert len(fits) == 10 and len(list(tmp_path.iterdir())) == 10
    again, training = run(small_windows, ["counting", "mean", "counting_too"], params=OF_STUBS, folds=tmp_path)
    assert len(fits) == 10
    pd.testing.assert_frame_equal(by(again, "mean"), by(first, "mean"))
    assert by(training, "mean")["seconds"].to_numpy() == pytest.approx(
        by(training, "counting")["seconds"].to_numpy() + by(training, "counting_too")["seconds"].to_numpy()
    )


@pytest.mark.parametrize("protocol", ["cold_start", "rest_calibrated"])
def test_the_fold_of_a_mean_is_the_mean_model_fitted_to_that_fold(make_windows_of_toys, protocol):
    windows = extract_features(make_windows_of_toys(n_subjects=4, per_subject=18))
    params = Params(mean_of=["logistic", "forest"], rest_minutes=2)
    predictions, _ = run(windows, "mean", params=params, protocol=protocol)
    windows = windows_of_classes(windows, params.classes)
    fold = list(make_protocol(protocol, params, 0).split(windows))[1]
    mean, job = models.create("mean", params), Job("mean", protocol, 0, fold)
    before = joblib.hash(mean)
    fitted, _ = run_fold(mean, FoldWindows.from_dataset(windows), job)
    assert joblib.hash(mean) == before, "a fold leaves the unfitted model alone"
    pd.testing.assert_frame_equal(fitted, of(predictions, fold.held_out), rtol=0, atol=1e-9)


def test_one_persons_failure_costs_the_others_nothing(small_windows, failing, tmp_path):
    failing("S4")
    with pytest.warns(UserWarning, match=r"^fold of S4 \(failing, cold_start, seed 0\): ValueError: no idea The other"):
        predictions, training = run(small_windows, "failing", params=OF_STUBS, folds=tmp_path)
    whole, complete = run(small_windows)
    others = whole[whole["subject"] != "S4"].reset_index(drop=True)
    pd.testing.assert_frame_equal(predictions.drop(columns="model"), others.drop(columns="model"))
    assert list(training.columns) == list(complete.columns)
    assert training["subject"].tolist() == complete["subject"].tolist()
    sentence = "fold of S4 (failing, cold_start, seed 0): ValueError: no idea"
    assert training["error"].tolist() == ["", "", sentence, "", ""]
    assert training.loc[2, ["seconds", "epochs"]].isna().all()
    failing()
    again, training = run(small_windows, "failing", params=OF_STUBS, folds=tmp_path)
    assert (training["error"] == "").all(), "a failed fold is not kept, so it is tried again"
    pd.testing.assert_frame_equal(again.drop(columns="model"), whole.drop(columns="model"))


def test_a_mean_fails_with_a_member_and_only_there(small_windows, failing):
    failing("S4")
    params = Params(mean_of=["centroid", "failing"])
    with pytest.warns(UserWarning) as caught:
        predictions, training = run(small_windows, ["mean", "centroid"], params=params)
    assert len(caught) == 1
    assert predictions.groupby("model")["subject"].nunique().to_dict() == {"mean": 4, "centroid": 5}
    ((model, person, error),) = training.loc[training["error"] != "", ["model", "subject", "error"]].to_numpy()
    assert (model, person) == ("mean", "S4") and "(failing, " in error, "it is said which member failed"


def test_what_fails_for_everybody_is_raised(small_windows, failing):
    failing("all")
    with pytest.raises(ValueError, match=r"^no idea$"):
        run(small_windows, "failing")
    # The other member's folds went well, but there is no mean.
    with pytest.raises(ValueError, match=r"^no idea$"):
        run(small_windows, "mean", params=Params(mean_of=["centroid", "failing"]))


@pytest.mark.parametrize("name", ["tabular", "resnet"])
def test_no_module_that_a_model_runs_is_overlooked(name):
    script = (
        "import sys, wesadlib.models\n"
        f"import wesadlib.models.{name}\n"
        "print(*[module for module in sys.modules if module.startswith('wesadlib.models.')])"
    )
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    files = {f"{module.rpartition('.')[2]}.py" for module in imported.split()}
    known = kept_folds.source_files(Path(models.__file__).with_name(f"{name}.py"))
    assert files | {"folds.py"} == {file.name for file in known}


def test_a_file_is_named_by_all_that_a_folds_numbers_follow_from(small_windows, tmp_path, monkeypatch):
    parts = [np.arange(k, k + 3) for k in (0, 3, 6, 9)]

    def name(windows=small_windows, protocol="cold_start", seed=0, parts=parts, **values):
        fold = Fold("groups 0+1", *parts[:3], calibration=parts[3])
        jobs, prototypes = [Job("resnet", protocol, seed, fold)], {"resnet": models.create("resnet", Params(**values))}
        arrays = FoldWindows.from_dataset(windows_of_classes(windows, ["baseline", "stress"]))
        (path,) = kept_folds.fold_files(tmp_path, jobs, prototypes, arrays).values()
        return path.name

    verdict = np.arange(small_windows.sizes["window"]) > 0
    changes = [{}, {"protocol": "rest_calibrated"}, {"seed": 1}, {"classes": ["stress", "baseline"]}]
    changes += [{"width": 8}, {"epochs": 7}, {"dropout": 0.3}, {"pick_epoch": True}]
    changes.append({"windows": small_windows.assign(signal=small_windows["signal"] + 1)})
    changes.append({"windows": small_windows.assign(verdict=("window", verdict))})
    changes += [{"parts": [parts[1], parts[0], *parts[2:]]}, {"parts": [*parts[:3], np.empty(0, int)]}]
    changes.append({"parts": [np.arange(2), np.arange(2, 6), *parts[2:]]})
    names = [name(**change) for change in changes]
    with monkeypatch.context() as patch:
        patch.setattr(kept_folds, "_source_digest", str)
        names.append(name())
    assert len(set(names)) == len(names)
    assert name(requests=7, bootstrap=300, seeds=[4], rest_minutes=4) == names[0]
    assert names[0].startswith("resnet-cold_start-seed0-groups_0+1-")
