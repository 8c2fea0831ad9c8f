"""The network whose head sees features."""

import json

import numpy as np
import pytest
from wesadlib.models.joint import Joint

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models.layers import count_parameters
from wesadlib.models.resnet import ResNet


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Four people of eight short windows, with features."""
    return extract_features(make_windows_of_toys(n_subjects=4, per_subject=8, window_s=24.0))


def fit(windows, rest=None, **options) -> Joint:
    recipe = {"width": 2, "epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "precision": "float32"}
    return Joint(**{**recipe, **options}).fit(windows, None, rest=rest, seed=0)


@pytest.fixture(scope="module")
def model(windows):
    """A joint network of width 2."""
    return fit(windows)


def alter(windows, feature: int, value: float):
    altered = windows.copy(deep=True)
    altered["feature"][:, feature] = value
    return altered


def test_no_feature_is_ignored(model, windows):
    plain = model.predict_proba(windows).values
    for feature in range(windows.sizes["feature_name"]):
        assert not np.allclose(model.predict_proba(alter(windows, feature, 1e3)), plain, atol=1e-6)


def test_the_signals_are_not_ignored_either(model, windows):
    quiet = windows.copy(deep=True)
    quiet["signal"][:, 0] = 0.0
    assert not np.allclose(model.predict_proba(quiet), model.predict_proba(windows), atol=1e-6)


def test_each_feature_costs_a_weight_a_state(model, windows):
    plain = ResNet(width=2, epochs=1, batch_size=8).fit(windows, None, seed=0)
    more = count_parameters(model.network_) - count_parameters(plain.network_)
    assert more == 2 * windows.sizes["feature_name"]


def test_a_missing_feature_stands_at_the_training_windows_median(model, windows):
    feature = model.feature_names_[3]
    median = float(windows["feature"].sel(feature_name=feature).median())
    gone, middle = (model.predict_proba(alter(windows, 3, value)).values for value in (np.nan, median))
    assert np.isfinite(gone).all()
    assert np.allclose(gone, middle, atol=1e-4)


def test_it_learns_where_a_feature_is_missing_from_some_windows_or_all(windows):
    holes = alter(windows, 0, np.nan)
    holes["feature"][::3, 1] = np.nan
    model = fit(holes)
    assert np.isfinite(model.predict_proba(holes)).all()
    assert np.isfinite(model.history_["train_loss"]).all()


def test_the_seed_decides_everything(model, windows):
    assert np.array_equal(fit(windows).predict_proba(windows), model.predict_proba(windows))


def test_the_order_of_features_and_further_ones_do_not_matter(model, windows):
    turned = windows.isel(feature_name=slice(None, None, -1))
    assert np.array_equal(model.predict_proba(turned), model.predict_proba(windows))


def test_features_that_cannot_be_used_are_refused_by_name(model, windows):
    name = model.feature_names_[2]
    with pytest.raises(InputError, match=f"the feature `{name}` is missing"):
        model.predict_proba(windows.drop_sel(feature_name=name))
    with pytest.raises(InputError, match=f"the feature `{name}` is infinite"):
        model.predict_proba(alter(windows, 2, np.inf))
    with pytest.raises(InputError, match="have no features"):
        model.predict_proba(windows.drop_vars("feature"))


def test_a_feature_is_lost_with_its_channel(model):
    channel_of = dict(zip(model.feature_names_, model._channel_of_measures()[12:], strict=True))
    assert len(model._channel_of_measures()) == len(model.network_.scale.median)
    for name, channel in channel_of.items():
        assert channel == -1 or name.startswith(model.channels_[channel])
    assert any(channel == model.channels_.index("wrist_eda") for channel in channel_of.values())


def test_it_comes_back_whole_and_without_pickle(model, windows, tmp_path):
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    assert json.loads((tmp_path / "model.json").read_text())["model"] == "joint"
    loaded = models.load(tmp_path)
    assert isinstance(loaded, Joint)
    assert np.array_equal(loaded.predict_proba(windows), model.predict_proba(windows))


def test_with_rest_a_persons_features_at_rest_concern_that_person_alone(windows, tmp_path):
    rest = windows.isel(window=(windows["label"] == "baseline").values)
    model = fit(windows, rest)
    plain = model.predict_proba(windows, rest=rest).values
    altered = rest.copy(deep=True)
    altered["feature"][altered["subject"].values == "S3", 1] += 5.0
    changed = (model.predict_proba(windows, rest=altered).values != plain).any(axis=1)
    assert np.array_equal(changed, windows["subject"].values == "S3")
    model.save(tmp_path)
    assert np.array_equal(models.load(tmp_path).predict_proba(windows, rest=rest), plain)
