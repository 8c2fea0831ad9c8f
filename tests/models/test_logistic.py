import numpy as np
import pytest
import xarray as xr
from wesadlib.models.logistic import Logistic

from wesadlib.features import extract_features


@pytest.fixture(scope="module")
def windows(_toy_windows):
    return extract_features(_toy_windows)


def of(windows, *subjects):
    return windows.isel(window=np.isin(windows["subject"].values, subjects))


@pytest.fixture(scope="module")
def fitted(windows):
    return Logistic().fit(of(windows, "S2", "S3", "S4", "S5"), of(windows, "S6"), seed=0)


def accuracy(model, windows):
    probability = model.predict_proba(windows)
    chosen = probability["state"].values[probability.argmax("state").values]
    return (chosen == windows["label"].values).mean()


def test_a_person_who_was_not_seen_is_recognised(windows, fitted):
    assert accuracy(fitted, of(windows, "S7")) >= 0.9


def test_probabilities_are_named_and_sum_to_one(windows, fitted):
    probability = fitted.predict_proba(of(windows, "S7"))
    assert probability.dims == ("window", "state")
    assert list(probability["state"].values) == ["baseline", "stress"]
    np.testing.assert_allclose(probability.sum("state"), 1)
    assert (probability["subject"] == "S7").all()


def test_shuffled_labels_teach_nothing(windows):
    shuffled = windows.copy()
    shuffled["label"] = ("window", np.random.default_rng(3).permutation(windows["label"].values))
    held_out = of(windows, "S6", "S7")
    model = Logistic().fit(of(shuffled, "S2", "S3", "S4", "S5"), None, seed=0)
    assert accuracy(model, held_out) < 0.85


def test_classes_are_balanced(windows):
    train = of(windows, "S2", "S3", "S4")
    stress = np.flatnonzero(train["label"].values == "stress")
    doubled = train.isel(window=np.concatenate([np.arange(train.sizes["window"]), *[stress] * 3]))
    test = of(windows, "S7")
    few = Logistic().fit(train, None, seed=0).predict_proba(test)
    many = Logistic().fit(doubled, None, seed=0).predict_proba(test)
    # The shift that unbalanced weights would cause is log 4 on every window.
    logit = np.log(many / (1 - many)) - np.log(few / (1 - few))
    assert abs(float(logit.sel(state="stress").mean())) < 0.5


def test_validation_people_are_learnt_from(windows, fitted):
    joined = Logistic().fit(of(windows, "S2", "S3", "S4", "S5", "S6"), None, seed=1)
    xr.testing.assert_allclose(joined.predict_proba(windows), fitted.predict_proba(windows))
    fewer = Logistic().fit(of(windows, "S2", "S3", "S4", "S5"), None, seed=0)
    assert float(abs(fewer.predict_proba(windows) - fitted.predict_proba(windows)).max()) > 1e-3


def test_three_states_have_a_weight_each(windows):
    three = windows.copy()
    label = windows["label"].values.astype("<U9")
    label[::5] = "amusement"
    three["label"] = ("window", label)
    model = Logistic(["baseline", "stress", "amusement"]).fit(three, None, seed=0)
    np.testing.assert_allclose(model.predict_proba(three).sum("state"), 1)
    assert list(model.weights_.columns) == ["baseline", "stress", "amusement"]


def test_weights_point_the_way_of_the_effect(fitted):
    weight = fitted.weights_["stress"]
    assert weight["wrist_bvp_heart_rate"] > 0
    assert weight["wrist_temp_mean"] < 0
    assert len(weight) == len(fitted.feature_names_)


def test_missing_features_are_imputed_from_training(windows, fitted):
    train = of(windows, "S2", "S3", "S4", "S5", "S6")
    gone = of(windows, "S7").copy(deep=True)
    gone["feature"].loc[{"feature_name": "wrist_eda_log_level"}] = np.nan
    replaced = gone.copy(deep=True)
    median = train["feature"].sel(feature_name="wrist_eda_log_level").median()
    replaced["feature"].loc[{"feature_name": "wrist_eda_log_level"}] = median
    xr.testing.assert_allclose(fitted.predict_proba(gone), fitted.predict_proba(replaced))


def test_a_feature_that_nobody_shows_is_kept_and_weighs_nothing(windows):
    train = windows.copy(deep=True)
    train["feature"].loc[{"feature_name": "wrist_bvp_rmssd"}] = np.nan
    model = Logistic().fit(train, None, seed=0)
    assert model.weights_["stress"]["wrist_bvp_rmssd"] == 0
    xr.testing.assert_allclose(model.predict_proba(windows), model.predict_proba(train))


def test_one_wild_value_does_not_outvote_the_rest(windows, fitted):
    test = of(windows, "S7").copy(deep=True)
    before = fitted.predict_proba(test)
    test["feature"].loc[{"feature_name": "wrist_bvp_dynamic_range"}] *= 100
    assert float(abs(fitted.predict_proba(test) - before).max()) < 0.4


def test_order_of_features_does_not_matter(windows, fitted):
    turned = windows.isel(feature_name=slice(None, None, -1))
    xr.testing.assert_allclose(fitted.predict_proba(turned), fitted.predict_proba(windows))
