"""Models on features: what each learns, what it makes of rest, and its folder."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from model_examples import of
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from wesadlib.errors import InputError
from wesadlib.models import predict
from wesadlib.models.tabular import Boosting, Forest, Logistic, RobustAsinhScaler

OTHERS = ("S2", "S3", "S4", "S5", "S6")
EACH = (Logistic, lambda: Forest(trees=50), Boosting)
each_model = pytest.mark.parametrize("make", EACH, ids=["logistic", "forest", "boosting"])


@pytest.fixture(scope="module")
def train(examples):
    return of(examples, *OTHERS)


@pytest.fixture(scope="module")
def test(examples):
    return of(examples, "S7")


@pytest.fixture(scope="module")
def rests(examples):
    return of(examples, *OTHERS, rest=True), of(examples, "S7", rest=True)


@pytest.fixture(scope="module")
def fitted(train):
    return Logistic().fit(train, seed=0)


@pytest.fixture(scope="module")
def calibrated(train, rests):
    return Logistic().fit(train, rest=rests[0], seed=0)


def changed(examples, name, change):
    """The same windows with one feature changed by a function."""
    values = examples.feature.copy()
    column = examples.feature_names.index(name)
    values[:, column] = change(values[:, column])
    return replace(examples, feature=values)


def again(examples, state, times):
    """The same windows, those of a state so many times more."""
    rows = np.flatnonzero(examples.label == state)
    return examples.take(np.concatenate([np.arange(len(examples)), *[rows] * times]))


def logit(probability):
    return np.log(probability[:, 1] / probability[:, 0])


@each_model
def test_a_person_who_was_not_seen_is_recognised(train, test, make):
    model = make().fit(train, seed=0)
    assert (np.array(model.classes)[predict(model, test).argmax(1)] == test.label).mean() >= 0.9


@each_model
def test_states_count_alike_however_often_they_occur(train, test, make):
    few, many = (predict(make().fit(part, seed=0), test) for part in (train, again(train, "stress", 5)))
    # Where weights were not balanced, log 6 would be added to every window.
    assert abs(np.clip(logit(many), -5, 5) - np.clip(logit(few), -5, 5)).mean() < 0.9


@each_model
def test_order_and_parts_of_the_training_windows_do_not_matter(train, test, make):
    first = predict(make().fit(train, seed=1), test)
    turned = train.take(np.random.default_rng(0).permutation(len(train)))
    np.testing.assert_array_equal(predict(make().fit(turned, seed=1), test), first)
    parts = (train.take(np.isin(train.subject, people)) for people in (OTHERS[2:], OTHERS[:2]))
    np.testing.assert_array_equal(predict(make().fit(*parts, seed=1), test), first)


@pytest.mark.parametrize("make", EACH[1:])
def test_draws_follow_from_the_seed(train, test, make):
    first, second = (predict(make().fit(train, seed=seed), test) for seed in (1, 2))
    assert abs(first - second).max() > 0


@each_model
def test_nothing_warns_where_a_feature_is_missing_everywhere(train, rests, make):
    train, rest = (replace(part, feature=part.feature.copy()) for part in (train, rests[0]))
    for part in (train, rest):
        part.feature[:, 4] = np.nan
    rest.feature[:, 6] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(predict(make().fit(train, rest=rest, seed=0), train, rest)).all()


def test_trees_and_rounds_are_as_many_as_asked(train):
    forest = Forest(trees=7, leaf=5).fit(train, seed=0).pipeline_[-1]
    leaves = [tree.tree_.n_node_samples[tree.tree_.children_left == -1] for tree in forest.estimators_]
    assert len(leaves) == 7 and min(map(min, leaves)) >= 5
    boosting = Boosting(rounds=30).fit(train, seed=0).pipeline_[-1]
    assert boosting.n_iter_ == 30 and len(boosting.validation_score_) == 0


def test_weights_point_the_way_of_the_effect(fitted, train):
    weights = fitted.weights_["stress"]
    assert weights["wrist_bvp_heart_rate"] > 0 > weights["wrist_temp_mean"]
    three = replace(train, label=np.resize(["baseline", "stress", "amusement"], len(train)))
    model = Logistic(["baseline", "stress", "amusement"]).fit(three, seed=0)
    assert list(model.weights_.columns) == model.classes
    missing = changed(train, "wrist_bvp_rmssd", lambda values: np.nan * values)
    assert Logistic().fit(missing, seed=0).weights_.loc["wrist_bvp_rmssd", "stress"] == 0


def test_missing_features_are_imputed_from_training(fitted, train, test):
    name = "wrist_eda_log_level"
    median = np.nanmedian(train.feature[:, train.feature_names.index(name)])
    gone, replaced = (changed(test, name, lambda values, new=new: 0 * values + new) for new in (np.nan, median))
    np.testing.assert_allclose(predict(fitted, gone), predict(fitted, replaced), rtol=1e-9)


def test_one_wild_value_does_not_outvote_the_rest(fitted, test):
    wild = changed(test, "wrist_bvp_dynamic_range", lambda values: 100 * values)
    assert abs(predict(fitted, wild) - predict(fitted, test)).max() < 0.4


def test_a_level_that_is_somebodys_own_counts_cold_and_not_beside_their_rest(fitted, calibrated, test, rests):
    parts = [changed(part, "wrist_eda_mean", lambda values: 3 * values) for part in (test, rests[1])]
    assert abs(predict(fitted, parts[0]) - predict(fitted, test)).max() > 0.03
    assert abs(predict(calibrated, *parts) - predict(calibrated, test, rests[1])).max() < 0.003


@given(st.floats(0.8, 1.25))
def test_everybody_at_rest_is_where_the_others_were_at_rest(calibrated, rests, factor):
    centre = replace(rests[1].take(slice(0, 1)), feature=np.nanmean(rests[1].feature, axis=0, keepdims=True))
    other = changed(centre, "wrist_temp_mean", lambda values: factor * values)
    probability = predict(calibrated, centre, centre)
    # What is kept of rest has single precision.
    np.testing.assert_allclose(predict(calibrated, other, other), probability, atol=1e-6)
    assert probability[0, 1] < 0.5


def test_scaling_is_linear_about_the_median_and_logarithmic_far_from_it():
    values = np.array([[1.0, -3.0, np.nan], [2, -3, np.nan], [3, -3, np.nan], [np.nan, -3, np.nan]])
    scaler = RobustAsinhScaler().fit(values)
    np.testing.assert_array_equal([scaler.centre_, scaler.scale_], [[2, -3, np.nan], [1, 1, np.nan]])
    scaled = scaler.transform(np.array([[2.01, -3, 5], [2 + 1e4, np.nan, np.nan]]))
    np.testing.assert_allclose(scaled, [[0.01, 0, np.nan], [np.log(2e4), np.nan, np.nan]], rtol=1e-4)


def test_proportional_scaling_makes_ratios_of_differences_where_nothing_is_negative():
    scaler = RobustAsinhScaler(proportional=True).fit(np.array([[1.0, -1.0, 0.0], [4, 1, 0], [9, 5, 1]]))
    np.testing.assert_allclose([scaler.centre_, scaler.scale_], [[0, 1, 0], [0.4, 3, 0.5]])
    low, high = scaler.transform(np.array([[4.0, 0, 0], [8.0, 0, 0]]))[:, 0]
    assert high - low == pytest.approx(np.log(2), abs=0.01)
    # Also of a person who has what nobody had in training.
    assert np.isfinite(scaler.transform(np.array([[-1.0, -9, -1]]))).all()


def test_untrusted_types_are_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    pipeline = skops.io.load(tmp_path / "model.skops", trusted=Logistic.trusted_types)
    pipeline.steps[1] = ("simpleimputer", FunctionTransformer(changed))
    skops.io.dump(pipeline, tmp_path / "model.skops")
    with pytest.raises(InputError, match=r"model\.skops: holds a type that is not trusted.*changed"):
        Logistic.load(tmp_path)


def test_pipelines_that_are_none_or_of_another_model_are_refused(fitted, train, tmp_path):
    fitted.save(tmp_path)
    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "model.skops")
    with pytest.raises(InputError, match=r"model\.skops: not the pipeline that model\.json describes"):
        Logistic.load(tmp_path)
    Boosting(rounds=5).fit(train, seed=0).save(tmp_path)
    (tmp_path / "boosting.json").write_bytes((tmp_path / "model.json").read_bytes())
    fitted.save(tmp_path)
    (tmp_path / "boosting.json").replace(tmp_path / "model.json")
    with pytest.raises(InputError, match=r"model\.skops: not the pipeline"):
        Boosting.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda saved: saved.pop("features"), r"model\.json: not the description of a saved model `logistic`"),
        (lambda saved: saved.pop("uses_rest"), r"model\.json: not the description"),
        (lambda saved: saved["options"].update(unheard_of=1), r"model\.json: not the description"),
        (lambda saved: saved["classes"].append("amusement"), r"model\.skops: not the pipeline"),
        (lambda saved: saved["features"].pop(), r"model\.skops: not the pipeline that model\.json describes"),
    ],
)
def test_descriptions_that_are_damaged_or_of_another_pipeline_are_refused(fitted, tmp_path, change, sentence):
    fitted.save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    change(description)
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=sentence):
        Logistic.load(tmp_path)
