import numpy as np
import pytest
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.features import correlate, extract_features, headline_features, measure_effects, responses_by_person


def made_up(values, subject, label, names=("a", "b", "c")):
    return xr.Dataset(
        {"feature": (("window", "feature_name"), np.asarray(values, float))},
        coords={"subject": ("window", subject), "label": ("window", label), "feature_name": list(names)},
    )


@pytest.fixture
def three_people():
    subject = np.repeat(["S2", "S3", "S4"], 4)
    label = np.tile(["baseline", "baseline", "stress", "stress"], 3)
    base = np.repeat([10.0, 20.0, 30.0], 4)
    own = np.tile([-1.0, 1.0, -1.0, 1.0], 3)
    moved = np.where(label == "stress", np.repeat([5.0, 4.0, -3.0], 4), 0)
    values = np.column_stack([base + own + moved, -2 * (base + own + moved), np.ones(12)])
    return made_up(values, subject, label)


def test_effects_are_counted_by_person(three_people):
    row = measure_effects(three_people, "baseline", "stress").loc["a"]
    assert row["reference_mean"] == 20
    assert row["between_sd"] == 10
    assert row["within_sd"] == pytest.approx(np.sqrt(2))
    assert row["response"] == 2
    assert row["response_sd"] == pytest.approx(np.std([5, 4, -3], ddof=1))
    assert (row["people"], row["other_way"]) == (3, 1)
    assert row["pooled_effect"] == pytest.approx(2 / np.sqrt(102))
    assert row["own_effect"] == pytest.approx(np.sqrt(2))


def test_a_feature_that_never_moves_has_no_effect_and_comes_last(three_people):
    table = measure_effects(three_people, "baseline", "stress")
    assert table.index[-1] == "c"
    assert np.isnan(table.loc["c", "pooled_effect"])
    assert table.loc["b", "pooled_effect"] == pytest.approx(-table.loc["a", "pooled_effect"])


def test_people_without_one_of_the_states_do_not_count(three_people):
    without = three_people.isel(window=slice(0, 10))
    assert measure_effects(without, "baseline", "stress")["people"].eq(2).all()
    one = measure_effects(three_people.isel(window=slice(0, 4)), "baseline", "stress").loc["a"]
    assert one["response"] == 5
    assert np.isnan(one["between_sd"])
    assert np.isfinite(one["pooled_effect"])


def test_missing_states_are_named(three_people):
    with pytest.raises(InputError, match=r"`amusement`.*baseline, stress"):
        measure_effects(three_people, "baseline", "amusement")
    apart = three_people.isel(window=[0, 1, 6, 7])
    with pytest.raises(InputError, match="no person"):
        measure_effects(apart, "baseline", "stress")


def test_correlation_is_within_people(three_people):
    subject = np.repeat(["S2", "S3"], 50)
    generator = np.random.default_rng(0)
    level, wave = np.repeat([0.0, 100.0], 50), generator.normal(size=100)
    values = np.column_stack([level + wave, level - wave, level + generator.normal(size=100), wave + 1])
    table = correlate(made_up(values, subject, np.repeat("baseline", 100), "abcd"), list("abcd"))
    assert table.loc["a", "b"] < -0.9
    assert abs(table.loc["a", "c"]) < 0.3
    assert table.loc["a", "d"] > 0.9
    assert list(table.index) == list(table.columns)
    assert table.index[0] == "c" or table.index[-1] == "c"


def test_correlation_of_a_constant_is_missing(three_people):
    table = correlate(three_people, ["a", "b", "c"])
    assert np.isnan(table.loc["a", "c"])
    assert table.loc["a", "b"] == pytest.approx(-1)
    assert correlate(three_people, ["a"]).shape == (1, 1)


def test_means_by_person_are_tidy(three_people):
    with pytest.raises(InputError, match=r"no window of the state `amusement`; .* take it out of `classes`"):
        responses_by_person(three_people, ["a"], ["baseline", "amusement"])
    table = responses_by_person(three_people, ["a"], ["baseline", "stress"])
    assert list(table.columns) == ["subject", "state", "feature", "value"]
    value = table.set_index(["subject", "state"])["value"]
    assert value["S2", "stress"] == 15
    assert value["S4", "baseline"] == 30


def test_headline_features_are_those_that_the_device_has(_toy_windows):
    names = headline_features(extract_features(_toy_windows))
    assert names[0] == "wrist_bvp_heart_rate"
    assert "wrist_eda_scr_rate" in names
    assert len(names) == len(set(names)) == 6
