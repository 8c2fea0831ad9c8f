"""People of several labs: what a window is good for, a threshold that follows the person, scores by person."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.errors import InputError
from wesadlib.evaluation import labs
from wesadlib.evaluation.running import budget_threshold, running_reference
from wesadlib.models.physiology import ENDINGS

PHASES = pd.DataFrame(
    [("first", "rest", 0, 900), ("task", "stress", 900, 1500), ("later", "rest", 1500, 2100)],
    columns=["phase", "group", "start_s", "end_s"],
)


def person(name: str, *, response: float = 3.0, phases: pd.DataFrame = PHASES, seed: int = 0) -> pd.DataFrame:
    """Windows of one made recording whose readings all rise in stress, about a level of the person's own."""
    generator = np.random.default_rng([seed, *name.encode()])
    table = labs.label_phases(pd.DataFrame({"start_s": np.arange(0.0, 2041, labs.STEP_S)}), phases)
    level, rise = generator.normal(0, 10, len(ENDINGS)), response * (table["role"] == "stress").to_numpy()[:, None]
    values = level + generator.normal(0, 1, (len(table), len(ENDINGS))) + rise
    names = [f"wrist_{'bvp' if ending == 'heart_rate' else 'eda'}_{ending}" for ending in ENDINGS]
    return table.assign(**dict(zip(names, values.T, strict=True)), subject=name, session="", accepted=True)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return pd.concat([person(f"a/S{k}") for k in range(8)], ignore_index=True)


def test_windows_are_rest_recovery_or_stress_only_where_all_of_them_lies_in_the_phase():
    role = person("a").set_index("start_s")["role"]
    assert set(role.loc[:240]) == {"own_rest"}
    assert set(role.loc[250:290]) == {""}
    assert set(role.loc[300:840]) == {"baseline"}
    assert set(role.loc[850:890]) == {""}
    assert set(role.loc[900:1440]) == {"stress"}
    assert set(role.loc[1500:1610]) == {"recovery"}
    assert set(role.loc[1620:]) == {"baseline"}


def test_rest_that_follows_a_stressor_is_nobodys_own():
    late = person("a", phases=PHASES[1:])
    assert not (late["role"] == "own_rest").any()
    assert (late["role"] == "recovery").any()


scores = st.lists(st.floats(-20, 20), min_size=2, max_size=40)


@settings(max_examples=30, deadline=None)
@given(scores, st.floats(-50, 50), st.integers(1, 39))
def test_the_running_reference_is_causal_and_forgets_a_constant(values, shift, cut):
    score, start_s = np.array(values), 10.0 * np.arange(len(values))
    moving = running_reference(score, start_s)
    assert moving[0] == 0
    assert running_reference(score + shift, start_s) == pytest.approx(moving, abs=1e-9)
    cut = min(cut, len(score))
    assert np.array_equal(running_reference(score[:cut], start_s[:cut]), moving[:cut])


def test_a_quantile_by_hand():
    moving = running_reference(np.array([0.0, 1, 2, 3, 14]), 60.0 * np.arange(5))
    assert moving.tolist() == pytest.approx([0, 0.8, 1.6, 2.4, 13.2])
    assert running_reference(np.array([0.0, 4]), np.array([0.0, 10.0]), quantile=0.0).tolist() == [0, 2]
    assert budget_threshold(np.arange(101.0)) == 90


def test_strangers_with_levels_of_their_own_are_told_by_their_rest_and_not_without(people):
    model = labs.fit_labs(people)
    scored = labs.score_windows(model, pd.concat([person(f"b/S{k}", seed=1) for k in range(6)]))
    balanced = {name: labs.score_people(scored, name)["balanced_accuracy"].mean() for name in labs.PROTOCOLS}
    assert balanced["own_rest"] > 0.95
    assert balanced["running_reference"] > 0.9
    assert balanced["cold_start"] < 0.8
    assert labs.score_people(scored, "running_reference")["false_alarm_rate"].mean() < 0.2


def test_who_has_no_rest_is_scored_cold_and_counted(people):
    model = labs.fit_labs(people)
    scored = labs.score_windows(model, pd.concat([person("b/S1"), person("b/S2", phases=PHASES[1:])]))
    has_rest = scored.groupby("subject")["has_rest"].first()
    assert has_rest.to_dict() == {"b/S1": True, "b/S2": False}
    odds = scored["own_rest"] * model.temperature["own_rest"]
    same = np.isclose(odds, scored["cold_start"] * model.temperature["cold_start"])
    assert same[scored["subject"] == "b/S2"].all()
    assert not same[scored["subject"] == "b/S1"].any()


def test_people_count_alike_and_one_without_both_states_not_at_all():
    scored = pd.concat([person("a"), person("b", phases=PHASES[:1]), person("c")])
    scored["own_rest"] = np.where(scored["role"] == "stress", 1.0, -1.0)
    scored.loc[scored["subject"] == "c", "own_rest"] = 1.0
    table = labs.score_people(scored, "own_rest")
    assert table["balanced_accuracy"].to_dict() == {"a": 1.0, "c": 0.5}
    assert table["false_alarm_rate"].to_dict() == {"a": 0.0, "c": 1.0}
    summary = labs.summarise_people(table)
    assert (summary["people"], summary["balanced_accuracy"], summary["roc_auc_within"]) == (2, 0.75, 0.75)
    assert summary["balanced_accuracy_low"] == 0.5
    with pytest.raises(InputError, match="nobody has windows of both"):
        labs.summarise_people(table[:0])
    with pytest.raises(InputError, match="1 person to learn from"):
        labs.fit_labs(person("a"))
