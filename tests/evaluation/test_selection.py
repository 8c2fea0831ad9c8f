"""The choice inside: whom it may see, what it comes to, and how it is applied."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import stub_models
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.errors import InputError
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.selection import (
    CHOSEN,
    apply_choice,
    draw_groups,
    list_candidates,
    predict_pairs,
    score_candidates,
)
from wesadlib.params import Params

PARAMS = Params(selection_groups=3, rest_minutes=2)
STUBS = ["ignorant", "contrary", "informed"]


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Seven people in whom the informed stub is right of every window."""
    windows = make_windows_of_toys(n_subjects=7, per_subject=18, window_s=60.0, rate_hz=1.0)
    return tell(windows, windows["label"].values == "stress")


def tell(windows, stress):
    """Windows whose first sample says whether there is stress."""
    signal = windows["signal"].values.copy()
    signal[:, 0, 0] = np.where(stress, 1.0, -1.0)
    return windows.assign(signal=(windows["signal"].dims, signal))


def pairs_of(windows, models=STUBS, params=PARAMS, seed=0, protocol="cold_start", **options):
    return predict_pairs(models, windows, protocol=protocol, seed=seed, params=params, progress=False, **options)


def chosen_of(pairs, people=()):
    table = score_candidates(pairs, people)
    return table[table["chosen"]].set_index("subject")["candidate"].to_dict()


@settings(max_examples=50, deadline=None)
@given(people=st.integers(3, 30), number=st.integers(3, 30), seed=st.integers(0, 50))
def test_groups_are_as_equal_as_can_be_and_follow_from_the_seed(people, number, seed):
    names = [f"S{k}" for k in range(people)]
    if number > people:
        with pytest.raises(InputError, match=rf"^{people} subjects .* lower `selection_groups` to at most {people}"):
            draw_groups(names, number, seed)
        return
    group = draw_groups(names, number, seed)
    assert set(group) == set(names)
    sizes = Counter(group.values())
    assert set(sizes) == set(range(number)) and max(sizes.values()) - min(sizes.values()) <= 1
    assert draw_groups(names, number, seed) == group


@pytest.mark.parametrize("protocol", ["cold_start", "rest_calibrated"])
def test_each_pair_of_groups_is_predicted_by_a_model_that_saw_neither(windows, monkeypatch, protocol):
    seen = []
    stub_models.spy_on_predictions(monkeypatch, seen)
    pairs = pairs_of(windows, ["restful"], protocol=protocol, params=PARAMS)
    group = draw_groups(list(dict.fromkeys(windows["subject"].values)), 3, 0)
    assert (pairs["group"] == pairs["subject"].map(group)).all() and (pairs["group"] != pairs["other"]).all()
    assert len(seen) == 3
    for shown in seen:
        out = {group[person] for person in shown["tested"]}
        taught = shown["taught"].keys() | shown["validated"].keys()
        assert len(out) == 2 and {group[person] for person in taught} == {0, 1, 2} - out
        if protocol == "rest_calibrated":
            assert shown["rest"].keys() == taught and shown["rest_of_tested"].keys() == shown["tested"].keys()
    # Each window once for either other group.
    counts = pairs.groupby("window")["other"].agg(set)
    assert counts.map(len).eq(2).all() and not pairs.duplicated(["window", "other"]).any()
    rest = 3 + 3 if protocol == "rest_calibrated" else 0
    assert len(counts) == 7 * (18 - rest)


def test_candidates_are_the_models_and_means_of_two_and_three():
    assert list_candidates(["a", "b", "c"]) == ["a", "b", "c", "a+b", "a+c", "b+c", "a+b+c"]
    assert len(list_candidates(list("abcde"))) == 5 + 10 + 10


def test_what_is_plainly_better_in_every_group_is_chosen_for_everybody(windows):
    people = [f"S{k}" for k in range(2, 9)]
    table = score_candidates(pairs_of(windows), people)
    assert list(table.columns) == ["protocol", "subject", "candidate", "brier", "chosen"]
    assert set(table["protocol"]) == {"cold_start"}
    assert table[table["chosen"]].set_index("subject")["candidate"].to_dict() == dict.fromkeys(
        ["", *people], "informed"
    )
    # (1 - p)² of two states: of p = 0.9, 0.5, 0.1 and of their means.
    brier = table[table["subject"] == "S4"].set_index("candidate")["brier"]
    known = {"informed": 0.01, "ignorant": 0.25, "contrary": 0.81, "ignorant+informed": 0.09, "contrary+informed": 0.25}
    assert brier[list(known)].to_numpy() == pytest.approx(list(known.values()))


@pytest.mark.parametrize("person", ["S2", "S5", "S8"])
def test_the_choice_for_a_person_has_seen_nothing_of_the_person(windows, person):
    people = list(dict.fromkeys(windows["subject"].values))
    group = draw_groups(people, 3, 0)
    own = windows["subject"].values == person
    wrong = tell(windows, (windows["label"].values == "stress") ^ own).copy(deep=True)
    wrong["signal"][np.flatnonzero(own), 1:] = 1e3
    wrong["label"][np.flatnonzero(own)] = windows["label"].values[own][::-1].copy()
    models = ["centroid", *STUBS]
    before, after = (score_candidates(pairs_of(data, models), people) for data in (windows, wrong))
    same = {name: before[before["subject"] == name].equals(after[after["subject"] == name]) for name in ["", *people]}
    for name in people:
        # Of the same group nobody's choice counts the person, of another everybody's does.
        assert same[name] == (group[name] == group[person])
    assert same[person] and not same[""]


def test_a_choice_turns_where_others_turn_it(windows):
    # Two groups of three are lied about: the third group's choice follows them, and theirs is drawn both ways.
    people = list(dict.fromkeys(windows["subject"].values))
    group = draw_groups(people, 3, 0)
    lied = np.array([group[name] != 0 for name in windows["subject"].values])
    turned = tell(windows, (windows["label"].values == "stress") ^ lied)
    chosen = chosen_of(pairs_of(turned), people)
    assert {chosen[name] for name in people if group[name] == 0} == {"contrary"}
    assert "informed" not in {chosen[name] for name in people if group[name] == 0}


def test_a_choice_needs_every_fold(windows, monkeypatch):
    group = draw_groups(list(dict.fromkeys(windows["subject"].values)), 3, 0)
    first = next(name for name in group if group[name] == 2)
    monkeypatch.setattr(stub_models.Failing, "people", (first,))
    with (
        pytest.warns(UserWarning, match="no idea"),
        pytest.raises(InputError, match=r"^the choice of a configuration needs every fold: fold of groups"),
    ):
        pairs_of(windows, ["failing", "centroid"])


def scored(**choice):
    return pd.DataFrame({"subject": list(choice), "candidate": list(choice.values()), "chosen": True})


def test_a_choice_is_applied_person_by_person_and_averages_its_members(windows):
    options = {"seeds": [0, 1], "params": PARAMS, "workers": 0, "progress": False}
    predictions = evaluate(["centroid", *STUBS], windows, **options)
    people = list(dict.fromkeys(windows["subject"].values))
    choice = dict.fromkeys(people, "informed") | {"S3": "centroid+contrary", "S4": "centroid+contrary+informed"}
    applied = apply_choice(predictions.sample(frac=1, random_state=0), scored(**choice))
    assert list(applied.columns) == list(predictions.columns)
    assert set(applied["model"]) == {CHOSEN} and len(applied) == 2 * windows.sizes["window"]
    assert not applied.duplicated(["seed", "window"]).any()
    columns = ["p_baseline", "p_stress"]
    indexed = predictions.set_index(["model", "seed", "window"])
    for row in applied.itertuples():
        members = choice[row.subject].split("+")
        expected = np.mean([indexed.loc[(name, row.seed, row.window), columns] for name in members], axis=0)
        assert np.allclose([row.p_baseline, row.p_stress], expected.astype(float), rtol=0, atol=1e-15)
        first = indexed.loc[(members[0], row.seed, row.window)]
        assert (row.subject, row.label, row.start_s, row.accepted) == tuple(
            first[["subject", "label", "start_s", "accepted"]]
        )
    assert len(score(applied)) == 1


def test_who_lacks_a_member_under_a_seed_is_left_out_there(windows):
    options = {"seeds": [0, 1], "params": PARAMS, "workers": 0, "progress": False}
    predictions = evaluate(["centroid", "informed"], windows, **options)
    choice = scored(**dict.fromkeys(dict.fromkeys(predictions["subject"]), "centroid+informed"))
    lost = (predictions["model"] == "informed") & (predictions["subject"] == "S3") & (predictions["seed"] == 1)
    lost |= (predictions["model"] == "centroid") & (predictions["subject"] == "S5")
    applied = apply_choice(predictions[~lost], choice)
    there = applied.groupby("subject")["seed"].agg(lambda seed: sorted(set(seed))).to_dict()
    assert there == {name: [0] if name == "S3" else [0, 1] for name in choice["subject"] if name != "S5"}
    whole = apply_choice(predictions, choice)
    kept = whole.merge(applied[["seed", "window"]], on=["seed", "window"])
    pd.testing.assert_frame_equal(kept, applied)
    with pytest.raises(InputError, match=r"^no prediction by the configurations that were chosen"):
        apply_choice(predictions[predictions["model"] == "centroid"], choice)


def test_of_equals_the_one_of_fewest_models_is_chosen(windows):
    assert chosen_of(pairs_of(windows, ["contrary", "ignorant"]), ["S2"]) == {"": "ignorant", "S2": "ignorant"}
    nobody_knows = tell(windows, np.ones(windows.sizes["window"], bool)).copy()
    nobody_knows["signal"][:, 0, 0] = 0.0
    assert chosen_of(pairs_of(nobody_knows), ["S2"]) == {"": "ignorant", "S2": "ignorant"}
