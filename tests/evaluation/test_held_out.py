"""Models asked about people whom they have not seen: the folds' own, on windows destroyed and on some sensors."""

import numpy as np
import pandas as pd
import pytest
from stub_models import Centroid

from wesadlib import extract_features
from wesadlib.evaluation import evaluate, held_out
from wesadlib.evaluation.destruction import MAIN, WHOLE, permute_sensor, select_sensors, signal_of
from wesadlib.evaluation.folds import windows_of_classes
from wesadlib.evaluation.sentences import describe_claim, describe_shapes
from wesadlib.models import Examples
from wesadlib.params import Params

PARAMS = Params(device="wrist")
PEOPLE = [f"S{k}" for k in range(2, 12)]
COLUMNS = ["part", "condition", "model", "subject", "accuracy", "roc_auc"]


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    windows = extract_features(make_windows_of_toys(n_subjects=4, per_subject=9, window_s=20.0))
    return windows_of_classes(windows, PARAMS.classes)


@pytest.fixture(scope="module")
def examples(windows):
    return Examples.from_dataset(windows)


def test_a_fixed_model_is_the_folds_own_and_is_read_again(windows, examples, tmp_path, monkeypatch):
    fitted = held_out.fit_people(["logistic"], windows, PARAMS, ["S2", "S4"], folds=tmp_path)
    folds = evaluate("logistic", windows, params=PARAMS, folds=tmp_path, progress=False)
    alone = held_out.predict_people(fitted, examples).set_index("window")["p_stress"]
    assert [person for _, person in fitted] == ["S2", "S4"] and len(alone) == 18
    np.testing.assert_allclose(alone, folds.set_index("window")["p_stress"].loc[alone.index], rtol=1e-9)
    monkeypatch.setattr(held_out, "fit_model", lambda *_, **__: pytest.fail("fitted again"))
    again = held_out.fit_people(["logistic"], windows, PARAMS, ["S4"], folds=tmp_path)
    theirs = held_out.predict_people(again, examples).set_index("window")["p_stress"]
    np.testing.assert_allclose(theirs, alone.loc[theirs.index], rtol=1e-9)


def test_a_model_of_levels_loses_with_levels_and_not_with_order(examples):
    model = Centroid(PARAMS.classes).fit(examples, None, seed=0)
    fitted = {("centroid", person): model for person in ("S2", "S3", "S4", "S5")}
    rungs = ["pieces of 1 s", "samples shuffled", "level and spread removed"]
    scores = held_out.score_rungs(fitted, examples, rungs)
    area = scores.groupby("condition", sort=False)["roc_auc"].mean()
    assert list(area.index) == [WHOLE, *rungs] and set(scores["part"]) == {"fixed"}
    assert area[WHOLE] > 0.8 and area["level and spread removed"] < 0.7
    np.testing.assert_allclose(area[rungs[:2]], area[WHOLE], atol=1e-3)


def test_features_of_windows_destroyed_are_those_of_what_is_left(windows):
    whole, shuffled = (held_out.destroy_windows(windows, rung) for rung in (WHOLE, "samples shuffled"))
    given, left, after = (
        {name: part["feature"].sel(feature_name=name).values for name in ("wrist_eda_log_level", "wrist_eda_phasic_sd")}
        for part in (windows, whole, shuffled)
    )
    for name in given:
        np.testing.assert_allclose(left[name], given[name], rtol=1e-4)
    np.testing.assert_allclose(after["wrist_eda_log_level"], given["wrist_eda_log_level"], rtol=1e-3)
    assert np.abs(after["wrist_eda_phasic_sd"] / given["wrist_eda_phasic_sd"] - 1).mean() > 0.1
    assert list(shuffled["label"].values) == list(windows["label"].values)


def test_one_sensor_is_permuted_within_people_and_no_other(windows, examples):
    permuted = permute_sensor(examples, "eda")
    for name, columns in (("signal", examples.channels), ("feature", examples.feature_names)):
        before, after = getattr(examples, name), getattr(permuted, name)
        theirs = np.array([signal_of(column) == "eda" for column in columns])
        np.testing.assert_array_equal(after[:, ~theirs], before[:, ~theirs])
        for person in ("S2", "S5"):
            rows = examples.subject == person
            moved, own = after[rows][:, theirs].reshape(9, -1), before[rows][:, theirs].reshape(9, -1)
            assert not np.array_equal(moved, own, equal_nan=True)
            np.testing.assert_array_equal(np.sort(moved, axis=0), np.sort(own, axis=0))
    chosen = select_sensors(windows, {"bvp", "temp"})
    assert list(chosen["channel"].values) == ["wrist_bvp", "wrist_temp"]
    assert {signal_of(name) for name in chosen["feature_name"].values} == {"bvp", "temp"}
    # A window's channel and features are of the same moment.
    level = examples.feature_names.index("wrist_eda_log_level")
    channel = examples.channels.index("wrist_eda")
    np.testing.assert_allclose(np.exp(permuted.feature[:, level]), permuted.signal[:, channel].mean(-1), rtol=1e-3)


def test_conditions_are_held_against_the_models_own_whole_windows():
    rows = [("fixed", name, "a", accuracy) for name, accuracy in ((WHOLE, 0.9), ("x", 0.8), ("y", 0.9))]
    rows.append(("alone", "clock", "c", 1.0))
    rows = [(*row[:3], person, row[3] + 0.01 * k, 0.5) for row in rows for k, person in enumerate(PEOPLE)]
    scores = pd.DataFrame(rows, columns=COLUMNS)
    table = held_out.compare_people(scores).set_index("condition")
    assert table.loc[WHOLE, "accuracy"] == pytest.approx(0.945) and table.loc["x", "people"] == 10
    assert table.loc["x", "difference"] == pytest.approx(-0.1) and table.loc["x", "p"] == pytest.approx(2 / 2**10)
    assert table.loc["x", "p_holm"] == pytest.approx(2 * 2 / 2**10) and table.loc["y", "p_holm"] == 1
    assert table.loc[[WHOLE, "clock"], ["difference", "p"]].isna().all(axis=None)
    assert (table["accuracy_low"] < table["accuracy"]).all() and (table["accuracy"] < table["accuracy_high"]).all()


def test_models_are_trained_again_on_every_part_beside_the_clock(windows, tmp_path):
    scores = held_out.score_retrained([], ["logistic"], windows, PARAMS, folds=tmp_path)
    conditions = scores.groupby("part")["condition"].agg(set)
    sensors = {"bvp", "eda", "temp", "acc"}
    assert conditions["without"] == {WHOLE, *sensors} and conditions["alone"] == {WHOLE, "clock", *sensors}
    assert conditions["again"] == {WHOLE} and scores.groupby(["part", "condition", "model"]).size().eq(4).all()
    # Of four people: whole, and four sensors each left out and alone; no two of these see the same.
    files = len(list(tmp_path.glob("*.parquet")))
    assert files == 4 * (1 + 2 * len(sensors))
    again = held_out.score_retrained(["logistic"], ["logistic"], windows, PARAMS, folds=tmp_path)
    assert set(again.loc[again["part"] == "again", "condition"]) == {WHOLE, *MAIN}
    assert len(list(tmp_path.glob("*.parquet"))) == files + 4 * len(MAIN)


@pytest.mark.parametrize(
    ("network", "shapes", "verdict"),
    [
        (0.95, 0.94, "The claim holds here"),
        (0.90, 0.89, "Half of the claim holds: the network decides by shapes"),
        (0.95, 0.80, "Half of the claim holds: the network wins"),
        (0.90, 0.60, "The claim is not shown"),
    ],
)
def test_the_verdict_falls_whichever_way_the_numbers_do(network, shapes, verdict):
    pieces = {"20": network, "1": network - 0.04, "0.5": 0.6, "0.1": network}
    rungs = {f"pieces of {length} s": value for length, value in pieces.items()}
    rungs |= {"level and spread removed": shapes, "samples shuffled": 0.5}
    whole = {WHOLE: (0.9, network)}
    fixed = whole | {name: (0.8, value) for name, value in rungs.items()}
    parts = {"fixed": fixed, "permuted": whole, "again": whole | {"samples shuffled": (0.7, 0.7)}}
    rows = [
        (part, condition, model, person, value + 0.001 * (k - 4.5), value)
        for part, conditions in parts.items()
        for condition, values in conditions.items()
        for model, value in zip(("logistic", "resnet"), values, strict=True)
        for k, person in enumerate(PEOPLE)
    ]
    scores = pd.DataFrame(rows, columns=COLUMNS)
    compared = held_out.compare_people(scores)
    assert describe_claim(scores, compared, "resnet").startswith(verdict)
    text = describe_shapes(compared, "resnet")
    assert "or 70.0 %" in text and "less than 5 points down to 1 s; its area" in text
    without = compared[compared["part"] != "again"]
    assert "if trained again" not in describe_shapes(without, "resnet")
