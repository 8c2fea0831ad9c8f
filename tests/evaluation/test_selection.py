"""The choice inside: whom it may see, what it comes to, and how it is applied."""

import numpy as np
import pandas as pd
import pytest
import stub_models
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.errors import InputError
from wesadlib.evaluation.predictions import as_given
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.selection import (
    CHOSEN,
    apply_choice,
    can_choose,
    choose,
    draw_groups,
    final_temperatures,
    list_candidates,
    predict_pairs,
    score_candidates,
)
from wesadlib.evaluation.sentences import describe_temperatures
from wesadlib.models.calibration import apply_temperature
from wesadlib.params import Params

PARAMS = Params(selection_groups=3, rest_minutes=2)
STUBS = ["ignorant", "contrary", "informed"]
PEOPLE = [f"S{k}" for k in range(2, 9)]
GROUP = draw_groups(PEOPLE, 3, 0)


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Seven people in whom the informed stub is right of every window."""
    return tell(make_windows_of_toys(n_subjects=7, per_subject=18, window_s=60.0, rate_hz=1.0), False)


def tell(windows, wrong):
    """Windows whose first sample says whether there is stress, but in some the opposite."""
    signal = windows["signal"].values.copy()
    signal[:, 0, 0] = np.where((windows["label"].values == "stress") ^ wrong, 1.0, -1.0)
    return windows.assign(signal=(windows["signal"].dims, signal))


def pairs_of(windows, models=STUBS, protocol="cold_start"):
    return predict_pairs(models, windows, protocol=protocol, seed=0, params=PARAMS, progress=False)


def chosen_of(pairs, people=()):
    table = score_candidates(pairs, people)
    return table[table["chosen"]].set_index("subject")["candidate"].to_dict()


@settings(max_examples=50, deadline=None)
@given(people=st.integers(1, 30), number=st.integers(3, 10), seed=st.integers(0, 50), validating=st.integers(0, 3))
def test_groups_are_as_equal_as_can_be_and_leave_somebody_to_learn_from(people, number, seed, validating):
    names = [f"S{k}" for k in range(people)]
    group = draw_groups(names, number, seed)
    sizes = sorted(list(group.values()).count(k) for k in range(number))
    assert set(group) == set(names) and sum(sizes) == people and sizes[-1] - sizes[0] <= 1
    params = PARAMS.model_copy(update={"selection_groups": number, "validation_subjects": validating})
    assert can_choose(people, params) == (sizes[0] > 0 and people - sum(sizes[-2:]) > validating)


@pytest.mark.parametrize("protocol", ["cold_start", "rest_calibrated"])
def test_each_pair_of_groups_is_predicted_by_a_model_that_saw_neither(windows, monkeypatch, protocol):
    seen = []
    stub_models.spy_on_predictions(monkeypatch, seen)
    pairs = pairs_of(windows, ["restful"], protocol)
    assert (pairs["group"] == pairs["subject"].map(GROUP)).all() and (pairs["group"] != pairs["other"]).all()
    assert len(seen) == 3
    for shown in seen:
        out = {GROUP[person] for person in shown["tested"]}
        taught = shown["taught"].keys() | shown["validated"].keys()
        assert len(out) == 2 and {GROUP[person] for person in taught} == {0, 1, 2} - out
        if protocol == "rest_calibrated":
            assert shown["rest"].keys() == taught and shown["rest_of_tested"].keys() == shown["tested"].keys()
    # Each window once for either other group.
    counts = pairs.groupby("window")["other"].agg(["size", "nunique"])
    assert counts.eq(2).all(axis=None) and len(counts) == 7 * (12 if protocol == "rest_calibrated" else 18)


def test_candidates_are_the_models_means_of_two_and_three_and_means_of_the_run():
    assert list_candidates(["a", "b", "c"]) == ["a", "b", "c", "a+b", "a+c", "b+c", "a+b+c"]
    assert len(list_candidates(list("abcde"), [list("edcb"), ["c", "a"]])) == 5 + 10 + 10 + 1


def test_a_temperature_is_that_of_the_right_share_of_others(windows):
    # Says 0.9 and is right in 15 of 18 windows of everybody: log odds of log 9 become log 5.
    order = np.tile(np.arange(18) % 6 == 0, 7)
    table = score_candidates(pairs_of(tell(windows, order)), ["S3"])
    table = table.set_index(["subject", "candidate"])
    for person in ("", "S3"):
        row = table.loc[(person, "informed")]
        assert row["temperature"] == pytest.approx(np.log(9) / np.log(5), rel=5e-3)
        assert row["log_loss"] == pytest.approx(-(5 * np.log(5 / 6) + np.log(1 / 6)) / 6, rel=1e-4)
        # Beside a half, what is calibrated becomes 2/3, and bold again by one more temperature.
        both = table.loc[(person, "ignorant+informed")]
        assert both["temperature"] == pytest.approx(np.log(2) / np.log(5), rel=5e-3)
        assert both["log_loss"] == pytest.approx(row["log_loss"], rel=1e-4)


@pytest.mark.parametrize("person", ["S2", "S5", "S8"])
def test_the_choice_for_a_person_has_seen_nothing_of_the_person(windows, person):
    own = windows["subject"].values == person
    wrong = tell(windows, own).copy(deep=True)
    wrong["signal"][np.flatnonzero(own), 1:] = 1e3
    wrong["label"][np.flatnonzero(own)] = windows["label"].values[own][::-1].copy()
    models = ["centroid", *STUBS]
    before, after = (score_candidates(pairs_of(data, models), PEOPLE).groupby("subject") for data in (windows, wrong))
    # Of the same group nobody's choice counts the person, of another everybody's does.
    for name in ["", *PEOPLE]:
        assert before.get_group(name).equals(after.get_group(name)) == (GROUP.get(name) == GROUP[person])


def test_a_choice_turns_where_others_turn_it(windows):
    # Two groups of three are lied about, which the third group's choice follows.
    lied = np.array([GROUP[name] != 0 for name in windows["subject"].values])
    chosen = chosen_of(pairs_of(tell(windows, lied)), PEOPLE)
    assert {chosen[name] for name in PEOPLE if GROUP[name] == 0} == {"contrary"}


def test_a_choice_needs_every_fold(windows, monkeypatch):
    first = next(name for name in GROUP if GROUP[name] == 2)
    monkeypatch.setattr(stub_models.Failing, "people", (first,))
    with (
        pytest.warns(UserWarning, match="no idea"),
        pytest.raises(InputError, match=r"^the choice of a configuration needs every fold: fold of groups"),
    ):
        pairs_of(windows, ["failing", "centroid"])


def scored(choice, temperature=1.0):
    """What is chosen for each person, with a temperature for everything that can be."""
    candidates = list_candidates(["centroid", *STUBS])
    rows = [(person, name, temperature, name == choice[person]) for person in choice for name in candidates]
    return pd.DataFrame(rows, columns=["subject", "candidate", "temperature", "chosen"])


def evaluated(windows, *names):
    return evaluate(names, windows, seeds=[0, 1], params=PARAMS, progress=False)


def test_a_choice_is_applied_person_by_person_and_averages_calibrated_members(windows):
    predictions = evaluated(windows, "centroid", *STUBS)
    choice = dict.fromkeys(PEOPLE, "informed") | {"S3": "centroid+contrary", "S4": "centroid+contrary+informed"}
    everything = apply_choice(predictions.sample(frac=1, random_state=0), scored(choice, 2.0))
    applied = everything[everything["model"] == CHOSEN].set_index(["seed", "window"])
    assert list(everything.columns) == [*predictions.columns, "raw_p_baseline", "raw_p_stress"]
    assert len(applied) == 2 * windows.sizes["window"] and applied.index.is_unique
    columns, facts = ["p_baseline", "p_stress"], ["subject", "label", "start_s", "accepted"]
    indexed = predictions.set_index(["model", "seed", "window"])
    for members, rows in applied.groupby(applied["subject"].map(choice)):
        members = members.split("+")
        given = [indexed.loc[name].loc[rows.index, columns].to_numpy() for name in members]
        assert np.allclose(rows[["raw_p_baseline", "raw_p_stress"]], np.mean(given, axis=0), atol=1e-12)
        expected = np.mean([apply_temperature(part, 2.0) for part in given], axis=0)
        expected = apply_temperature(expected, 2.0) if len(members) > 1 else expected
        assert np.allclose(rows[columns], expected, atol=1e-12)
        assert rows[facts].equals(indexed.loc[members[0]].loc[rows.index, facts])
    # Every model goes on under its own name, calibrated; what it gave is kept.
    kept = as_given(everything[everything["model"] != CHOSEN]).set_index(["model", "seed", "window"])
    pd.testing.assert_frame_equal(kept.loc[indexed.index], indexed)


def test_a_mean_has_its_members_calibrated_and_is_the_configuration_of_that_name(windows):
    means = {"mean": ["centroid", "informed"]}
    params = Params(mean_of=means["mean"], selection_groups=3)
    predictions = evaluate(["informed", "mean", "centroid"], windows, params=params, progress=False)
    everything = apply_choice(predictions, scored(dict.fromkeys(PEOPLE, "centroid+informed"), 0.5), means)
    everything = everything.set_index(["model", "window"])
    pd.testing.assert_frame_equal(everything.loc["mean"], everything.loc[CHOSEN].loc[everything.loc["mean"].index])
    without = predictions[predictions["model"] != "centroid"]
    alone = apply_choice(without, scored(dict.fromkeys(PEOPLE, "informed")), means)
    assert alone.loc[alone["model"] == "mean", "raw_p_stress"].isna().all(), "a member is missing: it stays as it is"


def test_who_lacks_a_member_under_a_seed_is_left_out_there(windows):
    predictions = evaluated(windows, "centroid", "informed")
    choice = scored(dict.fromkeys(dict.fromkeys(predictions["subject"]), "centroid+informed"))
    lost = (predictions["model"] == "informed") & (predictions["subject"] == "S3") & (predictions["seed"] == 1)
    lost |= (predictions["model"] == "centroid") & (predictions["subject"] == "S5")
    whole, applied = (
        apply_choice(table, choice).query("model == @CHOSEN") for table in (predictions, predictions[~lost])
    )
    left = whole[(whole["subject"] != "S5") & ((whole["subject"] != "S3") | (whole["seed"] == 0))]
    pd.testing.assert_frame_equal(applied.reset_index(drop=True), left.reset_index(drop=True))


def test_too_few_people_stay_as_they_are(windows):
    predictions = pd.DataFrame()
    same, nothing = choose(predictions, windows.isel(window=slice(0, 3 * 18)), PARAMS)
    assert same is predictions and nothing.empty


def test_temperatures_for_other_people():
    choice, params = {"": "informed", "S2": "ignorant"}, Params(mean_of=["informed", "centroid"])
    table = pd.concat(scored(choice, value).assign(protocol=name) for name, value in (("cold", 2.0), ("rest", 3.0)))
    assert final_temperatures(table, "informed", params)["rest"] == {"informed": 3.0}
    assert final_temperatures(table, "mean", params)["cold"] == {"informed": 2.0, "centroid": 2.0, "mean": 2.0}
    assert final_temperatures(table, "forest", params) == {}


def test_of_equals_the_one_of_fewest_models_is_chosen(windows):
    assert chosen_of(pairs_of(windows, ["contrary", "ignorant"]), ["S2"]) == {"": "ignorant", "S2": "ignorant"}
    nobody_knows = windows.copy(deep=True)
    nobody_knows["signal"][:, 0, 0] = 0.0
    assert chosen_of(pairs_of(nobody_knows), ["S2"]) == {"": "ignorant", "S2": "ignorant"}


def test_a_temperature_at_the_end_of_what_is_searched_is_told():
    selection = pd.DataFrame({"candidate": ["resnet", "logistic"], "temperature": [20.0, 1.2]})
    (line,) = describe_temperatures(selection.assign(protocol="cold_start", subject=""))
    assert "“resnet” 20.00 (an end of the range" in line and line.endswith("“logistic” 1.20.")
