import numpy as np
import pandas as pd
import pytest
import stub_models
from threadpoolctl import threadpool_info, threadpool_limits

from wesadlib.errors import InputError
from wesadlib.evaluation.folds import divide, fit_model, task_name
from wesadlib.evaluation.runner import evaluate, fit_final
from wesadlib.features import extract_features
from wesadlib.models import Examples, predict
from wesadlib.models.tabular import Logistic
from wesadlib.params import Params
from wesadlib.quality import assess_quality

COLUMNS = [
    "task",
    "model",
    "protocol",
    "seed",
    "subject",
    "window",
    "start_s",
    "label",
    "p_baseline",
    "p_stress",
    "accepted",
]


def run(windows, model="centroid", **options):
    return evaluate(model, windows, workers=0, progress=False, return_training=True, **options)


def of(table, subject):
    return table[table["subject"] == subject].reset_index(drop=True)


def test_every_window_is_predicted_once_per_model_and_seed(small_windows):
    predictions, training = run(small_windows, ["centroid", "plain"], seeds=[0, 1, 1])
    assert list(predictions.columns) == COLUMNS
    assert len(predictions) == 2 * 2 * small_windows.sizes["window"]
    assert not predictions.duplicated(["model", "seed", "window"]).any()
    of_window = small_windows.isel(window=predictions["window"].to_numpy())
    for name in ("subject", "label", "start_s"):
        assert (of_window[name].values == predictions[name].to_numpy()).all()
    assert np.allclose(predictions["p_baseline"] + predictions["p_stress"], 1)
    assert set(predictions["task"]) == {"stress-baseline"}
    assert len(training) == 2 * 2 * 5


def test_what_is_trained_does_not_depend_on_the_held_out_person(small_windows):
    # The test person's signals and labels are replaced by nonsense: all that is learnt for that fold stays to the bit.
    scrambled = small_windows.copy(deep=True)
    own = np.flatnonzero(scrambled["subject"].values == "S4")
    scrambled["signal"][own] = np.random.default_rng(0).normal(size=scrambled["signal"][own].shape)
    scrambled["label"][own] = scrambled["label"].values[own][::-1]
    learnt = ["best_epoch", "train_loss", "validation_loss", "validation_subjects", "train_windows"]
    (_, before), (_, after) = run(small_windows), run(scrambled)
    assert of(before, "S4")[learnt].equals(of(after, "S4")[learnt])
    assert not of(before, "S2")[learnt].equals(of(after, "S2")[learnt]), "others do learn from S4"


def test_a_window_is_predicted_from_itself_and_not_from_its_neighbours(small_windows):
    changed = small_windows.copy(deep=True)
    changed["signal"][np.flatnonzero(changed["subject"].values == "S4")[1:]] = 1.0
    before, after = (of(run(windows)[0], "S4") for windows in (small_windows, changed))
    assert before.loc[0, "p_stress"] == after.loc[0, "p_stress"]
    assert (before.loc[1:, "p_stress"] != after.loc[1:, "p_stress"]).all()


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
    losses = ["train_loss", "validation_loss"]
    assert same[losses].equals(training[losses])
    used = training["train_windows"] + training["validation_windows"]
    assert used.tolist() == [24 - 2, 24 - 2, 24 - 2, 24 - 3, 24 - 3]


def test_states_that_are_not_asked_for_are_left_out_and_positions_stay(small_windows):
    label = small_windows["label"].values.astype("U9").copy()
    label[::6] = "amusement"
    mixed = small_windows.assign_coords(label=("window", label))
    two, _ = run(mixed)
    assert (two["window"] % 6 != 0).all() and len(two) == 25
    three, _ = run(mixed, params=Params(classes=["baseline", "stress", "amusement"]))
    assert [name for name in three if name.startswith("p_")] == ["p_baseline", "p_stress", "p_amusement"]
    assert len(three) == 30
    assert task_name(["baseline", "stress", "amusement"]) == set(three["task"]).pop() == "amusement-stress-baseline"


def test_a_model_without_validation_learns_from_those_people_too(small_windows):
    _, with_validation = run(small_windows, "centroid")
    _, without = run(small_windows, "plain")
    assert with_validation["train_windows"].tolist() == [18] * 5
    assert without["train_windows"].tolist() == [24] * 5
    assert without["validation_subjects"].tolist() == [[]] * 5
    assert without["epochs"].isna().all() and with_validation["epochs"].tolist() == [2] * 5


def test_a_finished_run_trains_nothing_again(small_windows, tmp_path, monkeypatch):
    first, training = run(small_windows, folds=tmp_path, seeds=[0, 1])
    assert len(list(tmp_path.iterdir())) == 10

    def fail(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(stub_models.Centroid, "fit", fail)
    second, kept = run(small_windows, folds=tmp_path, seeds=[0, 1])
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(training, kept)


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
    resumed, _ = run(small_windows, folds=tmp_path)
    assert len(trained) == 2
    pd.testing.assert_frame_equal(whole, resumed)


@pytest.mark.parametrize(
    "change",
    [
        lambda windows, options: (windows.assign(signal=windows["signal"] + 1), options),
        lambda windows, options: (windows, {**options, "params": Params(classes=["stress", "baseline"])}),
        lambda windows, options: (windows, {**options, "params": Params(validation_subjects=2)}),
        lambda windows, options: (windows, {**options, "seeds": [7]}),
    ],
    ids=["windows", "model parameter", "split", "seed"],
)
def test_folds_of_something_else_are_not_taken(small_windows, tmp_path, change):
    run(small_windows, folds=tmp_path)
    windows, options = change(small_windows, {"folds": tmp_path})
    run(windows, **options)
    assert len(list(tmp_path.iterdir())) == 10


def test_parameters_of_other_things_do_not_run_folds_again(small_windows, tmp_path):
    run(small_windows, folds=tmp_path)
    run(small_windows, folds=tmp_path, params=Params(requests=7, bootstrap=200, run="other"))
    assert len(list(tmp_path.iterdir())) == 5


def test_a_damaged_fold_is_named(small_windows, tmp_path):
    run(small_windows, folds=tmp_path)
    file = sorted(tmp_path.iterdir())[2]
    file.write_bytes(b"half")
    with pytest.raises(InputError, match=rf"^{file}: not a finished fold; delete it"):
        run(small_windows, folds=tmp_path)


def test_the_final_model_is_trained_by_the_recipe_of_the_folds(small_windows):
    model = fit_final("centroid", small_windows, params=Params(validation_subjects=2), seed=3)
    assert len(model.validated_on_) == 2
    assert sorted(model.trained_on_ + model.validated_on_) == ["S2", "S3", "S4", "S5", "S6"]
    assert model.seed_ == 3
    everybody = fit_final("plain", small_windows)
    assert len(everybody.trained_on_) == 5 and everybody.validated_on_ is None
    with pytest.raises(InputError, match=r"2 subject\(s\) \(S2, S3\): the final model needs 2 to validate on"):
        fit_final("centroid", small_windows.isel(window=slice(12)), params=Params(validation_subjects=2))


def test_fitting_leaves_the_unfitted_model_as_it_was(small_windows):
    prototype = stub_models.Centroid(["baseline", "stress"])
    fitted = fit_model(prototype, small_windows, small_windows, seed=0, where="here")
    assert vars(prototype) == {"classes": ["baseline", "stress"]}
    assert fitted.trained_on_


def test_fitting_runs_on_one_thread(small_windows):
    with threadpool_limits(limits=2):
        model = fit_final("centroid", small_windows)
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    assert model.threads_ and set(model.threads_) == {1}


def test_the_bar_shows_the_fold_the_epoch_and_the_losses(small_windows, capsys):
    evaluate("centroid", small_windows, workers=0)
    shown = capsys.readouterr().err
    assert "S6 (centroid, cold_start, seed 0): epoch 2/2, loss " in shown and "validation" in shown
    assert "5/5" in shown


@pytest.mark.parametrize(
    ("spoil", "options", "sentence"),
    [
        (lambda w: w, {"protocol": "warm"}, "unknown protocol `warm`; the protocols are cold_start"),
        (lambda w: w, {"model": "foo"}, "unknown model `foo`; the models are logistic"),
        (
            lambda w: w,
            {"params": Params(classes=["non-stress", "baseline"])},
            "names non-stress and `baseline`, which is part of it",
        ),
        (lambda w: w.isel(window=w["label"].values == "baseline"), {}, "no window of `stress` among the 20 .* S2, S3"),
        (lambda w: w.isel(window=w["subject"].values == "S2"), {}, r"1 subject \(S2\): leaving one out"),
        (
            lambda w: w,
            {"model": "diverged"},
            r"^fold of S2 \(diverged, cold_start, seed 0\): probabilities that are not numbers",
        ),
        (
            lambda w: w.assign(verdict=w["label"] == "baseline"),
            {},
            r"^fold of S2 \(centroid, cold_start, seed 0\): no accepted window of `stress` among the training people S",
        ),
        (
            lambda w: w.assign(verdict=w["subject"] == "S4"),
            {"params": Params(validation_subjects=3)},
            "no accepted window",
        ),
    ],
    ids=[
        "protocol", "model", "part of another", "class", "one person",
        "diverged", "class refused", "validation refused",
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_one_sentence(small_windows, spoil, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run(spoil(small_windows), **options)


def test_the_baseline_learns_from_validation_people_and_nobody_is_said_to_validate_it(toy_windows):
    subject = toy_windows["subject"].values
    train, validation = np.flatnonzero(np.isin(subject, ["S2", "S3"])), np.flatnonzero(subject == "S4")
    taught, held_back = divide(Logistic(), toy_windows, train, validation)
    assert held_back is None
    assert sorted(set(taught["subject"].values)) == ["S2", "S3", "S4"]


def test_the_final_model_of_known_rest_is_fitted_with_everybodys_rest_and_not_on_it(toy_windows):
    toy_windows = extract_features(assess_quality(toy_windows))
    cold, calibrated = (
        fit_final("logistic", toy_windows, params=Params(rest_minutes=2.0), protocol=protocol)
        for protocol in ("cold_start", "rest_calibrated")
    )
    assert (cold.uses_rest_, calibrated.uses_rest_) == (False, True)
    params = Params(rest_minutes=2.0)
    predictions = evaluate("logistic", toy_windows, protocol="rest_calibrated", params=params, workers=0)
    fold = predictions[predictions["subject"] == "S2"]
    own = toy_windows.isel(window=(toy_windows["subject"] == "S2").values)
    rest = own.isel(window=(own["start_s"] <= 60).values)
    # The one more person that it has learnt from moves it a little.
    tested = own.isel(window=np.isin(own["start_s"], fold["start_s"]))
    probability = predict(calibrated, *(Examples.from_dataset(part) for part in (tested, rest)))
    assert np.abs(probability[:, calibrated.classes.index("stress")] - fold["p_stress"].values).max() < 0.2
    with pytest.raises(InputError, match="the final model cannot be of the protocol `whole_recording`"):
        fit_final("logistic", toy_windows, protocol="whole_recording")
