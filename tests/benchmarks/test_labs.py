"""People of several labs: what a window is good for, who learns and who is tested, scores by person, exercise."""

import lab_tables
import lab_windows
import minutes
import numpy as np
import pandas as pd
import pytest
import transfer
from comparators import make_model
from lab_tables import hold_back, measure_responses, score_exercise, score_people, score_protocols, summarise_people
from open_wrist import save_open_wrist

from wesadlib.artefacts import file_digest
from wesadlib.bundle import load_bundle, read_config
from wesadlib.errors import InputError
from wesadlib.evaluation.alarm import Rule
from wesadlib.evaluation.events import BUDGET
from wesadlib.evaluation.whole_recordings import tabulate_windows
from wesadlib.models.exertion import FEATURES, ExertionGate, fit_threshold
from wesadlib.models.physiology import ENDINGS
from wesadlib.params import Params

PHASES = pd.DataFrame(
    [("first", "rest", 0, 900), ("task", "stress", 900, 1500), ("later", "rest", 1500, 2100)],
    columns=["phase", "group", "start_s", "end_s"],
)


def person(name: str, *, response: float = 3.0, phases: pd.DataFrame = PHASES, seed: int = 0) -> pd.DataFrame:
    """Windows of one made recording whose readings all rise in stress, about a level of the person's own."""
    generator = np.random.default_rng([seed, *name.encode()])
    table = lab_windows.label_phases(pd.DataFrame({"start_s": np.arange(0.0, 2041, lab_windows.STEP_S)}), phases)
    level, rise = generator.normal(0, 10, len(ENDINGS)), response * (table["role"] == "stress").to_numpy()[:, None]
    values = level + generator.normal(0, 1, (len(table), len(ENDINGS))) + rise
    names = [f"wrist_{'bvp' if ending == 'heart_rate' else 'eda'}_{ending}" for ending in ENDINGS]
    table = table.assign(**dict(zip(names, values.T, strict=True)), subject=name, session="", accepted=True)
    moving = (table["role"] == "exercise").to_numpy()[:, None]
    movement = generator.normal(0, 1, (len(table), len(FEATURES))) + 8 * moving
    return table.assign(**dict(zip(FEATURES, movement.T, strict=True)), lab=name.partition("/")[0])


CYCLING = pd.DataFrame([("ride", "exercise", 200, 1900)], columns=["phase", "group", "start_s", "end_s"])


def rider(name: str, seed: int) -> pd.DataFrame:
    """Sitting, and two rides that move heart and skin as stress does."""
    ride = person(name, phases=CYCLING, seed=seed + 1)
    for reading in [column for column in ride if column.startswith(("wrist_bvp", "wrist_eda"))]:
        ride[reading] += 3.0 * (ride["role"] == "exercise")
    rides = [ride.assign(session=session) for session in ("AEROBIC", "ANAEROBIC")]
    return pd.concat([person(name, seed=seed), *rides], ignore_index=True)


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


def test_strangers_with_levels_of_their_own_are_told_by_their_rest_and_not_without(people):
    model = transfer.fit_labs(people)
    scored = transfer.score_windows(model, pd.concat([person(f"b/S{k}", seed=1) for k in range(6)]))
    balanced = {name: score_people(scored, name)["balanced_accuracy"].mean() for name in transfer.PROTOCOLS}
    assert balanced["own_rest"] > 0.95
    assert balanced["running_reference"] > 0.9
    assert balanced["cold_start"] < 0.8
    assert score_people(scored, "running_reference")["false_alarm_rate"].mean() < 0.2


def test_who_has_no_rest_is_scored_cold_and_counted(people):
    model = transfer.fit_labs(people)
    scored = transfer.score_windows(model, pd.concat([person("b/S1"), person("b/S2", phases=PHASES[1:])]))
    has_rest = scored.groupby("subject")["has_rest"].first()
    assert has_rest.to_dict() == {"b/S1": True, "b/S2": False}
    for rested, cold in transfer.COLD.items():
        same = scored[rested] == scored[cold]
        assert same[scored["subject"] == "b/S2"].all()
        assert not same[scored["subject"] == "b/S1"].all()


def test_a_course_names_what_is_neither_task_nor_rest_block_by_block():
    spans = [("meditation", "other", 0, 300), ("first", "rest", 300, 600), ("task", "stress", 900, 1200)]
    spans += [("meditation", "other", 1200, 1500), ("talk", "stress", 1500, 1800), ("ride", "exercise", 1800, 2100)]
    table = person("a", phases=pd.DataFrame(spans, columns=PHASES.columns)).assign(score=1.0)
    (course,) = transfer.follow_sessions(table, "score", ["task"]).values()
    named = pd.Series(course.phase).groupby(course.phase).size() * lab_windows.STEP_S
    expected = {"": 10, "meditation": 540, "baseline": 300, "anticipation": 300, "task": 300}
    assert named.to_dict() == expected | {"provocation": 300, "exercise": 300}
    assert course.tasks == ((900, 1200),) and course.outside.sum() * lab_windows.STEP_S == 10 + 540 + 300


def test_alarms_of_a_lab_are_by_the_rules_of_others_and_none_of_exertion(people):
    model = transfer.fit_labs(people, budgets=[BUDGET, 100.0])
    out = [person(f"b/S{k}", seed=1).assign(exertion=False) for k in range(3)]
    # One without rest of the own, and one without a task.
    out += [person(f"b/S{k}", phases=PHASES[k - 2 : k - 1], seed=1).assign(exertion=False) for k in (3, 4)]
    out[0]["exertion"] = out[0]["role"] == "stress"
    rows, courses = lab_tables.score_lab(model, pd.concat(out, ignore_index=True), ["task"])
    rows = rows.set_index(["protocol", "budget_per_h", "subject"]).sort_index()
    rested = rows.loc["running_reference", BUDGET]
    assert rested["detected"].to_dict() == {"S0": 0, "S1": 1, "S2": 1, "S3": 1}
    assert rested.loc["S3"].equals(rows.loc["running_cold", BUDGET].loc["S3"])
    assert rested.loc["S1", list(Rule._fields)].tolist() == list(model.alarm["running_reference"][BUDGET])
    assert model.alarm["running_cold"][100.0].threshold < model.alarm["running_cold"][BUDGET].threshold
    assert courses.groupby(["protocol", "subject"]).size().tolist() == [205] * 10


def test_a_refused_window_changes_no_other_and_is_still_scored(people):
    model, table = transfer.fit_labs(people), person("b/S1", seed=1)
    table["accepted"] = np.arange(len(table)) % 7 > 1
    table.loc[::11, "wrist_bvp_heart_rate"] = np.nan
    spoilt = table.copy()
    names = [name for name in table if name.startswith("wrist_")]
    spoilt.loc[~table["accepted"], names] *= -50
    scored, again = (transfer.score_windows(model, each)[list(transfer.PROTOCOLS)] for each in (table, spoilt))
    pd.testing.assert_frame_equal(scored[table["accepted"]], again[table["accepted"]])
    assert np.isfinite(again.to_numpy()).all() and not scored.equals(again)


def test_a_balanced_threshold_tells_people_apart_best_and_a_budget_keeps_to_rest(people):
    shares = {}
    for balanced in (False, True):
        scored = transfer.score_windows(transfer.fit_labs(people, balanced=balanced), people)
        table = score_people(scored, "running_reference")
        shares[balanced] = table["balanced_accuracy"].mean(), table["false_alarm_rate"].mean()
    assert shares[True] > shares[False] and shares[False][1] == pytest.approx(0.1, abs=0.05)
    scored = pd.concat([person(name).assign(score=lambda one: (one["role"] == "stress") - 0.5) for name in "ab"])
    scored = lab_windows.choose_scored(scored.reset_index(drop=True))
    scored.loc[scored["subject"] == "b", "score"] += 0.2
    assert -0.3 <= lab_windows.balanced_threshold(scored, "score") < 0.5


def test_people_count_alike_and_one_without_both_states_not_at_all():
    scored = pd.concat([person("a"), person("b", phases=PHASES[:1]), person("c")])
    scored["own_rest"] = np.where(scored["role"] == "stress", 1.0, -1.0)
    scored.loc[scored["subject"] == "c", "own_rest"] = 1.0
    table = score_people(scored, "own_rest")
    assert table["balanced_accuracy"].to_dict() == {"a": 1.0, "c": 0.5}
    assert table["false_alarm_rate"].to_dict() == {"a": 0.0, "c": 1.0}
    summary = summarise_people(table)
    assert (summary["people"], summary["balanced_accuracy"], summary["roc_auc_within"]) == (2, 0.75, 0.75)
    assert summary["balanced_accuracy_low"] == 0.5
    with pytest.raises(InputError, match="nobody has windows of both"):
        summarise_people(table[:0])
    with pytest.raises(InputError, match="1 person to learn from"):
        transfer.fit_labs(person("a"))


def test_every_lab_is_left_out_by_the_others_and_nobody_is_tested_by_a_model_that_saw_them():
    table = pd.concat([person(f"{lab}/S{k}") for lab in "abc" for k in range(4)], ignore_index=True)
    pairs = []
    for train, test, taught, out in lab_tables.leave_one_lab_out(table):
        pairs.append((train, test))
        assert set(taught["lab"]) == set(train.split("+")) and set(out["lab"]) == {test}
    assert len(pairs) == 9 and ("a+b", "c") in pairs
    left = []
    for taught, out in lab_tables.leave_people_out(table):
        assert not set(taught["subject"]) & set(out["subject"])
        assert set(taught["lab"]) == set("abc")
        left += list(out["subject"].unique())
    assert sorted(left) == sorted(table["subject"].unique())


def test_labs_that_cannot_be_left_out_are_refused():
    with pytest.raises(InputError, match="windows of 1 lab; leaving one out takes two"):
        list(lab_tables.leave_one_lab_out(person("a/S1")))
    with pytest.raises(InputError, match="b: fewer than three people"):
        list(lab_tables.leave_people_out(pd.concat([person(f"a/S{k}") for k in range(3)] + [person("b/S1")])))


def test_a_heart_rate_is_carried_over_two_minutes_of_one_session_and_no_further():
    start_s = 10.0 * np.arange(20)
    rate = np.where(start_s == 30, 70.0, np.nan)
    carried = transfer.carry_forward(rate, start_s)
    assert np.isnan(carried[:3]).all() and (carried[3:16] == 70).all() and np.isnan(carried[16:]).all()
    table = person("a")
    table.loc[1:, "wrist_bvp_heart_rate"] = np.nan
    table.loc[table.index > 5, "session"] = "next"
    assert transfer.carry_heart(table)["wrist_bvp_heart_rate"].notna().sum() == 6


@pytest.mark.parametrize("name", ["sum", "coral", "logistic"])
def test_what_the_small_model_is_held_against_tells_made_people(people, name):
    out = pd.concat([person(f"b/S{k}", seed=1) for k in range(4)], ignore_index=True)
    still = transfer.PROTOCOLS[:2]
    scored = transfer.score_windows(
        transfer.fit_labs(people, None, lambda: make_model(name, out, Params()), still), out
    )
    assert score_people(scored, "own_rest")["balanced_accuracy"].mean() > 0.85
    assert "running_reference" not in scored


def test_exercise_is_held_back_in_people_and_kinds_that_the_gate_has_not_seen_and_stress_is_not(monkeypatch):
    for module in (transfer, lab_tables):
        monkeypatch.setattr(module, "FOLDS", 2)
    riders = [rider(f"hongn/S{k}", seed=k) for k in range(4)]
    home = [person(f"wesad/S{k}", seed=9) for k in range(3)]
    table = hold_back(pd.concat([*riders, *home], ignore_index=True))
    model = transfer.fit_labs(table[table["lab"] == "wesad"], ["task"])
    shares = score_exercise(
        transfer.score_windows(model, table[table["lab"] == "hongn"]), table[table["lab"] == "wesad"]
    )
    assert shares["called_stress_without_gate"] > 0.2
    assert shares["called_stress"] < 0.02 and shares["called_stress_other_kind"] < 0.02
    assert shares["abstained_at_home"] < 0.05 and shares["abstained"] > 0.95
    assert lab_windows.is_seated(table).groupby(table["session"]).mean().to_dict() == {
        "": 1,
        "AEROBIC": 0,
        "ANAEROBIC": 0,
    }


def test_both_ways_of_counting_what_is_not_answered(people, monkeypatch):
    monkeypatch.setitem(lab_windows.STRESSORS, "a", ("task",))
    scored = transfer.score_windows(transfer.fit_labs(people), people).assign(exertion=False)
    stress = scored["role"] == "stress"
    scored.loc[stress, "exertion"] = True
    scored["own_rest"] = np.where(stress, 5.0, -5.0)
    rows, table = score_protocols(scored, {"train": "a", "test": "a", "model": "physiology"})
    (row,) = [row for row in rows if (row["task"], row["protocol"]) == ("stress", "own_rest")]
    assert row["accuracy"] == row["accuracy_answered"] == 1
    assert row["accuracy_abstained_as_rest"] == pytest.approx(row["answered"]) and row["answered"] < 0.7
    assert len(table) == len(transfer.PROTOCOLS) * 8


def test_responses_are_in_spreads_of_rest(people):
    table = measure_responses(people).set_index(["phase", "reading"])
    assert table.loc["task", "response"].between(2, 4).all() and (table.loc["task", "rising"] == 1).all()
    assert (table["people"] == 8).all()


def test_the_gate_is_the_same_from_its_file_and_says_nothing_where_movement_was_not_read(tmp_path):
    generator = np.random.default_rng(0)
    exercise = np.arange(600) % 2 == 0
    movement = generator.normal(0, 1, (600, len(FEATURES))) + 2 * exercise[:, None]
    gate = ExertionGate(0.5).fit(movement, exercise)
    assert (gate.holds_back(movement) == exercise).mean() > 0.95
    gate.save(tmp_path / "exertion.json")
    again = ExertionGate.load(tmp_path / "exertion.json")
    assert np.array_equal(again.score(movement), gate.score(movement)) and again.threshold == 0.5
    movement[3, 2] = np.nan
    assert not again.holds_back(movement)[3]
    text = (tmp_path / "exertion.json").read_text()
    for broken in (text.replace("jerk", "jump"), text.replace('"left":[1,', '"left":[0,'), text[:-40], "{}"):
        (tmp_path / "exertion.json").write_text(broken)
        with pytest.raises(InputError, match="not a saved gate"):
            ExertionGate.load(tmp_path / "exertion.json")
    with pytest.raises(InputError, match="one is missing"):
        ExertionGate().fit(movement, exercise | True)
    assert (np.arange(1000.0) > fit_threshold(np.arange(1000.0))).mean() == pytest.approx(0.005, abs=1e-3)


def test_a_bundle_of_two_labs_is_made_again_byte_for_byte(tmp_path):
    phases = pd.DataFrame(
        [("first", "rest", 0, 200), ("tmct", "stress", 200, 400)], columns=["phase", "group", "start_s", "end_s"]
    )
    tables = []
    for seed in range(3):
        windows = tabulate_windows(minutes.wrist_recording(seed, 400.0), "wrist", 10.0, channels=lab_windows.CHANNELS)
        table = lab_windows.label_phases(windows, phases)
        # The first minutes are nobody's own here, so that there is rest to learn from.
        table.loc[(table["role"] == "own_rest") & (table["start_s"] >= 60), "role"] = "baseline"
        tables.append(table.assign(subject=f"hongn/S{seed}", lab="hongn", session=""))
    table = pd.concat(tables, ignore_index=True)
    movement = np.random.default_rng(0).normal(0, 1, (400, len(FEATURES)))
    gate = ExertionGate(1.0).fit(movement, movement[:, 0] > 0)
    folders = []
    for name in "ab":
        model = transfer.fit_labs(table, ["tmct"], budgets=[BUDGET])
        folders.append(save_open_wrist(model, gate, table, tmp_path / name, stressors=["tmct"], metrics=[]))
    assert file_digest(folders[0]) == file_digest(folders[1])
    assert load_bundle(folders[0]).gate.threshold == 1.0
    rules = {"cold": "running_cold", "rested": "running_reference"}
    for kind, rule in read_config(folders[0])["alarm"].items():
        assert rule == model.alarm[rules[kind]][BUDGET]._asdict()
