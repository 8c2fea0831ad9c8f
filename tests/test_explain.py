"""Contributions add up to the model's own log odds, and name what was moved."""

import numpy as np
import pytest

from wesadlib import extract_features
from wesadlib.errors import InputError
from wesadlib.explain import (
    attribute,
    contributions,
    explain_people,
    log_odds_without,
    randomise_weights,
    separate_by_feature,
)
from wesadlib.models import Examples
from wesadlib.models.base import select_inputs
from wesadlib.models.calibration import Calibrated
from wesadlib.models.physiology import Physiology
from wesadlib.models.resnet import Joint, ResNet
from wesadlib.models.tabular import Forest, Logistic

MODELS = {"logistic": Logistic, "physiology": Physiology}


@pytest.fixture(scope="module")
def examples(make_windows_of_toys):
    return Examples.from_dataset(extract_features(make_windows_of_toys(n_subjects=4, per_subject=8)))


@pytest.mark.parametrize("name", ["logistic", "physiology"])
@pytest.mark.parametrize("rested", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_contributions_sum_to_the_models_own_log_odds(examples, name, rested, temperature):
    at_rest = examples.take(examples.start_s < 60) if rested else None
    model = MODELS[name](["baseline", "stress"]).fit(examples, rest=at_rest, seed=0)
    _, feature = select_inputs(model, examples)
    feature = feature.copy()
    feature[::3, 0] = np.nan
    rest = None
    if rested:
        _, calm = select_inputs(model, at_rest)
        rest = np.tile(model.rest_values(None, calm), (len(feature), 1))
    model = Calibrated(model, temperature)
    found = contributions(model, feature, rest)
    probability = model.predict_proba(None, feature, rest)
    log_odds = np.diff(np.log(probability), axis=1)[:, 0]
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, log_odds, rtol=1e-7, atol=1e-9)
    assert np.isnan(found.difference[::3, 0]).all() and np.isfinite(found.difference[1::3]).any()


def test_a_model_that_is_not_linear_says_so_in_a_sentence(examples):
    model = Forest(["baseline", "stress"], trees=3).fit(examples, seed=0)
    with pytest.raises(InputError, match="`forest` cannot tell what moved its answers"):
        contributions(model, examples.feature)


@pytest.fixture(scope="module")
def network(examples):
    return ResNet(["baseline", "stress"], width=4, epochs=4, batch_size=8).fit(examples, seed=0)


def own_log_odds(model, signal):
    return np.diff(np.log(model.predict_proba(signal, None)), axis=1)[:, 0]


def test_attributions_sum_to_the_network_s_own_log_odds(examples, network):
    found = attribute(network, examples.signal, steps=64)
    assert found.samples.shape == examples.signal.shape and found.levels.shape == (len(examples), 12)
    total = found.samples.sum(axis=(1, 2)) + found.levels.sum(axis=1) + found.base
    np.testing.assert_allclose(total, own_log_odds(network, examples.signal), atol=0.02)
    assert np.abs(found.samples).sum() > 0 and np.abs(found.levels).sum() > 0


def test_a_flat_window_has_nothing_to_attribute_to_its_shape(examples, network):
    flat = np.broadcast_to(examples.signal[:2].mean(-1, keepdims=True), examples.signal[:2].shape)
    # The mean of equal numbers differs from them in the last digit.
    assert np.abs(attribute(network, flat).samples).max() < 1e-3


def test_nothing_removed_changes_nothing_and_everything_removed_leaves_levels_alone(examples, network):
    shape = examples.signal.shape
    whole = log_odds_without(network, examples.signal, np.zeros(shape, bool))
    np.testing.assert_allclose(whole, own_log_odds(network, examples.signal), atol=1e-4)
    none = log_odds_without(network, examples.signal, np.ones(shape, bool))
    other = log_odds_without(network, examples.signal[..., ::-1].copy(), np.ones(shape, bool))
    np.testing.assert_allclose(none, other, atol=1e-3)
    assert np.abs(none - whole).max() > 1e-3


def test_random_weights_keep_scales_and_are_others(examples, network):
    random = randomise_weights(network)
    assert random.network_.scale.median.equal(network.network_.scale.median)
    assert not random.network_.head.weight.equal(network.network_.head.weight)
    assert not np.allclose(own_log_odds(random, examples.signal), own_log_odds(network, examples.signal), atol=0.01)


def test_a_network_that_sees_more_than_signals_is_refused(examples):
    joint = Joint(["baseline", "stress"], width=2, epochs=1).fit(examples, seed=0)
    with pytest.raises(InputError, match="`joint` cannot be attributed"):
        attribute(joint, examples.signal)


def test_people_are_explained_with_both_checks(make_windows_of_toys, network):
    windows = make_windows_of_toys(n_subjects=4, per_subject=8)
    table, explained = explain_people({"S2": network, "S3": network}, windows, number=2)
    assert set(table["subject"]) == {"S2", "S3"} and explained.sizes["window"] == 8
    single = table[table["x"].isna()].set_index(["subject", "measure", "how"])["value"].sort_index()
    assert single["S2", "agreement", "another network"] == pytest.approx(1)
    assert single["S2", "agreement", "random weights"] < 0.9
    assert single["S3", "share"].sum() == pytest.approx(1) and set(single["S3", "share"].index) == {
        "bvp",
        "eda",
        "temp",
        "acc",
        "levels",
    }
    np.testing.assert_allclose(explained["log_odds"], own_log_odds(network, explained["signal"].values), atol=0.05)


def test_features_separate_states_by_what_they_add(examples):
    model = Logistic(["baseline", "stress"]).fit(examples, seed=0)
    parts = separate_by_feature({("logistic", "S2"): model, ("logistic", "S3"): model}, examples)
    log_odds = np.diff(np.log(model.predict_proba(None, select_inputs(model, examples)[1])), axis=1)[:, 0]
    for person, row in parts.iterrows():
        theirs, stress = examples.subject == person, examples.label == "stress"
        gap = log_odds[theirs & stress].mean() - log_odds[theirs & ~stress].mean()
        assert row.sum() == pytest.approx(gap)
