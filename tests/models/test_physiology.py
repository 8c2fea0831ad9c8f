"""The small model of heart and skin, its file, and its temperature."""

import json

import numpy as np
import pytest

from wesadlib.errors import InputError
from wesadlib.models import Examples, load, predict
from wesadlib.models.calibration import apply_temperature, fit_temperature, from_log_odds
from wesadlib.models.physiology import ENDINGS, Physiology, choose_features

NAMES = tuple(f"wrist_x_{ending}" for ending in ENDINGS)


def people(seed: int = 0, response: float = 3.0, levels: float = 20.0) -> tuple[Examples, Examples]:
    """Windows of six people who each have a level of their own, and their windows at rest."""
    generator = np.random.default_rng(seed)
    subject = np.repeat([f"S{k}" for k in range(6)], 40)
    stress = np.tile(np.arange(40) >= 20, 6)
    level = np.repeat(generator.normal(0, levels, (6, len(NAMES))), 40, axis=0)
    feature = level + generator.normal(0, 1, (240, len(NAMES))) + response * stress[:, None]
    label = np.where(stress, "stress", "baseline")
    whole = Examples(None, feature, (), (), NAMES, label, subject, np.tile(30.0 * np.arange(40), 6), np.nan)
    first = np.tile(np.arange(40) < 8, 6)
    return whole.take(~first), whole.take(first)


@pytest.fixture
def rested() -> Physiology:
    examples, rest = people()
    return Physiology().fit(examples, rest=rest)


def accuracy(model: Physiology, examples: Examples, rest: Examples | None = None) -> float:
    return float((np.array(model.classes)[predict(model, examples, rest).argmax(axis=1)] == examples.label).mean())


def test_rest_makes_up_for_levels_that_differ_between_people(rested):
    examples, rest = people(seed=1)
    assert accuracy(rested, examples, rest) > 0.95
    assert accuracy(Physiology().fit(people()[0]), examples) < 0.85


def test_who_responds_a_hundredfold_is_as_sure_and_no_more_than_the_saturation_allows(rested):
    examples, rest = people(response=300.0)
    probability = predict(rested, examples, rest)[:, 1]
    most = 1 / (1 + np.exp(-(2 * np.abs(rested.weight_).sum() + rested.intercept_[0])))
    assert probability.max() <= most + 1e-9
    assert (np.ptp(probability[examples.label == "stress"])) < 1e-6


def test_a_missing_feature_says_nothing(rested):
    rest = np.zeros((1, 6))
    present = np.array([[3.0, 0.0, 3.0, 3.0, 3.0, 3.0]])
    missing = np.where(np.arange(6) == 1, np.nan, present)
    assert np.array_equal(rested.predict_proba(None, present, rest), rested.predict_proba(None, missing, rest))


def test_without_a_heart_rate_the_skin_answers_by_weights_of_its_own(rested):
    examples, rest = people(seed=1)
    blind = examples.feature.copy()
    blind[:, 0] = np.nan
    values = rested.rest_values(None, rest.feature)
    assert rested.skin_weight_[0, 0] == 0
    assert rested.skin_weight_[0, 1:].sum() > rested.weight_[0, 1:].sum()
    values = np.repeat(values[None], len(blind), axis=0)
    loud = blind.copy()
    loud[:, 1] += 1
    assert (rested.predict_proba(None, loud, values)[:, 1] > rested.predict_proba(None, blind, values)[:, 1]).all()


def test_a_file_that_is_not_the_whole_model_is_refused(rested, tmp_path):
    rested.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    saved = json.loads((tmp_path / "model.json").read_bytes())
    for broken in (saved | {"weight": [[1.0] * 5]}, saved | {"spread": "x"}, {"model": "physiology"}):
        (tmp_path / "model.json").write_text(json.dumps(broken))
        with pytest.raises(InputError, match="not the description of a saved model `physiology`"):
            load(tmp_path)


def test_features_are_found_by_their_endings_and_the_scale_of_a_pulse_is_none_of_them():
    names = ["wrist_bvp_sd", *(f"wrist_bvp_{ENDINGS[0]}", *(f"wrist_eda_{ending}" for ending in ENDINGS[1:]))]
    assert choose_features(names) == tuple(names[1:])
    with pytest.raises(InputError, match="no feature ends in `tonic_slope`"):
        choose_features([name for name in names if "tonic" not in name])


@pytest.mark.parametrize("true", [0.25, 1.0, 4.0])
def test_a_temperature_is_found_again_and_leaves_the_order_alone(true):
    generator = np.random.default_rng(3)
    score = generator.normal(0, 2, 20_000)
    target = (generator.random(len(score)) < from_log_odds(score)[:, 1]).astype(int)
    distorted = from_log_odds(score * true)
    assert fit_temperature(distorted, target) == pytest.approx(true, rel=0.1)
    assert np.array_equal(apply_temperature(distorted, true).argmax(axis=1), distorted.argmax(axis=1))
    assert apply_temperature(distorted, 1.0) == pytest.approx(distorted)
