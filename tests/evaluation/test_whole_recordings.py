"""Whole recordings of people left out: the folds' own predictions, and rules that the person had no part in."""

import minutes
import numpy as np
import pandas as pd
import pytest

from wesadlib.errors import InputError
from wesadlib.evaluation import evaluate, events, whole_recordings
from wesadlib.evaluation.alarm import Rule
from wesadlib.evaluation.folds import windows_of_classes
from wesadlib.params import Params

PHASES = [("baseline", 0, 480), ("transition", 480, 600), ("task", 600, 900), ("meditation", 900, 1200)]
PARAMS = Params(device="wrist", selection_groups=3, rest_minutes=2.0)


def person(subject: str, seed: int) -> pd.DataFrame:
    """Windows of one made recording whose readings rise in the task."""
    generator = np.random.default_rng(seed)
    start_s = np.arange(0.0, 1141, whole_recordings.STEP_S)
    state = np.select([start_s < 450, start_s < 570, start_s < 870], ["baseline", "transient", "stress"], "meditation")
    rise = 3.0 * (state == "stress") + generator.normal(0, 1)
    table = {f"wrist_eda_{k}": rise + generator.normal(0, 1, len(start_s)) for k in range(4)}
    accepted = generator.random(len(start_s)) > 0.05
    return pd.DataFrame(table | {"start_s": start_s, "state": state, "accepted": accepted, "subject": subject})


@pytest.fixture(scope="module")
def table():
    return pd.concat([person(f"S{k}", k) for k in range(2, 8)], ignore_index=True)


@pytest.fixture(scope="module")
def phases(table):
    one = pd.DataFrame(PHASES, columns=["phase", "start_s", "end_s"])
    return pd.concat([one.assign(subject=name) for name in table["subject"].unique()], ignore_index=True)


@pytest.fixture(scope="module")
def predictions(table):
    return whole_recordings.predict_people(["logistic"], table, "cold_start", PARAMS, progress=False)


@pytest.mark.parametrize("protocol", ["cold_start", "rest_calibrated"])
def test_a_whole_recording_is_predicted_as_the_folds_predict_its_labelled_windows(table, protocol):
    whole = whole_recordings.predict_people(["logistic"], table, protocol, PARAMS, progress=False)
    made = table[table["state"].isin(PARAMS.classes) & (table["start_s"] % PARAMS.hop_s == 0)]
    windows = windows_of_classes(whole_recordings._to_dataset(made), PARAMS.classes)
    folds = evaluate("logistic", windows, protocol=protocol, params=PARAMS, progress=False)
    alone = whole[whole["fold"] == whole["subject"]].set_index(["subject", "start_s"])["p_stress"]
    assert len(alone) == len(table)
    expected = folds.set_index(["subject", "start_s"])["p_stress"]
    np.testing.assert_allclose(alone[expected.index], expected, rtol=1e-9)


def test_a_person_s_rule_owes_nothing_to_the_person(predictions, phases):
    people, timelines = whole_recordings.score_alarms(predictions, phases)
    assert set(people["protocol"]) == {"cold_start", "running_cold"} and len(people) == 5 * 12
    spoilt = predictions.copy()
    spoilt.loc[(spoilt["subject"] == "S2"), "p_stress"] = 0.5
    other, _ = whole_recordings.score_alarms(spoilt, phases)
    rule = ["protocol", "budget_per_h", *Rule._fields]
    rows, others = (part.loc[part["subject"] == "S2", rule].reset_index(drop=True) for part in (people, other))
    pd.testing.assert_frame_equal(rows, others)
    cold, running = (part["score"].to_numpy() for _, part in timelines.groupby("protocol"))
    assert timelines["alarm"].any() and not np.array_equal(cold, running, equal_nan=True)


def test_alarms_are_summed_up_over_people(predictions, phases):
    people, _ = whole_recordings.score_alarms(predictions, phases)
    # As if there had been two tasks.
    people.loc[people["subject"] == "S2", "detected"] = 0.5
    summary = whole_recordings.summarise_alarms(people).set_index(["protocol", "budget_per_h"])
    row, part = summary.loc[("cold_start", 4.0)], people[(people["protocol"] == "cold_start")]
    part = part[part["budget_per_h"] == 4.0]
    soon = part.set_index("subject")["latency_s"].drop("S2") <= events.DETECTED_S
    assert row["people"] == 6 and row["detected"] == soon.sum() >= 4
    assert row["tasks_detected"] == pytest.approx((soon.sum() + 0.5) / 6)
    assert row["worst_false_alarms_per_h"] == part["false_alarms_per_h"].max() >= row["false_alarms_per_h"]
    assert 0 <= row["meditation_called_stress"] <= 1


def test_without_stress_among_the_states_there_is_nothing_to_alarm_of(table):
    with pytest.raises(InputError, match="not among `classes`"):
        whole_recordings.predict_people(["logistic"], table, "cold_start", Params(classes=["baseline", "amusement"]))


def test_windows_of_meditation_lie_wholly_in_it(phases):
    time_s = np.arange(60.0, 1201, 5)
    course = events.Course.from_phases(np.zeros(len(time_s)), time_s, phases[phases["subject"] == "S2"])
    row, _ = whole_recordings.score_course(course, Rule(1.0), np.where(time_s == 960, 0.9, 0.1))
    assert row["meditation_above_half"] == 1 / len(np.arange(960, 1196, 5))


def test_windows_of_poor_quality_are_not_accepted():
    recording = minutes.wrist_recording(0, 240.0)
    recording.signals["wrist_bvp"][: 120 * 64] = 0.0
    table = whole_recordings.tabulate_windows(recording, "wrist", 60.0, channels=["wrist_bvp"])
    assert table["start_s"].tolist() == [0, 60, 120, 180]
    assert table["accepted"].tolist() == [False, False, True, True]
