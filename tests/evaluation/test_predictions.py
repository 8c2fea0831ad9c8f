import numpy as np
import pandas as pd
import pytest
from known_predictions import make_predictions

from wesadlib.evaluation.comparison import hardest
from wesadlib.evaluation.predictions import clock_alone, distinct_minutes, early_and_late, timeline
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.scores import score


@pytest.fixture(scope="module")
def evaluated(small_windows):
    rate = np.arange(60.0, 60.0 + small_windows.sizes["window"])
    feature = np.column_stack([rate * 0, rate, rate / 10])
    windows = small_windows.assign(feature=(("window", "feature_name"), feature))
    windows = windows.assign_coords(feature_name=["wrist_temp_mean", "wrist_bvp_heart_rate", "wrist_eda_mean"])
    return windows, evaluate(["centroid", "plain"], windows, seeds=[0, 1], progress=False)


def test_the_hardest_people_come_first(evaluated):
    _, predictions = evaluated
    by_subject = score(predictions, by="subject")
    worst = hardest(by_subject, 3)
    means = by_subject.groupby("subject")["accuracy"].mean()
    assert worst["mean"].tolist() == sorted(means)[:3]
    assert set(worst.columns) == {"centroid", "plain", "mean"}


def test_a_timeline_joins_signals_and_predictions_of_the_same_windows(evaluated):
    windows, predictions = evaluated
    table = timeline(windows, predictions.sample(frac=1, random_state=0), "S4")
    own = np.flatnonzero(windows["subject"].values == "S4")
    assert table.index.tolist() == own.tolist()
    assert table["minute"].tolist() == ((windows["start_s"].values[own] + 10) / 60).tolist()
    assert table["heart_rate"].tolist() == (60.0 + own).tolist()
    assert table["eda"].to_numpy() == pytest.approx(6.0 + own / 10)
    assert table["label"].tolist() == windows["label"].values[own].tolist()
    seeds = predictions.query("subject == 'S4' and model == 'plain'").groupby("window")["p_stress"]
    assert table["p_plain"].tolist() == pytest.approx(seeds.mean().tolist())
    calm = timeline(windows.isel(feature_name=[0]), predictions, "S4", state="baseline")
    assert (calm["p_plain"] + table["p_plain"]).to_numpy() == pytest.approx(1.0)
    assert calm[["eda", "heart_rate"]].isna().all(axis=None), "a device without the sensors"


def test_the_clock_alone_learns_its_threshold_on_other_people():
    rows = [(f"S{person}", label, 0.5) for person in range(4) for label in ["baseline"] * 5 + ["stress"] * 5]
    predictions = make_predictions(rows).assign(start_s=30.0 * np.arange(40) % 300)
    clock = clock_alone(pd.concat([predictions, predictions.assign(seed=1)]))
    assert len(clock) == 40 and set(clock["model"]) == {"clock"}
    assert score(clock).loc[0, ["accuracy", "roc_auc"]].tolist() == [1.0, 1.0]
    late = predictions["subject"] == "S3"
    moved = predictions.assign(start_s=predictions["start_s"] + 1000 * late)
    accuracy = score(clock_alone(moved), by="subject").set_index("subject")["accuracy"]
    assert accuracy["S3"] == 0.5, "what holds for others need not hold for this person"


def test_overlapping_windows_are_counted_once_in_minutes():
    windows = make_predictions([(f"S{person}", "stress", 0.5) for person in range(3) for _ in range(40)])
    assert distinct_minutes(pd.concat([windows, windows.assign(seed=1)]), 60.0) == 3 * (39 * 30 + 60) / 60
    assert distinct_minutes(windows, 20.0) == pytest.approx(3 * 40 * 20 / 60)


def test_false_alarms_are_counted_in_either_half_of_rest():
    rows = [("S2", "baseline", 0.9), ("S2", "baseline", 0.1), ("S2", "baseline", 0.2), ("S2", "baseline", 0.8)]
    rows += [("S3", "baseline", 0.9), ("S3", "baseline", 0.9), ("S3", "baseline", 0.1), ("S3", "baseline", 0.2)]
    table = early_and_late(make_predictions([*rows, ("S3", "stress", 0.1)])).set_index("half")
    assert table["false_alarms"].to_dict() == {"early": 0.75, "late": 0.25} and table["n_windows"].tolist() == [4, 4]
    assert table.loc["early", ["false_alarms_low", "false_alarms_high"]].tolist() == [0.5, 1.0]
