"""Simulated recordings: the official layout, what was drawn found again, a problem that stays hard."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from observed import observe, summarise
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedKFold

from wesadlib.data import CHANNELS, open_wesad
from wesadlib.data.people import draw_person
from wesadlib.data.simulate import simulate_cohort
from wesadlib.data.trajectories import make_trajectory
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models import Examples, predict
from wesadlib.models.tabular import Logistic
from wesadlib.signals import make_windows

SEED = 7


def featured(root: Path, device: str) -> xr.Dataset:
    """Windows of baseline and stress of a cohort, with features."""
    windows = extract_features(make_windows(open_wesad(root), device=device))
    windows = windows.drop_vars(["signal", "beat_s", "raw_statistics"])
    return windows.isel(window=np.isin(windows["label"], ["baseline", "stress"]))


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """Two people with all their artefacts."""
    return simulate_cohort(tmp_path_factory.mktemp("pair") / "cohort", 2, SEED)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> dict[str, xr.Dataset]:
    """Windows of six people without artefacts, by device."""
    root = simulate_cohort(tmp_path_factory.mktemp("clean") / "cohort", 6, SEED, artefact_rate=0.0)
    return {device: featured(root, device) for device in ("chest", "wrist")}


@pytest.fixture(scope="module")
def dozen(tmp_path_factory) -> dict[str, xr.Dataset]:
    """Windows of the demo's twelve people, by device."""
    root = simulate_cohort(tmp_path_factory.mktemp("dozen") / "cohort", 12, SEED)
    return {device: featured(root, device) for device in ("chest", "wrist")}


def test_the_official_layout_is_read_by_the_same_code_and_the_protocol_is_short_but_whole(pair):
    cohort, orders = open_wesad(pair), set()
    assert cohort.subjects == ["S2", "S3"] and cohort.simulated
    least = {"baseline": 8, "stress": 3.5, "amusement": 1.9, "meditation": 0.1}
    for recording in cohort:
        assert set(recording.signals) == set(CHANNELS)
        labels = recording.labels
        for name, signal in recording.signals.items():
            assert len(signal) == labels["end_s"].max() * CHANNELS[name][1] and np.isfinite(signal).all(), name
        assert recording.person["age_years"] in range(24, 36) and "does not exist" in recording.person["notes"]
        minutes = (labels["end_s"] - labels["start_s"]).groupby(labels["state"]).sum() / 60
        assert all(minutes[state] >= length for state, length in least.items()) and 17 <= minutes.sum() <= 20
        orders.add(tuple(recording.protocol["condition"]))
        # Times in quest.csv count from the chest device's start, which the recording's is not.
        assert 60 <= recording.protocol.attrs["crop_s"] < 180
        assert recording.protocol.attrs["crop_error_s"] == 0
    assert orders == {
        ("baseline", "stress", "meditation", "amusement", "meditation"),
        ("baseline", "amusement", "meditation", "stress", "meditation"),
    }


def test_same_knobs_same_bytes_and_no_person_depends_on_the_others(pair, tmp_path):
    alone = simulate_cohort(tmp_path / "alone", 1, SEED)
    other = simulate_cohort(tmp_path / "other", 1, SEED + 1)
    for name in ("S2.pkl", "S2_quest.csv", "S2_readme.txt"):
        assert (alone / "S2" / name).read_bytes() == (pair / "S2" / name).read_bytes()
        assert (alone / "S2" / name).read_bytes() != (other / "S2" / name).read_bytes()


#: feature -> what a perfect observer reads
DRAWN = {
    "chest_ecg_heart_rate": "heart rate",
    "chest_ecg_rmssd": "RMSSD",
    "chest_eda_log_level": "chest EDA",
    "chest_temp_mean": "chest temperature",
    "chest_acc_magnitude_sd": "chest movement",
    "chest_resp_rate": "respiration rate",
    "chest_resp_sd": "respiration depth",
    "wrist_bvp_heart_rate": "heart rate",
    "wrist_eda_mean": "EDA level",
    "wrist_eda_log_level": "ln EDA level",
    "wrist_eda_sd": "EDA SD",
    "wrist_temp_mean": "temperature",
    "wrist_temp_slope": "temperature slope",
    "wrist_acc_magnitude_sd": "movement",
}


@pytest.mark.parametrize("name", DRAWN)
def test_our_features_find_what_was_drawn(clean, name):
    windows = clean[name.split("_")[0]]
    windows = windows.isel(window=windows["purity"].to_numpy() == 1)
    table = pd.DataFrame({"person": windows["subject"], "state": windows["label"]})
    table["found"] = windows["feature"].sel(feature_name=name).to_numpy()
    trajectories = {
        subject: make_trajectory(draw_person(SEED, index), np.random.default_rng([SEED, index, 1])).values
        for index, subject in enumerate(dict.fromkeys(windows["subject"].values))
    }
    starts = zip(table["person"], windows["start_s"].values, strict=True)
    table["drawn"] = [observe(trajectories[one], start_s, [DRAWN[name]])[DRAWN[name]] for one, start_s in starts]
    found, drawn = (summarise(table).loc[row] for row in ("found", "drawn"))
    for row in ("between", "within", "spread"):
        assert found[row] == pytest.approx(drawn[row], rel=0.25), row
    # Means are shares of what people differ by as well, where they lie near 0 or 0 has no meaning.
    scale = max(min(abs(drawn["baseline"]), drawn["between"] + drawn["spread"]), drawn["between"])
    assert found["baseline"] == pytest.approx(drawn["baseline"], abs=0.25 * scale)
    scale = max(abs(drawn["response"]), drawn["spread"])
    assert found["response"] == pytest.approx(drawn["response"], abs=0.25 * scale)


def accuracies(windows: xr.Dataset, splitter) -> np.ndarray:
    """Whether the logistic baseline is right about each window, fitted on the rest of a split."""
    label, subject = windows["label"].to_numpy(), windows["subject"].to_numpy()
    groups = () if isinstance(splitter, StratifiedKFold) else (subject,)
    right, examples = np.zeros(windows.sizes["window"], bool), Examples.from_dataset(windows)
    for train, test in splitter.split(label, label, *groups):
        model = Logistic().fit(examples.take(train), seed=0)
        right[test] = np.array(model.classes)[predict(model, examples.take(test)).argmax(1)] == label[test]
    return right


@pytest.mark.parametrize("device", ["chest", "wrist"])
def test_a_stranger_is_hard_and_a_shuffled_split_hides_it(dozen, device):
    stranger = accuracies(dozen[device], LeaveOneGroupOut()).mean()
    assert 0.80 <= stranger <= 0.95
    assert accuracies(dozen[device], StratifiedKFold(5, shuffle=True, random_state=0)).mean() >= stranger + 0.03
    if device == "chest":
        # Movement alone does not give it away.
        moving = [name for name in dozen[device]["feature_name"].values if name.startswith("chest_acc")]
        moved = accuracies(dozen[device].sel(feature_name=moving), LeaveOneGroupOut()).mean()
        assert 0.70 <= moved <= stranger - 0.03


def test_without_effect_waveforms_tell_nothing(tmp_path):
    windows = featured(simulate_cohort(tmp_path / "none", 8, SEED, effect_size=0.0), "wrist")
    stressed = windows["label"].to_numpy() == "stress"
    right = accuracies(windows, GroupKFold(8))
    assert 0.35 <= (right[stressed].mean() + right[~stressed].mean()) / 2 <= 0.65


def test_artefacts_come_with_their_knob(tmp_path):
    detached_s = {}
    for rate in (0.0, 8.0):
        people = open_wesad(simulate_cohort(tmp_path / str(rate), 2, SEED, artefact_rate=rate))
        sensors = ("chest_ecg", "chest_eda", "chest_resp", "wrist_eda")
        flat = [float((one.signals[name] == 0).sum()) / CHANNELS[name][1] for one in people for name in sensors]
        detached_s[rate] = sum(flat)
    assert detached_s[0.0] < 1 and detached_s[8.0] > 60


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        *(("n_subjects", 0), ("seed", -1), ("effect_size", -0.5), ("artefact_rate", 11.0)),
        ("between_person_spread", float("nan")),
    ],
)
def test_knobs_out_of_bounds_are_named(tmp_path, knob, value):
    with pytest.raises(InputError, match=knob):
        simulate_cohort(tmp_path / "cohort", **{"n_subjects": 1, "seed": 0, knob: value})
    assert not any(tmp_path.iterdir())


def test_other_peoples_files_are_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match=str(tmp_path)):
        simulate_cohort(tmp_path, 1, 0)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_an_earlier_cohort_is_replaced_whole_and_an_interrupted_one_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("wesadlib.data.simulate.simulate_signals", lambda *_: {})
    for people in (3, 1):
        simulate_cohort(tmp_path / "cohort", people, 0)
    assert sorted(path.name for path in (tmp_path / "cohort").iterdir()) == ["S2", "SIMULATED.json"]
    assert json.loads((tmp_path / "cohort" / "SIMULATED.json").read_text())["n_subjects"] == 1

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("wesadlib.data.simulate._quest", fail)
    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(tmp_path / "other", 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]
