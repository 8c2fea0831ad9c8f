"""What moved an answer, in words."""

import minutes
import numpy as np
import pytest

from wesadlib.bundle import default_bundle, load_bundle, predict_recording
from wesadlib.bundle.because import MOST, describe_movers
from wesadlib.bundle.compatibility import feature_units


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(default_bundle())


def test_the_strongest_is_named_first_with_its_distance_from_rest_and_its_unit(bundle):
    model = bundle.calibrated
    features = np.full((2, len(bundle.feature_names)), np.nan)
    rest = np.zeros(len(model.feature_names_), np.float32)
    for name, value in zip(model.feature_names_, model.spread_, strict=True):
        features[:, bundle.feature_names.index(name)] = 0.01 * value
    heart = next(k for k, name in enumerate(model.feature_names_) if name.endswith("heart_rate"))
    features[:, bundle.feature_names.index(model.feature_names_[heart])] = [30.0, 32.0]
    phrases = describe_movers(bundle, features, rest, feature_units(bundle))
    side = "for" if model.weight_[0, heart] > 0 else "against"
    assert phrases[0].startswith("heart rate") and phrases[0].endswith(f"above rest, {side} stress")
    assert " 31 " in phrases[0] and len(phrases) == MOST


def test_a_recording_s_answers_say_what_moved_them(bundle):
    answers = predict_recording(bundle, minutes.wrist_recording(seed=3, duration_s=400.0), 20.0)
    assert answers.because and all(phrase.count("usual") == 1 for phrase in answers.because)


def test_a_model_that_cannot_tell_says_so(bundle):
    class Other:
        name, classes, feature_names_ = "forest", ["baseline", "stress"], bundle.model.feature_names_

    class Fake:
        model, feature_names = Other, bundle.feature_names

    (sentence,) = describe_movers(Fake, np.zeros((1, len(bundle.feature_names))), None, {})
    assert sentence.startswith("the model `forest` cannot tell")
