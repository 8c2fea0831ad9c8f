"""Contributions add up to the model's own log odds, and name what was moved."""

import numpy as np
import pytest

from wesadlib import extract_features
from wesadlib.errors import InputError
from wesadlib.explain import contributions
from wesadlib.models import Examples
from wesadlib.models.base import select_inputs
from wesadlib.models.calibration import Calibrated
from wesadlib.models.physiology import Physiology
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
