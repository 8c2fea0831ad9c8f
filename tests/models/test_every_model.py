"""Every registered model keeps the contract, cold and calibrated by people's rest."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from model_examples import of

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import FoldWindows, Job, run_fold
from wesadlib.evaluation.protocols import Fold
from wesadlib.features import extract_features
from wesadlib.models import Examples, predict
from wesadlib.models.base import select_inputs
from wesadlib.params import Params

NAMES = [name for name, home in models.MODELS.items() if home.startswith("wesadlib.")]
PARAMS = Params(
    device="wrist", classes=["baseline", "stress"], mean_of=["logistic", "boosting"], width=2, epochs=2, batch_size=16
)
THREE = ["baseline", "stress", "amusement"]
PEOPLE = (["S2", "S3"], ["S4"], ["S5"])

every_model = pytest.mark.parametrize("name", NAMES)
cold_or_rested = pytest.mark.parametrize("rested", [False, True], ids=["cold", "rested"])


@pytest.fixture(scope="module")
def windows(make_windows_of_toys) -> xr.Dataset:
    """Four people of 24 short windows, with features; the first four of each are set aside as rest."""
    return extract_features(make_windows_of_toys(n_subjects=4, per_subject=24, window_s=24.0))


@pytest.fixture(scope="module")
def examples(windows) -> Examples:
    return Examples.from_dataset(windows)


@pytest.fixture(scope="module")
def parts(examples) -> tuple[Examples, Examples, Examples]:
    """Training, validation and test people, without their rest."""
    return tuple(of(examples, *people) for people in PEOPLE)


@pytest.fixture(scope="module")
def rests(examples) -> tuple[Examples, Examples]:
    """Rest of the training and validation people, and of the test people."""
    return of(examples, *PEOPLE[0], *PEOPLE[1], rest=True), of(examples, *PEOPLE[2], rest=True)


@pytest.fixture(scope="module")
def fitted(parts, rests):
    """Give a fitted model, made once; not to be changed."""

    @cache
    def give(name: str, rested: bool = False) -> models.Model:
        return fit(name, parts, rests if rested else None)

    return give


def fit(name: str, parts, rests=None, params: Params = PARAMS) -> models.Model:
    return models.create(name, params).fit(parts[0], parts[1], rest=rests and rests[0], seed=3)


def predict_test(model: models.Model, parts, rests=None) -> np.ndarray:
    return predict(model, parts[2], rests and rests[1])


def assert_simplex(probability: np.ndarray, windows: Examples, model: models.Model) -> None:
    assert probability.shape == (len(windows), len(model.classes)) and probability.dtype == float
    assert np.isfinite(probability).all()
    assert (probability >= 0).all()
    assert np.allclose(probability.sum(axis=1), 1, atol=1e-9)


@cold_or_rested
@every_model
def test_it_fits_and_predicts_a_simplex(name, rested, parts, rests, fitted):
    model = fitted(name, rested)
    probability = predict_test(model, parts, rests if rested else None)
    assert model.name == name
    assert_simplex(probability, parts[2], model)
    assert probability.std() > 0


@cold_or_rested
@every_model
def test_it_is_deterministic_whatever_was_drawn_before(name, rested, parts, rests, fitted):
    given = rests if rested else None
    first = predict_test(fitted(name, rested), parts, given)
    np.random.default_rng().random(3)
    if "torch" in sys.modules:
        sys.modules["torch"].rand(5)
    assert np.array_equal(first, predict_test(fit(name, parts, given), parts, given))


@every_model
def test_it_leaves_its_windows_and_global_generators_alone(name, parts, rests):
    import torch

    def global_state() -> tuple[list[int], list[int]]:
        # The legacy generator is the one that a library would draw from behind our back.
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002

    given, state_before = (*parts, *rests), global_state()
    copies = [(part.signal.copy(), part.feature.copy()) for part in given]
    predict_test(fit(name, parts, rests), parts, rests)
    for part, before in zip(given, copies, strict=True):
        np.testing.assert_array_equal(part.signal, before[0])
        np.testing.assert_array_equal(part.feature, before[1])
    assert global_state() == state_before


@cold_or_rested
@every_model
def test_it_predicts_each_window_by_itself(name, rested, parts, rests, fitted):
    model, rest = fitted(name, rested), rests[1] if rested else None
    together = predict(model, parts[2], rest)
    alone = [predict(model, parts[2].take(slice(k, k + 1)), rest)[0] for k in range(3)]
    assert np.allclose(together[:3], alone, atol=1e-6)


def copied(examples: Examples) -> Examples:
    return replace(examples, signal=examples.signal.copy(), feature=examples.feature.copy())


@cold_or_rested
@every_model
@pytest.mark.parametrize("everywhere", [False, True], ids=["samples", "a channel"])
def test_it_survives_what_is_missing(name, rested, everywhere, parts, rests):
    train, validation, test = (copied(part) for part in parts)
    given = tuple(copied(part) for part in rests) if rested else ()
    if everywhere:
        # With rest also one that somebody has, but not at rest.
        for part in (train, *given):
            part.signal[:, 2] = part.feature[:, 3] = np.nan
    else:
        for part in (train, validation, test, *given):
            part.signal[0, 1] = part.signal[1, :, 100:200] = part.feature[0, :5] = np.nan
        test.signal[2] = test.feature[2] = train.feature[:, 7] = np.nan
    model = fit(name, (train, validation, test), given or None)
    assert_simplex(predict_test(model, (train, validation, test), given or None), test, model)


@cold_or_rested
@every_model
def test_it_comes_back_from_its_folder_to_the_bit(name, rested, parts, rests, fitted, tmp_path):
    model, given = fitted(name, rested), rests if rested else None
    (tmp_path / "other.txt").write_text("stays")
    model.save(tmp_path)
    loaded = models.load(tmp_path)
    assert type(loaded) is type(model)
    assert loaded.classes == model.classes
    assert np.array_equal(predict_test(loaded, parts, given), predict_test(model, parts, given))
    assert (tmp_path / "other.txt").read_text() == "stays"
    assert not [path.name for path in tmp_path.rglob(".*")]


@every_model
def test_it_writes_the_same_bytes_for_the_same_seed(name, parts, tmp_path):
    for folder in ("a", "b"):
        fit(name, parts).save(tmp_path / folder)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert Path(models.MODEL_FILE) in files
    # skops names each object by its place in memory.
    for file in (file for file in files if file.name != "model.skops"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


@cold_or_rested
@every_model
def test_it_tells_three_states_apart(name, rested, parts, rests):
    three = [replace(part, label=np.resize(THREE, len(part))) for part in parts]
    given = rests if rested else None
    model = fit(name, three, given, PARAMS.model_copy(update={"classes": THREE}))
    assert_simplex(predict_test(model, three, given), three[2], model)


@every_model
def test_it_fits_without_validation_people(name, parts):
    model = models.create(name, PARAMS).fit(parts[0], None, seed=0)
    assert_simplex(predict(model, parts[2]), parts[2], model)


@every_model
def test_it_refuses_states_that_it_cannot_learn(name, parts):
    train, validation, _ = parts
    unknown = replace(train, label=np.full(len(train), "meditation"))
    with pytest.raises(InputError, match=r"`meditation`.*baseline, stress"):
        models.create(name, PARAMS).fit(unknown, validation, seed=0)
    with pytest.raises(InputError, match="no training window of the state `stress`"):
        models.create(name, PARAMS).fit(train.take(train.label == "baseline"), None, seed=0)


@every_model
def test_it_predicts_with_rest_when_it_was_fitted_with_rest_and_not_otherwise(name, parts, rests, fitted):
    with pytest.raises(InputError, match=r"rest[^.]*\.$"):
        predict(fitted(name, rested=True), parts[2])
    with pytest.raises(InputError, match=r"rest[^.]*\.$"):
        predict(fitted(name), parts[2], rests[1])
    signal, feature = select_inputs(fitted(name), parts[2])
    with pytest.raises(InputError, match=r"rest[^.]*\.$"):
        fitted(name).predict_proba(signal, feature, np.zeros((len(parts[2]), 1), np.float32))
    with pytest.raises(InputError, match=r"rest of shape"):
        fitted(name, rested=True).predict_proba(signal, feature, np.zeros((len(parts[2]), 1), np.float32))


@every_model
def test_nobody_is_judged_without_rest_of_their_own(name, examples, parts, rests, fitted):
    with pytest.raises(InputError, match="S5"):
        predict(fitted(name, rested=True), parts[2], rests[0])
    with pytest.raises(InputError, match="S4"):
        models.create(name, PARAMS).fit(parts[0], parts[1], rest=of(examples, *PEOPLE[0], rest=True), seed=0)


@every_model
def test_rest_counts(name, parts, rests, fitted):
    model = fitted(name, rested=True)
    stressed = parts[2].take(parts[2].label == "stress")
    at_rest, under_stress = (predict(model, parts[2], rest) for rest in (rests[1], stressed))
    assert np.abs(at_rest - under_stress).max() > 1e-4


@cold_or_rested
@every_model
def test_columns_are_found_by_their_names(name, rested, parts, rests, fitted):
    def turned(part: Examples) -> Examples:
        names = {"channels": part.channels[::-1], "feature_names": part.feature_names[::-1]}
        return replace(part, signal=part.signal[:, ::-1], feature=part.feature[:, ::-1], **names)

    model, rest = fitted(name, rested), rests[1] if rested else None
    expected = predict(model, parts[2], rest)
    assert np.array_equal(expected, predict(model, turned(parts[2]), rest and turned(rest)))
    without = replace(
        parts[2], feature_names=tuple(f"other_{name}" for name in parts[2].feature_names), channels=("other",) * 6
    )
    with pytest.raises(InputError, match=r"`(wrist_bvp|heart_rate_mean|\w+)` is missing"):
        predict(model, without, rest)


@cold_or_rested
@every_model
def test_it_never_sees_the_test_person(name, rested, windows):
    subject, at_rest = windows["subject"].values, windows["start_s"].values < 120
    train, validation, test = (np.flatnonzero(np.isin(subject, people) & ~at_rest) for people in PEOPLE)
    fold = Fold("S5", train, validation, test, np.flatnonzero(at_rest & rested))
    job = Job(name, "cold_start", 3, fold)
    numbered = windows.assign_coords(position=("window", np.arange(windows.sizes["window"])))
    other = numbered.copy(deep=True)
    other["label"][test] = np.roll(other["label"].values[test], 7)
    # All of the person's windows but the first five, which are compared.
    other["signal"][test[5:]] *= -3
    other["feature"][test[5:]] *= -3
    tables = [
        run_fold(models.create(name, PARAMS), FoldWindows.from_dataset(part), job).predictions
        for part in (numbered, other)
    ]
    assert (tables[0]["label"] != tables[1]["label"]).any()
    first, second = (table[["p_baseline", "p_stress"]].to_numpy() for table in tables)
    np.testing.assert_allclose(first[:5], second[:5], rtol=0, atol=1e-6)


@every_model
def test_a_damaged_file_is_refused_by_its_path(name, fitted, tmp_path):
    fitted(name).save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != models.MODEL_FILE]
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=path.name):
            models.load(tmp_path)
        path.unlink()
        with pytest.raises(InputError, match=path.name):
            models.load(tmp_path)
        path.write_bytes(whole)
    models.load(tmp_path)
