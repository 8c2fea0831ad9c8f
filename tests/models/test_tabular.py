"""What models on features share: differences from rest, what is refused, and the folder."""

import json
import warnings

import numpy as np
import pytest
import skops.io
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import FunctionTransformer
from wesadlib.models.boosting import Boosting
from wesadlib.models.contract import check_rest, rest_of_each
from wesadlib.models.forest import Forest
from wesadlib.models.logistic import Logistic

from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models.mean import Mean
from wesadlib.models.tabular import Damping

FAST = (Logistic, lambda: Forest(trees=10), lambda: Boosting(rounds=10))


@pytest.fixture(scope="module")
def windows(_toy_windows):
    return extract_features(_toy_windows)


def of(windows, *subjects, rest=False):
    chosen = windows["subject"].isin(subjects) & ((windows["start_s"] < 60) == rest)
    return windows.isel(window=np.flatnonzero(chosen))


OTHERS = ("S2", "S3", "S4", "S5", "S6")


@pytest.fixture(scope="module")
def fitted(windows):
    return Logistic().fit(of(windows, *OTHERS), seed=0)


@pytest.fixture(scope="module")
def rested(windows):
    return Logistic().fit(of(windows, *OTHERS), rest=of(windows, *OTHERS, rest=True), seed=0)


def people(*names):
    return xr.Dataset(coords={"subject": ("window", list(names))})


def test_rest_of_each_is_the_mean_over_the_persons_own_windows_lined_up():
    values = np.array([[1.0, 10.0], [3.0, np.nan], [np.nan, np.nan], [7.0, np.nan]])
    means = rest_of_each(values, people("B", "A", "B"), people("A", "A", "A", "B"))
    np.testing.assert_array_equal(means, [[7, np.nan], [2, 10], [7, np.nan]])


def test_rest_of_each_names_the_person_who_has_none():
    with pytest.raises(InputError, match=r"^C: no window at rest"):
        rest_of_each(np.zeros((2, 1)), people("A", "C"), people("A", "B"))


def test_rest_is_needed_by_whom_was_fitted_with_it_alone():
    check_rest("m", True, people("A"))
    check_rest("m", False, None)
    with pytest.raises(InputError, match="`m` was fitted with "):
        check_rest("m", True, None)
    with pytest.raises(InputError, match="`m` was fitted without "):
        check_rest("m", False, people("A"))


def scale(windows, name, factor):
    """The same windows of somebody whose `name` is larger by a factor, always."""
    other = windows.copy(deep=True)
    other["feature"].loc[{"feature_name": name}] *= factor
    return other


def test_a_level_that_is_somebodys_own_counts_cold_and_not_beside_their_rest(windows, fitted, rested):
    test, rest = of(windows, "S7"), of(windows, "S7", rest=True)
    larger, larger_rest = (scale(part, "wrist_eda_mean", 3) for part in (test, rest))
    cold = abs(fitted.predict_proba(larger) - fitted.predict_proba(test))
    beside = abs(rested.predict_proba(larger, rest=larger_rest) - rested.predict_proba(test, rest=rest))
    assert float(cold.max()) > 0.03
    assert float(beside.max()) < 0.003


def test_damping_is_linear_about_the_median_and_logarithmic_far_from_it():
    values = np.array([[1.0, -3.0, np.nan], [2, -3, np.nan], [3, -3, np.nan], [np.nan, -3, np.nan]])
    damping = Damping().fit(values)
    np.testing.assert_array_equal(damping.centre_, [2, -3, np.nan])
    np.testing.assert_array_equal(damping.scale_, [1, 1, np.nan])
    damped = damping.transform(np.array([[2.01, -3, 5], [2 + 1e4, np.nan, np.nan]]))
    np.testing.assert_allclose(damped[:, 0], [0.01, np.log(2e4)], rtol=1e-4)
    assert damped[0, 1] == 0
    assert np.isnan(damped[1, 1]) and np.isnan(damped[:, 2]).all()


def test_proportional_damping_makes_ratios_of_differences_where_nothing_is_negative():
    values = np.array([[1.0, -1.0, 0.0], [4, 1, 0], [9, 5, 1]])
    damping = Damping(proportional=True).fit(values)
    np.testing.assert_allclose(damping.centre_, [0, 1, 0])
    np.testing.assert_allclose(damping.scale_, [0.4, 3, 0.5])
    low, high = damping.transform(np.array([[4.0, 0, 0], [8.0, 0, 0]]))[:, 0]
    assert high - low == pytest.approx(np.log(2), abs=0.01)
    # Also of a person who has what nobody had in training.
    assert np.isfinite(damping.transform(np.array([[-1.0, -9, -1]]))).all()


def test_everybody_at_rest_is_where_the_others_were_at_rest(windows, rested):
    rest = of(windows, "S7", rest=True)
    centre = rest.isel(window=[0]).copy(deep=True)
    centre["feature"][:] = rest["feature"].mean("window").values
    probability = rested.predict_proba(centre, rest=centre)
    other = scale(centre, "wrist_temp_mean", 1.2)
    # What is kept of rest has single precision.
    np.testing.assert_allclose(rested.predict_proba(other, rest=other), probability, atol=1e-6)
    assert float(probability.sel(state="stress")[0]) < 0.5


@pytest.mark.parametrize("make", FAST)
def test_order_and_parts_of_the_training_windows_do_not_matter(windows, make):
    train, test = of(windows, *OTHERS), of(windows, "S7")
    turned = train.isel(window=np.random.default_rng(0).permutation(train.sizes["window"]))
    first = make().fit(train, seed=1).predict_proba(test)
    np.testing.assert_array_equal(make().fit(turned, seed=1).predict_proba(test), first)
    split = make().fit(of(windows, *OTHERS[2:]), of(windows, *OTHERS[:2]), seed=1).predict_proba(test)
    np.testing.assert_array_equal(split, first)


@pytest.mark.parametrize("make", FAST[1:])
def test_draws_follow_from_the_seed(windows, make):
    train, test = of(windows, *OTHERS), of(windows, "S7")
    first, second = (make().fit(train, seed=seed).predict_proba(test) for seed in (1, 2))
    assert float(abs(first - second).max()) > 0


@pytest.mark.parametrize("make", FAST)
def test_nothing_warns(windows, make):
    train, rest = of(windows, *OTHERS).copy(deep=True), of(windows, *OTHERS, rest=True).copy(deep=True)
    for part in (train, rest):
        part["feature"][:, 4] = np.nan
    rest["feature"][:, 6] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make().fit(train, rest=rest, seed=0)
        assert np.isfinite(model.predict_proba(train, rest=rest)).all()


def test_a_state_that_only_validation_people_show_is_learnt(windows):
    train, validation = of(windows, "S2", "S3"), of(windows, "S4")
    train = train.isel(window=train["label"] == "baseline")
    validation = validation.isel(window=validation["label"] == "stress")
    probability = Logistic().fit(train, validation, seed=0).predict_proba(of(windows, "S7"))
    np.testing.assert_allclose(probability.sum("state"), 1)


def test_saved_and_loaded_gives_the_same_numbers(windows, fitted, tmp_path):
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.skops"]
    loaded = Logistic.load(tmp_path)
    assert (loaded.classes, loaded.options, loaded.rested_) == (fitted.classes, fitted.options, False)
    np.testing.assert_array_equal(loaded.predict_proba(windows), fitted.predict_proba(windows))


def test_what_was_fitted_with_rest_still_needs_it_after_loading(windows, rested, tmp_path):
    rested.save(tmp_path)
    with pytest.raises(InputError, match="give this person's as `rest`"):
        Logistic.load(tmp_path).predict_proba(windows)


def test_untrusted_types_are_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    pipeline = skops.io.load(tmp_path / "model.skops", trusted=Logistic.trusted_types)
    pipeline.steps[1] = ("simpleimputer", FunctionTransformer(scale))
    skops.io.dump(pipeline, tmp_path / "model.skops")
    with pytest.raises(InputError, match=r"model\.skops: holds a type that is not trusted.*scale"):
        Logistic.load(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_damaged_pipelines_are_refused(fitted, tmp_path, damage):
    fitted.save(tmp_path)
    path = tmp_path / "model.skops"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    else:
        skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), path)
    with pytest.raises(InputError, match=r"model\.skops"):
        Logistic.load(tmp_path)


def test_a_pipeline_of_another_model_is_refused(fitted, windows, tmp_path):
    Boosting(rounds=5).fit(windows, seed=0).save(tmp_path / "boosting")
    fitted.save(tmp_path / "logistic")
    pipeline = (tmp_path / "logistic" / "model.skops").read_bytes()
    (tmp_path / "boosting" / "model.skops").write_bytes(pipeline)
    with pytest.raises(InputError, match=r"model\.skops: not the pipeline"):
        Boosting.load(tmp_path / "boosting")
    values = np.nan_to_num(windows["feature"].values)
    naive = GaussianNB().fit(values, windows["label"].values == "stress")
    skops.io.dump(naive, tmp_path / "logistic" / "model.skops")
    with pytest.raises(InputError, match=r"model\.skops"):
        Logistic.load(tmp_path / "logistic")


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved.pop("features"),
        lambda saved: saved.pop("rested"),
        lambda saved: saved["options"].update(unheard_of=1),
    ],
)
def test_damaged_descriptions_are_refused(fitted, tmp_path, change):
    fitted.save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    change(description)
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"model\.json: not the description of a saved model `logistic`"):
        Logistic.load(tmp_path)


@pytest.mark.parametrize("change", [lambda saved: saved["classes"].append("amusement"), lambda s: s["features"].pop()])
def test_a_description_of_another_pipeline_is_refused(fitted, tmp_path, change):
    fitted.save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    change(description)
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"model\.skops: not the pipeline that model\.json describes"):
        Logistic.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda windows: windows.drop_vars("feature"), "no features"),
        (lambda windows: windows.isel(feature_name=slice(1, None)), "`wrist_bvp_mean` is missing"),
        (lambda windows: windows.assign(feature=windows["feature"] * np.inf), "infinite"),
    ],
)
def test_windows_and_rest_that_do_not_fit_are_refused(windows, fitted, rested, change, sentence):
    test, rest = of(windows, "S7"), of(windows, "S7", rest=True)
    with pytest.raises(InputError, match=sentence):
        fitted.predict_proba(change(test))
    with pytest.raises(InputError, match=sentence):
        rested.predict_proba(test, rest=change(rest))
    if sentence != "`wrist_bvp_mean` is missing":
        with pytest.raises(InputError, match=sentence):
            Logistic().fit(change(test), seed=0)


@pytest.mark.parametrize("model", [Logistic, Forest, Boosting])
def test_nobody_decides_when_it_stops(model):
    assert model.validates is False
    assert Mean({"logistic": Logistic(), model.name: model()}).validates is False
