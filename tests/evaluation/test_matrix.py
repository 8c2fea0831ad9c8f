"""What a whole run comes to: its rows, the choice of its headline, and its cost."""

import numpy as np
import pandas as pd
import pytest

from wesadlib.errors import InputError
from wesadlib.evaluation.matrix import list_matrix, run_matrix, tabulate_cost
from wesadlib.evaluation.predictions import as_given, filter_predictions, main_predictions
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.selection import choose
from wesadlib.params import Params

MAIN, THREE, JOINED = "stress-baseline", "amusement-stress-baseline", "stress-non-stress"
PARAMS = Params(
    models=["centroid", "informed", "mean"],
    mean_of=["centroid", "informed"],
    seeds=[4, 2],
    rest_minutes=2,
    selection_groups=3,
)
#: The stub that is informed knows two states only.
PLAIN = PARAMS.model_copy(update={"models": ["centroid", "plain", "mean"], "mean_of": ["centroid", "plain"]})


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Six people of eighteen windows: twelve of baseline, three of stress, three of amusement."""
    windows = make_windows_of_toys(n_subjects=6, per_subject=18, rate_hz=1.0)
    label = windows["label"].values.astype("U9")
    label[windows["start_s"].values >= 15 * 30] = "amusement"
    signal = windows["signal"].values.copy()
    signal[:, 0, 0] = np.where(label == "stress", 1.0, -1.0)
    return windows.assign(signal=(windows["signal"].dims, signal)).assign_coords(label=("window", label))


@pytest.fixture(scope="module")
def whole(windows):
    """Predictions and training of a whole matrix."""
    return run_matrix(windows, PLAIN, progress=False)


def test_the_main_task_has_all_seeds_where_a_device_could_follow_and_others_the_first():
    table = list_matrix(PARAMS)
    assert table[["task", "protocol", "seeds"]].to_numpy().tolist() == [
        [MAIN, "cold_start", [4, 2]],
        [MAIN, "rest_calibrated", [4, 2]],
        [MAIN, "whole_recording", [4]],
        [THREE, "cold_start", [4]],
        [JOINED, "cold_start", [4]],
    ]
    assert table["models"].tolist() == 5 * [["centroid", "informed", "mean"]]
    assert table["classes"].tolist()[2:] == [["baseline", "stress"], *PARAMS.other_tasks]


def test_what_is_named_twice_is_run_once_and_the_first_order_of_classes_holds():
    twice = {"seeds": [1, 1], "models": ["centroid"] * 2, "protocols": ["rest_calibrated", "cold_start"] * 2}
    twice["other_tasks"] = [["stress", "baseline"], ["non-stress", "stress"], ["stress", "non-stress"]]
    table = list_matrix(PARAMS.model_copy(update=twice))
    assert table["classes"].tolist() == [["baseline", "stress"], ["baseline", "stress"], ["non-stress", "stress"]]
    assert table["protocol"].tolist() == ["rest_calibrated", "cold_start", "rest_calibrated"]
    assert table["models"].tolist() == 3 * [["centroid"]] and table["seeds"].tolist() == 3 * [[1]]
    with pytest.raises(InputError, match=r"^unknown protocol `warm`"):
        list_matrix(PARAMS.model_copy(update={"protocols": ["warm"]}))


def test_a_matrix_has_every_row_of_its_list(windows, whole):
    predictions, training = whole
    keys = ["task", "protocol", "model", "seed"]
    listed = {
        (row.task, row.protocol, model, seed)
        for row in list_matrix(PLAIN).itertuples()
        for model in row.models
        for seed in row.seeds
    }
    assert set(predictions[keys].itertuples(index=False, name=None)) == listed
    assert training.groupby(keys).size().to_dict() == dict.fromkeys(listed, 6)
    counts = predictions.groupby(keys, sort=False).size().groupby(["task", "protocol"], sort=False).unique()
    # Of twelve windows of baseline, three are rest and three touch it.
    assert counts.map(list).tolist() == [[6 * 15], [6 * 9], [6 * 15], [6 * 18], [6 * 18]]
    assert set(predictions.loc[predictions["task"] == JOINED, "label"]) == {"non-stress", "stress"}
    part = filter_predictions(predictions, MAIN, "cold_start", "centroid").query("seed == 2").reset_index(drop=True)
    pd.testing.assert_frame_equal(part, evaluate("centroid", windows, seeds=[2], params=PLAIN, progress=False))


def test_the_runs_own_predictions_are_those_of_the_first_row(whole):
    predictions, _ = whole
    own = main_predictions(predictions)
    assert set(own["task"]) == {MAIN} and set(own["protocol"]) == {"cold_start"} and set(own["seed"]) == {4, 2}
    assert [name for name in own if name.startswith("p_")] == ["p_baseline", "p_stress"]
    three = filter_predictions(predictions, task=THREE)
    assert [name for name in three if name.startswith("p_")] == ["p_baseline", "p_stress", "p_amusement"]
    with pytest.raises(InputError, match=r"^no prediction with protocol `other`; there are those of cold_start\.$"):
        filter_predictions(predictions, task=THREE, protocol="other")
    with pytest.raises(InputError, match=r"^no predictions; evaluate a model first"):
        main_predictions(predictions.iloc[:0])


def test_all_that_a_device_could_do_is_calibrated_and_chosen_from_for_every_seed(windows):
    main = PARAMS.model_copy(update={"other_tasks": []})
    predictions, _ = run_matrix(windows, main, progress=False)
    everything, selection = choose(predictions, windows, main, progress=False)
    chosen = everything[everything["model"] == "chosen"]
    assert list(dict.fromkeys(chosen["protocol"])) == ["cold_start", "rest_calibrated"]
    assert set(selection["candidate"]) == {"centroid", "informed", "centroid+informed"}, "a mean is no single model"
    assert selection.groupby(["protocol", "subject"])["chosen"].sum().eq(1).all()
    assert set(selection.loc[selection["chosen"], "candidate"]) == {"informed"}
    keys = ["protocol", "model", "seed", "window"]
    kept, before = (table.set_index(keys) for table in (everything, predictions))
    pd.testing.assert_frame_equal(as_given(kept).loc[before.index], before)
    upper = everything["protocol"] == "whole_recording"
    assert (everything["raw_p_stress"].isna() == upper).all()
    informed = kept.xs("informed", level="model").drop("whole_recording")
    pd.testing.assert_frame_equal(kept.xs("chosen", level="model").loc[informed.index], informed)
    assert np.allclose(informed["p_stress"].round(9) % 1, 0), "always right, so it is believed to the full"


def test_cost_is_in_minutes_with_a_row_a_task_and_protocol(whole):
    seconds = {
        "cold resnet": [30.0, 90.0],
        "cold forest": [6.0],
        "rest resnet": [np.nan],
        "rest forest": [12.0, np.nan],
    }
    rows = [(MAIN, *key.split(), value) for key, values in seconds.items() for value in values]
    table = tabulate_cost(pd.DataFrame(rows, columns=["task", "protocol", "model", "seconds"]))
    assert table.index.tolist() == [(MAIN, "cold"), (MAIN, "rest")] and list(table.columns) == ["resnet", "forest"]
    assert np.allclose(table.to_numpy(), [[2.0, 0.1], [np.nan, 0.2]], equal_nan=True)
    of_run = tabulate_cost(whole[1])
    assert np.allclose(of_run["mean"], of_run["centroid"] + of_run["plain"]) and len(of_run) == 5
