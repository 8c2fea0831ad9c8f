"""Every registered model keeps the contract; and the registry itself."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.params import Params

NAMES = [name for name, home in models.MODELS.items() if home.startswith("wesadlib.")]
PARAMS = Params(classes=["baseline", "stress"], width=2, epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def windows(make_windows_of_toys) -> xr.Dataset:
    """Four people of eight short windows, with features."""
    return extract_features(make_windows_of_toys(n_subjects=4, per_subject=8, window_s=24.0))


@pytest.fixture(scope="module")
def parts(windows) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training, validation and test people."""
    return tuple(windows.isel(window=windows["subject"].isin(people)) for people in (["S2", "S3"], ["S4"], ["S5"]))


def fitted(name: str, parts, seed: int = 3):
    train, validation, _ = parts
    return models.create(name, PARAMS).fit(train, validation, seed=seed)


def assert_simplex(probability: xr.DataArray, windows: xr.Dataset, model) -> None:
    assert probability.dims == ("window", "state")
    assert list(probability["state"].values) == model.classes
    assert (probability["subject"].values == windows["subject"].values).all()
    assert np.isfinite(probability.values).all()
    assert (probability.values >= 0).all()
    assert np.allclose(probability.sum("state"), 1, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_fits_and_predicts_a_simplex(name, parts):
    model = fitted(name, parts)
    probability = model.predict_proba(parts[2])
    assert model.name == name
    assert_simplex(probability, parts[2], model)
    assert probability.values.std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_deterministic_whatever_was_drawn_before(name, parts):
    first = fitted(name, parts).predict_proba(parts[2])
    np.random.default_rng().random(3)
    if "torch" in sys.modules:
        sys.modules["torch"].rand(5)
    assert np.array_equal(first, fitted(name, parts).predict_proba(parts[2]))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_leaves_its_windows_and_global_generators_alone(name, parts):
    import torch

    def global_state() -> tuple[list[int], list[int]]:
        # The legacy generator is the one that a library would draw from behind our back.
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002

    windows_before, state_before = parts[0].copy(deep=True), global_state()
    fitted(name, parts).predict_proba(parts[2])
    xr.testing.assert_identical(parts[0], windows_before)
    assert global_state() == state_before


@pytest.mark.parametrize("name", NAMES)
def test_a_model_predicts_each_window_by_itself(name, parts):
    model = fitted(name, parts)
    together = model.predict_proba(parts[2]).values
    alone = [model.predict_proba(parts[2].isel(window=[k])).values[0] for k in range(3)]
    assert np.allclose(together[:3], alone, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_survives_missing_samples_and_features(name, parts):
    train, validation, test = (part.copy(deep=True) for part in parts)
    for part in (train, validation, test):
        part["signal"][0, 1] = np.nan
        part["signal"][1, :, 100:200] = np.nan
        part["feature"][0, :5] = np.nan
    test["signal"][2] = np.nan
    test["feature"][2] = np.nan
    train["feature"][:, 7] = np.nan
    model = fitted(name, (train, validation, test))
    assert_simplex(model.predict_proba(test), test, model)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_survives_a_channel_that_nobody_has(name, parts):
    train, validation, test = (part.copy(deep=True) for part in parts)
    train["signal"][:, 2] = np.nan
    train["feature"][:, 3] = np.nan
    model = fitted(name, (train, validation, test))
    assert_simplex(model.predict_proba(test), test, model)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_comes_back_from_its_folder_to_the_bit(name, parts, tmp_path):
    model = fitted(name, parts)
    (tmp_path / "other.txt").write_text("stays")
    model.save(tmp_path)
    loaded = models.load(tmp_path)
    assert type(loaded) is type(model)
    assert loaded.classes == model.classes
    assert np.array_equal(loaded.predict_proba(parts[2]), model.predict_proba(parts[2]))
    assert (tmp_path / "other.txt").read_text() == "stays"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_writes_the_same_bytes_for_the_same_seed(name, parts, tmp_path):
    for folder in ("a", "b"):
        fitted(name, parts).save(tmp_path / folder)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert models.MODEL_FILE in files
    for file in set(files) - {"model.skops"}:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


@pytest.mark.parametrize("name", NAMES)
def test_a_model_tells_three_states_apart(name, parts):
    train, validation, test = (part.copy(deep=True) for part in parts)
    for part in (train, validation, test):
        part["label"] = ("window", np.resize(["baseline", "stress", "amusement"], part.sizes["window"]))
    model = models.create(name, PARAMS.model_copy(update={"classes": ["baseline", "stress", "amusement"]}))
    assert_simplex(model.fit(train, validation, seed=0).predict_proba(test), test, model)
    assert model.predict_proba(test).shape == (8, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_fits_without_validation_people(name, parts):
    model = models.create(name, PARAMS).fit(parts[0], None, seed=0)
    assert_simplex(model.predict_proba(parts[2]), parts[2], model)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_refuses_states_that_it_cannot_learn(name, parts):
    train, validation, _ = parts
    unknown = train.assign_coords(label=("window", np.full(train.sizes["window"], "meditation")))
    with pytest.raises(InputError, match=r"`meditation`.*baseline, stress"):
        models.create(name, PARAMS).fit(unknown, validation, seed=0)
    with pytest.raises(InputError, match="no training window of the state `stress`"):
        models.create(name, PARAMS).fit(train.isel(window=train["label"] == "baseline"), None, seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_refuses_rest_that_it_would_ignore(name, parts):
    with pytest.raises(InputError, match=f"`{name}`.*rest"):
        models.create(name, PARAMS).fit(parts[0], parts[1], rest=parts[2], seed=0)
    with pytest.raises(InputError, match=f"`{name}`.*rest"):
        fitted(name, parts).predict_proba(parts[2], rest=parts[2])


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused_by_its_path(name, parts, tmp_path):
    fitted(name, parts).save(tmp_path)
    (weights,) = (path for path in tmp_path.iterdir() if path.name != models.MODEL_FILE)
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(InputError, match=weights.name):
        models.load(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=weights.name):
        models.load(tmp_path)


def test_an_unknown_name_is_refused_with_those_allowed():
    with pytest.raises(InputError, match=r"unknown model `restnet`; the models are logistic, resnet"):
        models.create("restnet", PARAMS)


def test_a_folder_without_a_model_is_refused_by_its_path(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path / "model.json")):
        models.load(tmp_path)
    for text in ("{", "[]", "{}"):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(InputError, match="not the description of a saved model"):
            models.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"model": "oracle"}))
    with pytest.raises(InputError, match="unknown model `oracle`; the models are logistic, resnet"):
        models.load(tmp_path)


def test_a_name_is_given_once(monkeypatch):
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    models.register("mine", "json:JSONDecoder")
    models.register("mine", "json:JSONDecoder")
    with pytest.raises(InputError, match="`mine` is taken by json:JSONDecoder"):
        models.register("mine", "json:JSONEncoder")


def test_the_registry_imports_no_package_of_a_model():
    code = (
        "import sys; from wesadlib import models; print(*models.MODELS); "
        "print([name for name in ('torch', 'sklearn', 'skops', 'xarray') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == ["logistic resnet", "[]"]
