"""A bundle that knows people at rest: the same answers as the model's own, from a few means."""

import minutes
import numpy as np
import pytest

from wesadlib.bundle import load_bundle, save_bundle
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models.predictor import ENGINES
from wesadlib.params import Params
from wesadlib.quality import assess_quality
from wesadlib.signals import make_windows


@pytest.fixture(scope="module", params=["logistic", "resnet", "joint"])
def folder(request, tmp_path_factory):
    return minutes.save_small_bundle(request.param, tmp_path_factory.mktemp("rested") / "bundle", rested=True)


@pytest.fixture(scope="module")
def visitor():
    recording = minutes.wrist_recording(7, duration_s=360.0)
    windows = make_windows(minutes.ToyCohort([recording]), device="wrist")
    sent = [(minutes.cut(recording, start), minutes.RATES_HZ) for start in windows["start_s"].values]
    return windows, sent


@pytest.mark.parametrize("engine", ENGINES)
def test_windows_with_and_without_a_profile_are_answered_together_each_by_its_model(folder, visitor, engine):
    bundle = load_bundle(folder, engine)
    windows, sent = visitor
    profile = bundle.rest_profile(sent[:4])
    profiles = [None if k % 2 else profile for k in range(len(sent))]
    answers = bundle.predict_windows(sent, profiles)
    windows = extract_features(assess_quality(windows, bundle.config["quality"]))
    rest = windows.isel(window=slice(0, 4))
    expected = {
        "rest_calibrated": bundle.rested.predict_proba(windows, rest=rest),
        "cold_start": bundle.model.predict_proba(windows),
    }
    assert [answer.protocol for answer in answers[:2]] == ["rest_calibrated", "cold_start"]
    for k, answer in enumerate(answers):
        assert answer.status == "ok"
        found = [answer.probabilities[state] for state in bundle.config["states"]]
        assert found == pytest.approx(expected[answer.protocol].values[k].tolist(), abs=1e-6)
    assert not np.allclose(*(table.values for table in expected.values()), atol=1e-3)


def test_a_profile_is_small_and_none_of_the_windows(folder, visitor):
    bundle = load_bundle(folder)
    profile = bundle.rest_profile(visitor[1][:4])
    assert profile.dtype == np.float32 and profile.ndim == 1 and len(profile) < 200
    assert np.isfinite(profile).any()


def test_too_few_good_windows_at_rest_are_told(folder, visitor):
    bundle = load_bundle(folder)
    good, bad = visitor[1][:2], visitor[1][2]
    flat = (bad[0] | {"wrist_eda": np.zeros(240)}, bad[1])
    with pytest.raises(InputError, match="1 of 3 windows at rest are of good quality; at least 2 are needed"):
        bundle.rest_profile([good[0], flat, flat])
    with pytest.raises(InputError, match="0 of 0 windows"):
        bundle.rest_profile([])
    with pytest.raises(InputError, match="window 1: wrist_bvp: missing channel"):
        bundle.rest_profile([good[0], ({}, {}), good[1]])


def test_a_bundle_without_rest_refuses_it(tmp_path, visitor):
    bundle = load_bundle(minutes.save_small_bundle("logistic", tmp_path / "cold"))
    assert not bundle.supports_rest and bundle.config["rest"] is None
    with pytest.raises(InputError, match="saved without one that uses a person's rest"):
        bundle.rest_profile(visitor[1][:4])
    with pytest.raises(InputError, match="saved without one"):
        bundle.predict_windows(visitor[1][:1], [np.zeros(3, np.float32)])
    with pytest.raises(InputError, match="was fitted with people's windows at rest"):
        save_bundle(bundle.model, tmp_path / "x", rested=bundle.model, windows=visitor[0], params=Params())


def test_the_example_goes_from_rest_to_stress_and_is_accepted(folder):
    bundle = load_bundle(folder)
    example = bundle.example()
    assert list(example.channels) == list(bundle.config["channels"])
    windows = example.windows(60, 60)
    assert len(windows) == 4
    assert [answer.status for answer in bundle.predict_windows(windows)] == ["ok"] * 4
    level = [window.channels["wrist_eda"].mean() for window in windows]
    assert max(level[:2]) < min(level[2:])


def test_features_come_with_answers_and_not_with_refusals(folder, visitor):
    bundle = load_bundle(folder)
    good, bad = visitor[1][0], visitor[1][1]
    flat = (bad[0] | {"wrist_eda": np.zeros(240)}, bad[1])
    answered, rejected, unusable = bundle.judge([good, flat, ({}, {})])
    features = extract_features(visitor[0].isel(window=[0]))["feature"]
    np.testing.assert_allclose(answered.features, features.values[0], rtol=1e-9)
    assert list(bundle.feature_names) == features["feature_name"].values.tolist()
    assert rejected.features is None and rejected.answer.status == "rejected"
    assert unusable.features is None and isinstance(unusable.answer, dict)
