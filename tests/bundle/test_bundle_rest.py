"""A bundle that knows people at rest: the same answers as the model's own, from a few means."""

import copy

import minutes
import numpy as np
import pytest

from wesadlib.bundle import load_bundle, save_bundle
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models import Examples, predict
from wesadlib.params import Params
from wesadlib.signals import make_windows


@pytest.fixture(scope="module", params=["logistic", "resnet", "joint"])
def bundle(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rested") / "bundle"
    return load_bundle(minutes.save_small_bundle(request.param, folder, rested=True))


@pytest.fixture(scope="module")
def visitor():
    recording = minutes.wrist_recording(7, duration_s=360.0)
    windows = make_windows(minutes.ToyCohort([recording]), device="wrist")
    sent = [(minutes.cut(recording, start), minutes.RATES_HZ) for start in windows["start_s"].values]
    return windows, sent


def test_windows_with_and_without_rest_are_answered_together_each_by_its_model(bundle, visitor):
    windows, sent = visitor
    rest = bundle.rest_values(sent[:4])
    answers = bundle.predict_windows(sent, [None if k % 2 else rest for k in range(len(sent))])
    examples = Examples.from_dataset(extract_features(windows))
    expected = {
        "rest_calibrated": predict(bundle.calibrated, examples, examples.take(slice(0, 4))),
        "cold_start": predict(bundle.model, examples),
    }
    assert [answer.protocol for answer in answers[:2]] == ["rest_calibrated", "cold_start"]
    for k, answer in enumerate(answers):
        assert answer.status == "ok"
        found = [answer.probabilities[state] for state in bundle.config["states"]]
        assert found == pytest.approx(expected[answer.protocol][k].tolist(), abs=1e-6)
    assert not np.allclose(*expected.values(), atol=1e-3)


def test_rest_is_small_and_none_of_the_windows(bundle, visitor):
    rest = bundle.rest_values(visitor[1][:4])
    assert rest.dtype == np.float32 and rest.ndim == 1 and len(rest) < 200
    assert np.isfinite(rest).any()


def test_too_few_good_windows_at_rest_are_told(bundle, visitor):
    good, bad = visitor[1][:2], visitor[1][2]
    flat = (bad[0] | {"wrist_eda": np.zeros(240)}, bad[1])
    with pytest.raises(InputError, match="1 of 3 windows at rest are of good quality; at least 2 are needed"):
        bundle.rest_values([good[0], flat, flat])
    with pytest.raises(InputError, match="0 of 0 windows"):
        bundle.rest_values([])
    with pytest.raises(InputError, match="window 1: wrist_bvp: missing channel"):
        bundle.rest_values([good[0], ({}, {}), good[1]])


def test_a_bundle_without_rest_refuses_it(tmp_path, visitor):
    bundle = load_bundle(minutes.save_small_bundle("logistic", tmp_path / "cold"))
    assert not bundle.supports_rest and bundle.config["rest"] is None
    with pytest.raises(InputError, match="saved without one that uses a person's rest"):
        bundle.rest_values(visitor[1][:4])
    with pytest.raises(InputError, match="saved without one"):
        bundle.predict_windows(visitor[1][:1], [np.zeros(3, np.float32)])
    with pytest.raises(InputError, match="fitted with people's windows at rest"):
        save_bundle(bundle.model, tmp_path / "x", calibrated=bundle.model, windows=visitor[0], params=Params())


def test_the_example_goes_from_rest_to_stress_and_is_accepted(bundle):
    example = bundle.example()
    assert list(example.channels) == list(bundle.config["channels"])
    windows = example.windows(60, 60)
    assert len(windows) == 4
    assert [answer.status for answer in bundle.predict_windows(windows)] == ["ok"] * 4
    level = [window.channels["wrist_eda"].mean() for window in windows]
    assert max(level[:2]) < min(level[2:])


def test_features_come_with_answers_and_not_with_refusals(bundle, visitor):
    good, bad = visitor[1][0], visitor[1][1]
    flat = (bad[0] | {"wrist_eda": np.zeros(240)}, bad[1])
    answered, rejected, unusable = bundle.classify([good, flat, ({}, {})])
    features = extract_features(visitor[0].isel(window=[0]))["feature"]
    np.testing.assert_allclose(answered.features, features.values[0], rtol=1e-9)
    assert list(bundle.feature_names) == features["feature_name"].values.tolist()
    assert rejected.features is None and rejected.answer.status == "rejected"
    assert unusable.features is None and isinstance(unusable.answer, dict)


def test_windows_and_models_that_do_not_belong_together_are_no_bundle(bundle, visitor, tmp_path):
    windows = visitor[0]
    if bundle.model.channels_:
        with pytest.raises(InputError, match=r"reads the channels wrist_bvp, .* give the windows that"):
            turned = windows.isel(channel=slice(None, None, -1))
            save_bundle(bundle.model, tmp_path / "x", windows=turned, params=Params())
    other = copy.copy(bundle.calibrated)
    other.classes = ["stress", "baseline"]
    with pytest.raises(InputError, match="a model of the same states, channels and features"):
        save_bundle(bundle.model, tmp_path / "x", calibrated=other, windows=windows, params=Params())
    assert not (tmp_path / "x").exists()
