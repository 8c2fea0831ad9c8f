import re

import numpy as np
import pandas as pd
import pytest
import stub_models
import xarray as xr
from known_predictions import make_predictions

from wesadlib.errors import InputError
from wesadlib.evaluation import audit, runner
from wesadlib.evaluation.audit import controls, shortcuts
from wesadlib.evaluation.folds import windows_of_classes
from wesadlib.evaluation.protocols import ColdStart, non_overlapping
from wesadlib.features import extract_features
from wesadlib.models import register
from wesadlib.params import Params

PARAMS = Params()
QUIET = {"progress": False}


class Picky(stub_models.Centroid):
    """Validates where a run picks an epoch."""

    name = "picky"

    @classmethod
    def from_params(cls, params):
        model = cls(params.classes)
        model.validates = params.pick_epoch
        return model


class Lucky(stub_models.Informed):
    """Right in every window under seed 2, and wrong in every one under any other."""

    name = "lucky"
    validates = False
    belief = property(lambda model: 0.8 if model.seed_ == 2 else 0.2)


for model in (Picky, Lucky):
    register(model.name, f"test_audit:{model.__name__}")

MODELS = ["picky", "plain", "lucky"]
AUDITED = Params(audit_models=MODELS, audit_seeds=4, seeds=[1, 5])


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Windows with features, whose first sample says whether there is stress; not to be changed."""
    windows = extract_features(make_windows_of_toys())
    windows["signal"][:, 0, 0] = np.where(windows["label"] == "stress", 1, -1)
    return windows_of_classes(windows, PARAMS.classes)


@pytest.fixture(scope="module")
def cold(windows):
    """A run's predictions."""
    return runner.evaluate(MODELS, windows, seeds=[1, 5], params=AUDITED, **QUIET)


@pytest.fixture(scope="module")
def run(windows, cold, tmp_path_factory):
    """Every shortcut, and the jobs that the audit gave to the runner."""
    jobs, run_folds = [], runner.run_folds

    def spy(more, *args, **options):
        jobs.extend(more)
        return run_folds(more, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "run_folds", spy)
        return audit.run_shortcuts(windows, cold, AUDITED, folds=tmp_path_factory.mktemp("folds"), **QUIET), jobs


@pytest.fixture
def broken(run):
    """A shortcut's rows, or its reference's."""
    return lambda name, role="shortcut": run[0][(run[0]["shortcut"] == name) & (run[0]["role"] == role)]


@pytest.fixture
def folds(run):
    """Folds by which a model was run under a protocol's name."""
    return lambda protocol, model: [job.fold for job in run[1] if (job.protocol, job.model) == (protocol, model)]


@pytest.fixture
def scattered():
    """Two people whose windows of 60 s begin every 30 s, with a pause of S3 after the second."""
    start_s = [0.0, 30.0, 60.0, 90.0, 0.0, 30.0, 300.0, 330.0, 360.0]
    coordinates = {"subject": ("window", ["S2"] * 4 + ["S3"] * 5), "start_s": ("window", start_s)}
    return xr.Dataset(coords=coordinates, attrs={"window_s": 60.0})


def test_only_the_chapter_imports_the_audit(repository):
    importing = re.compile(r"(from|import) wesadlib\.evaluation\.audit\b|evaluation import [\s\w,\"\\(]*\baudit\b")
    files = [*(repository / "wesadlib").rglob("*.py"), *(repository / "book").rglob("*.ipynb")]
    found = {path for path in files if importing.search(path.read_text(encoding="utf-8"))}
    assert {path.name for path in found if path.parent.name != "audit"} == {"24_audit.ipynb"} and len(found) > 1


def test_shuffled_folds_test_each_window_once_and_know_everybody(windows):
    folds = shortcuts.shuffled_folds(windows, seed=3)
    every, owner, label = list(range(windows.sizes["window"])), windows["subject"].values, windows["label"].values
    assert sorted(np.concatenate([fold.test for fold in folds])) == every
    for fold in folds:
        assert sorted(np.concatenate([fold.train, fold.validation, fold.test])) == every
        assert set(owner[fold.test]) <= set(owner[fold.train]), "the person is learnt from: that is the shortcut"
        assert len(set(owner[fold.test])) > 1
        assert abs((label[fold.test] == "stress").sum() - (label == "stress").sum() / 5) < 1
    assert not np.array_equal(folds[0].test, shortcuts.shuffled_folds(windows, seed=4)[0].test)
    few = np.flatnonzero(label == "stress")[:3]
    among = np.concatenate([np.flatnonzero(label == "baseline"), few])
    with pytest.raises(InputError, match=r"^3 window\(s\) of `stress` to shuffle into 5 parts"):
        shortcuts.shuffled_folds(windows, 0, among)


def test_windows_without_overlap_share_no_second_and_are_as_many_as_can_be(scattered):
    assert non_overlapping(scattered, 60.0).tolist() == [0, 2, 4, 6, 8]
    # In another order of the rows, the same windows.
    order = np.array([8, 3, 1, 0, 2, 7, 6, 5, 4])
    assert sorted(order[non_overlapping(scattered.isel(window=order), 60.0)]) == [0, 2, 4, 6, 8]

    def fold(train, test):
        return shortcuts.Fold("part", np.array(train), test=np.array(test), validation=np.array([], dtype=int))

    # The first window of S2 begins with the first of S3, which is somebody else; it overlaps with its own second.
    assert shortcuts.overlap_share(scattered, [fold([4, 2], [0])]) == 0.0
    assert shortcuts.overlap_share(scattered, [fold([1], [0, 2, 3, 5])]) == 0.5


def test_shuffled_predicts_every_window_under_its_own_persons_name_and_no_shortcut_is_a_result(windows, run, broken):
    table, predictions = run[0], broken("shuffled")
    shown = table[table["role"] == "shortcut"]
    assert set(shown["shortcut"]) == set(audit.RULES) and (shown["protocol"] == shown["shortcut"]).all()
    assert set(table["role"]) == {"shortcut", "reference"} and not table["deployable"].any()
    assert list(predictions["model"].unique()) == MODELS
    assert predictions.groupby("model")["window"].nunique().tolist() == 3 * [windows.sizes["window"]]
    for name in ("subject", "label"):
        assert (predictions[name] == windows[name].values[predictions["window"]]).all()


def test_without_overlap_the_reference_is_a_cold_start_on_the_same_windows(windows, broken, folds):
    name = "shuffled_no_overlap"
    mixed, honest = broken(name), broken(name, "reference")
    among = set(mixed["window"])
    assert among == set(honest["window"]) and len(mixed) == len(honest) > 0
    assert among < set(range(windows.sizes["window"])), "windows overlap in the toys"
    full = ColdStart(AUDITED.validation_subjects, 1).split(windows)
    for fold, whole in zip(folds("cold_start_no_overlap", "picky"), full, strict=True):
        for part in ("train", "validation", "test"):
            assert getattr(fold, part).tolist() == [k for k in getattr(whole, part) if k in among]


def test_the_tested_person_chooses_the_epoch_and_teaches_nothing(windows, broken, folds):
    predictions = broken("test_selected_epoch")
    # The others have no epochs.
    assert set(predictions["model"]) == {"picky"} and len(predictions) == windows.sizes["window"]
    cold = ColdStart(AUDITED.validation_subjects, 1).split(windows)
    for fold, honest in zip(folds("test_selected_epoch", "picky"), cold, strict=True):
        assert np.array_equal(fold.validation, fold.test) and np.array_equal(fold.test, honest.test)
        assert np.array_equal(fold.train, np.union1d(honest.train, honest.validation))


def test_whole_recordings_are_those_of_the_protocol(windows, broken):
    honest = runner.evaluate(MODELS, windows, protocol="whole_recording", seeds=[1], params=AUDITED, **QUIET)
    pd.testing.assert_frame_equal(broken("whole_recording")[honest.columns].reset_index(drop=True), honest)


def test_the_best_of_several_is_the_seed_with_the_highest_score(broken, cold):
    several = [broken("best_of_several", role) for role in ("shortcut", "reference")]
    lucky, reference = (table[table["model"] == "lucky"] for table in several)
    assert set(lucky["seed"]) == {2} and set(reference["seed"]) == {0, 1, 2, 3}
    row = audit.inflation(pd.concat([lucky, reference]), cold).iloc[0]
    assert (row["accuracy"], row["reference"], row["inflation"]) == (1.0, 0.25, 0.75)


def test_dropped_windows_are_the_least_confident_ones(predictions, broken, cold):
    assert set(broken("dropped_windows")["seed"]) == {1} and list(broken("dropped_windows")["model"].unique()) == MODELS
    # Confidence by mean of the seeds: 0.9 0.6 0.9 0.8 0.7 0.8, where the second seed is sure of the window 1.
    second = predictions.assign(seed=1)
    second.loc[1, ["p_baseline", "p_stress"]] = [0.01, 0.99]
    kept = shortcuts.drop_unsure(pd.concat([predictions, second], ignore_index=True), 1 / 6)
    for seed in (0, 1):
        assert sorted(kept.loc[kept["seed"] == seed, "window"]) == [0, 1, 2, 3, 5]
    # Held against all windows, for on those that are kept nothing has changed.
    dropped = shortcut_of(shortcuts.drop_unsure(predictions, 1 / 6), "dropped_windows")
    row = audit.inflation(dropped, predictions).iloc[0]
    assert row["reference"] == pytest.approx(4 / 6) and row["accuracy"] == pytest.approx(4 / 5)


def test_labels_are_shuffled_within_each_person_who_teaches_and_true_where_they_are_scored(windows, monkeypatch):
    seen, predict = [], controls.predict
    monkeypatch.setattr(controls, "predict", lambda *a, **k: seen.append(k["windows"]) or predict(*a, **k))
    predictions = controls.shuffled_labels(windows, PARAMS, seeds=[0, 1], **QUIET)
    assert len(seen) == 2 and not np.array_equal(seen[0]["label"].values, seen[1]["label"].values)
    for deceived in seen:
        assert not np.array_equal(deceived["label"].values, windows["label"].values)
        for person in np.unique(windows["subject"].values):
            own = windows["subject"].values == person
            assert sorted(deceived["label"].values[own]) == sorted(windows["label"].values[own])
    assert (predictions["label"] == windows["label"].values[predictions["window"]]).all()


def test_a_family_is_all_of_its_signals_and_nothing_else(windows):
    alone, without = (controls.select_family(windows, name) for name in ("motion_only", "without_motion"))
    for dimension in ("channel", "feature_name"):
        names = [set(part[dimension].values) for part in (alone, without)]
        assert names[0] and names[1] and not names[0] & names[1]
        assert names[0] | names[1] == set(windows[dimension].values)
        assert all("_acc_" in name for name in names[0]) and not any("_acc_" in name for name in names[1])
    assert controls.select_family(alone, "motion_only") is None, "nothing is taken away"
    assert controls.select_family(windows, "breathing_only") is None, "a wrist does not breathe"
    still = controls.select_family(windows, "without_drift")
    gone = set(windows["feature_name"].values) - set(still["feature_name"].values)
    assert {"wrist_eda_mean", "wrist_eda_log_level"} < gone and "signal" not in still
    assert all("_temp_" in name for name in gone - {"wrist_eda_mean", "wrist_eda_log_level"})


def test_controls_are_cold_starts_of_the_first_seed_scored_beside_the_majority(windows):
    params = Params(seeds=[3, 4], audit_models=["logistic"])
    cold = runner.evaluate(["logistic", "forest"], windows, seeds=params.seeds, params=params, **QUIET)
    rows = audit.run_controls(windows, cold, params, **QUIET)
    shown = set(audit.CONTROLS) - {"breathing_only", "muscle_only"}
    assert set(rows["shortcut"]) == shown, "a wrist has neither breath nor muscle"
    assert set(rows["role"]) == {"control"} and set(rows["protocol"]) == {"cold_start"} and not rows["deployable"].any()
    assert set(rows.loc[rows["shortcut"] != "shuffled_labels", "seed"]) == {3}
    table = audit.score_controls(rows, bootstrap=100).set_index(["control", "model"])
    assert list(table.index.unique("control")) == [name for name in audit.CONTROLS if name in shown]
    share = (windows["label"].values == "baseline").mean()
    assert table["majority"].to_numpy() == pytest.approx(max(share, 1 - share))
    nonsense, every = table.loc[("shuffled_labels", "logistic")], table.loc[("cold_start", "logistic")]
    assert nonsense["seeds"] == 10 and abs(nonsense["roc_auc"] - 0.5) < 0.2 and every["roc_auc"] > 0.9


def shortcut_of(table, name="shuffled"):
    return shortcuts.tag(table, name, "shortcut")


def test_inflation_is_the_difference_on_the_same_windows_and_draws(predictions):
    right = predictions.assign(p_stress=(predictions["label"] == "stress") * 0.8 + 0.1)
    right["p_baseline"] = 1 - right["p_stress"]
    row = audit.inflation(shortcut_of(right), predictions, bootstrap=400).iloc[0]
    assert row["accuracy"] == 1 and row["reference"] == pytest.approx(4 / 6)
    assert row["inflation"] == pytest.approx(2 / 6)
    # Two people: drawn both, or one of them twice, so the draws are 2/6, 1/4 and 1/2.
    assert (row["inflation_low"], row["inflation_high"]) == (0.25, 0.5)
    single = audit.inflation(shortcut_of(right), predictions, bootstrap=1).iloc[0]
    assert single["inflation_low"] == single["inflation_high"], "of one draw, and of nothing else"
    assert (row["better"], row["worse"], row["people"], row["n_windows"]) == (2, 0, 2, 6)
    assert row["auc_inflation"] == pytest.approx(row["roc_auc"] - row["auc_reference"])
    # A window that the shortcut did not test is not held against it.
    part = audit.inflation(shortcut_of(right[right["window"] != 1]), predictions, bootstrap=200).iloc[0]
    assert part["reference"] == pytest.approx(4 / 5) and part["n_windows"] == 5
    # Nor is one held for it that the reference did not test: here one of its wrong windows.
    part = audit.inflation(shortcut_of(predictions), predictions[predictions["window"] != 1], bootstrap=200).iloc[0]
    assert (part["accuracy"], part["inflation"]) == (pytest.approx(4 / 5), 0) and part["n_windows"] == 5
    # A shortcut is held against its own reference, of its own model.
    own = [shortcuts.tag(table, "shuffled", "reference") for table in (right, predictions.assign(model="two"))]
    others = shortcuts.tag(predictions, "best_of_several", "reference")
    mixed = pd.concat([shortcut_of(right), *own, others])
    row = audit.inflation(mixed, predictions, bootstrap=100).iloc[0]
    assert (row["reference"], row["inflation"]) == (1, 0)


def test_an_interval_over_shuffles_holds_what_single_shuffles_give(predictions):
    opposite = predictions.assign(seed=1)
    opposite[["p_baseline", "p_stress"]] = opposite[["p_stress", "p_baseline"]].to_numpy()
    marked = shortcuts.tag(pd.concat([predictions, opposite]), "shuffled_labels", "control")
    row = audit.score_controls(marked, bootstrap=400).iloc[0]
    # One seed is right where the other is wrong, so that every draw of people gives a half; of seeds it does not.
    assert row[["accuracy", "accuracy_low", "accuracy_high"]].tolist() == pytest.approx([0.5, 0.25, 0.75])


def test_people_who_differ_are_their_own_nearest(windows):
    # Two windows, that do not overlap, of each of three people who are far from each other.
    apart = windows.isel(window=[0, 6, 12, 18, 24, 30])
    apart["feature"] = apart["feature"].copy(data=np.zeros(apart["feature"].shape) + np.array([[0, 0, 1, 1, 2, 2]]).T)
    assert audit.nearest_people(apart).to_numpy().tolist() == np.diag([2, 2, 2]).tolist()


def test_people_are_described_hardest_first(windows):
    rows = [("S2", "stress", 0.9), ("S3", "stress", 0.9)]
    cold, shuffled = make_predictions([rows[0], *rows, ("S3", "stress", 0.1)]), make_predictions(rows)
    cohort = pd.DataFrame({"subject": ["S2", "S3"], "stai_baseline": [9.0, 10.0], "stai_stress": [20.0, np.nan]})
    cohort["notes"] = ["Subject didn't really believe the cover story.", None]
    table = audit.tabulate_responses(windows, cold, shuffled, cohort)
    assert table.index.tolist() == ["S3", "S2"]
    assert table["cold"].tolist() == [0.5, 1.0] and table["shuffled"].tolist() == [1.0, 1.0]
    assert table.loc["S2", "stai"] == 11 and np.isnan(table.loc["S3", "stai"])
    assert audit.tabulate_responses(windows, cold, shuffled, cohort, judges=shuffled).index.tolist() == ["S2", "S3"]
    lost = audit.describe_dropped(cold, cold.iloc[1:], ["S2"])
    assert lost == "S2: 50 % of all windows, and 100 % of those dropped."
    assert table["doubted"].tolist() == [False, True] and table.loc["S3", "notes"] == ""
    name = next(name for name in windows["feature_name"].values if name.endswith("_eda_log_level"))
    own = windows.isel(window=np.flatnonzero(windows["subject"] == "S2"))
    mean = own["feature"].sel(feature_name=name).groupby(own["label"]).mean()
    assert table.loc["S2", "eda"] == pytest.approx(float(mean.sel(label="stress") - mean.sel(label="baseline")))
