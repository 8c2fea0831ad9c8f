"""What a gate costs."""

import numpy as np
import pytest

from wesadlib.quality import assess_quality
from wesadlib.quality.coverage import count_accepted, count_reasons, pick_examples, sweep_cutoff


@pytest.fixture
def assessed(toy_windows):
    toy_windows["raw_statistics"].values[8:12, 1, 1] = 30.0
    toy_windows["raw_statistics"].values[20, 2, 0] = 0.5
    toy_windows["raw_statistics"].values[21, 1, 1] = 40.0
    return assess_quality(toy_windows)


def test_accepted_windows_are_counted(assessed):
    by_state = count_accepted(assessed, "label").set_index("label")
    assert by_state.loc["baseline"].tolist() == [48, 48, 1.0]
    assert by_state.loc["stress"].tolist() == [24, 18, 0.75]
    by_person = count_accepted(assessed, "subject").set_index("subject")["accepted"]
    assert by_person["S2"] == 8 and by_person["S3"] == 10 and by_person["S4"] == 12


def test_reasons_are_counted_most_frequent_first(assessed, toy_windows):
    reasons = count_reasons(assessed)
    assert reasons["reason"].tolist() == ["wrist_eda: flat line", "wrist_temp: completeness"]
    assert reasons["windows"].tolist() == [5, 1] and reasons["people"].tolist() == [2, 1]
    toy_windows["raw_statistics"].values[:] = 0
    assert len(count_reasons(assess_quality(toy_windows))) == 0


def test_a_stricter_cutoff_refuses_more(assessed):
    sweep = sweep_cutoff(assessed, "wrist_eda", "flat line")
    stress = sweep[sweep["label"] == "stress"].set_index(sweep["cutoff"][:101].round(2))["refused"]
    assert stress[0.3] == 0 and stress[0.4] == pytest.approx(1 / 24) and stress[0.6] == pytest.approx(5 / 24)
    assert (sweep[sweep["label"] == "baseline"]["refused"] == 0).all()
    assert (np.diff(stress) >= 0).all()


def test_examples_are_the_worst_of_each_reason_beside_the_best_of_the_same_person(assessed):
    examples = pick_examples(assessed)
    assert examples["window"].tolist()[:2] == [21, 20]
    assert examples["channel"].tolist()[:2] == ["wrist_eda", "wrist_temp"]
    assert examples["accepted"].tolist() == [False, False, False]
    subjects = assessed["subject"].values
    assert (subjects[examples["window"]] == subjects[examples["best"]]).all()
    assert assessed["verdict"].values[examples["best"]].all()
    assert examples["score"][0] == pytest.approx(1 - 40 / 60, abs=1e-6)


def test_examples_where_nothing_was_refused(toy_windows):
    examples = pick_examples(assess_quality(toy_windows))
    assert examples["accepted"].all() and len(examples) == 3
