import numpy as np
import pandas as pd
import pytest
from known_predictions import make_predictions

from wesadlib.evaluation.abstention import (
    abstention_by_state,
    calibration_curve,
    confidence_gap,
    per_person_at,
    risk_coverage_counts,
    risk_coverage_curve,
)
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import describe_gaps


def test_who_answers_what_is_counted(predictions):
    table = risk_coverage_counts(predictions, [0, 0.75, 0.95]).set_index(["threshold", "subject"])
    assert table.loc[0, ["n_windows", "answered", "correct"]].to_numpy().tolist() == [[4, 4, 3], [2, 2, 1]]
    # At least 0.75: S2's 0.9, 0.9 and 0.8, all right; S3's 0.8, which is wrong.
    assert table.loc[0.75, ["n_windows", "answered", "correct"]].to_numpy().tolist() == [[4, 3, 3], [2, 1, 0]]
    curve = risk_coverage_curve(table.reset_index()).set_index("threshold")
    assert curve["coverage"].tolist() == pytest.approx([1, 4 / 6, 0])
    assert curve["accuracy"].tolist() == pytest.approx([4 / 6, 3 / 4, np.nan], nan_ok=True)
    assert curve["unanswered"].tolist() == [0, 0, 2]
    people = per_person_at(table.reset_index(), 0.75)[["subject", "coverage", "accuracy", "accuracy_of_all"]]
    assert people.to_numpy().tolist() == [["S2", 0.75, 1.0, 0.75], ["S3", 0.5, 0.0, 0.5]]
    nobody = per_person_at(table.reset_index(), 0.95)
    assert nobody["coverage"].tolist() == [0, 0] and nobody["accuracy"].isna().all()


def test_a_window_at_the_threshold_is_answered():
    one = make_predictions([("S2", "stress", 0.7), ("S3", "stress", 0.69)])
    assert risk_coverage_counts(one, [0.7])["answered"].tolist() == [1, 0]
    assert abstention_by_state(one, 0.7)["answered"].tolist() == [0.5]


def test_coverage_falls_and_full_coverage_is_the_score(random_predictions):
    curve = risk_coverage_curve(risk_coverage_counts(random_predictions))
    for model, part in curve.groupby("model"):
        assert part["coverage"].is_monotonic_decreasing and part["coverage"].iloc[0] == 1
        whole = score(random_predictions).set_index("model").loc[model]
        assert part["accuracy"].iloc[0] == pytest.approx(whole["accuracy"])
        assert part["accuracy_low"].iloc[0] == pytest.approx(whole["accuracy_low"])
        assert part["accuracy"].iloc[80] > part["accuracy"].iloc[0], "confident answers are better here"


def test_the_calibration_curve_sums_to_the_error(random_predictions):
    one = random_predictions.query("seed == 3")
    curve = calibration_curve(one)
    ece = (curve["share"] * (curve["accuracy"] - curve["confidence"]).abs()).groupby(curve["model"]).sum()
    assert ece.to_dict() == pytest.approx(score(one).set_index("model")["ece"].to_dict())
    assert curve.groupby("model")["share"].sum().tolist() == pytest.approx([1, 1])
    assert curve["confidence"].between(curve["low_edge"], curve["high_edge"]).all()
    several = curve[curve["people"] > 1]
    assert several["accuracy"].between(several["accuracy_low"], several["accuracy_high"]).all()
    assert curve.loc[curve["people"] == 1, "accuracy_low"].isna().all()


@pytest.mark.parametrize(
    ("claimed", "right", "verdict"),
    [(0.95, 0.7, "over-confident"), (0.6, 0.9, "under-confident"), (0.8, 0.8, "undecided")],
)
def test_the_verdict_on_confidence_follows_the_data(claimed, right, verdict):
    rows = []
    for person in range(10):
        correct = np.arange(20) < 20 * right + (person % 3 - 1)
        rows += [(f"S{person}", "stress", claimed if good else 1 - claimed) for good in correct]
    (row,) = (gaps := confidence_gap(make_predictions(rows))).to_dict("records")
    assert row["verdict"] == verdict
    (sentence,) = describe_gaps(gaps)
    assert f"claims {100 * claimed:.1f} % on average and achieves {100 * row['accuracy']:.1f} %" in sentence
    assert (verdict in sentence) == ("do not show that it claims too much" not in sentence) == (verdict != "undecided")
    assert row["gap"] == pytest.approx(row["confidence"] - row["accuracy"])
    assert row["gap_low"] <= row["gap"] <= row["gap_high"]


def test_one_person_decides_nothing():
    row = confidence_gap(make_predictions([("S2", "stress", 0.99), ("S2", "stress", 0.1)])).iloc[0]
    assert row["verdict"] == "undecided" and pd.isna(row["gap_low"])


def test_abstention_of_each_state_and_the_majority_on_the_same_answers(predictions):
    # Confidence, right or wrong: of baseline .9 r, .6 w, .7 r; of stress .9 r, .8 r, .8 w.
    table = abstention_by_state(predictions, 0.65).set_index("label")
    assert table["n_windows"].to_dict() == {"baseline": 3, "stress": 3}
    assert table.loc["baseline"].iloc[4:].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1, 3 / 5])
    assert table.loc["stress"].iloc[4:].tolist() == pytest.approx([1, 2 / 3, 2 / 3, 2 / 3, 3 / 5])
    nobody = abstention_by_state(predictions, 0.95)
    assert nobody["answered"].tolist() == [0, 0] and nobody[["correct_of_answers", "majority"]].isna().all(axis=None)
