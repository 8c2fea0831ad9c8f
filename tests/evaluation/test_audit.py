import ast
import json
import re
from unittest.mock import create_autospec

import numpy as np
import pandas as pd
import pytest
import stub_models
import xarray as xr
from known_predictions import make_predictions

from wesadlib.errors import InputError
from wesadlib.evaluation import audit, runner
from wesadlib.evaluation.audit import controls, shortcuts
from wesadlib.evaluation.audit.inflation import score_with_intervals
from wesadlib.evaluation.folds import windows_of_classes
from wesadlib.evaluation.protocols import ColdStart, non_overlapping
from wesadlib.features import extract_features
from wesadlib.models import register
from wesadlib.params import Params

PARAMS = Params()
QUIET = {"progress": False}


class Told(stub_models.Centroid):
    """Sure of stress in the windows of people whom it has validated on, and of baseline in all others."""

    name = "told"

    def __init__(self, classes, pick_epoch):
        super().__init__(classes)
        self.validates = pick_epoch

    @classmethod
    def from_params(cls, params):
        return cls(params.classes, params.pick_epoch)

    def fit(self, train, validation, **options):
        self.validated_signals_ = [] if validation is None else validation.signal[:, 0, 1]
        return super().fit(train, validation, **options)

    def predict_proba(self, signal, feature, rest=None):
        stress = np.where(np.isin(signal[:, 0, 1], self.validated_signals_), 0.9, 0.1)
        return np.stack([1 - stress, stress], 1)


class Lucky(stub_models.Informed):
    """Right in every window under seed 2, and wrong in every one under any other."""

    name = "lucky"
    validates = False

    def fit(self, train, validation, **options):
        super().fit(train, validation, **options)
        self.belief = 0.8 if self.seed_ == 2 else 0.2
        del self.history_
        return self


for model in (Told, Lucky):
    register(model.name, f"test_audit:{model.__name__}")


@pytest.fixture
def windows(toy_windows):
    toy_windows["signal"][:, 0, 0] = np.where(toy_windows["label"] == "stress", 1, -1)
    return windows_of_classes(toy_windows, PARAMS.classes)


@pytest.fixture
def jobs(monkeypatch):
    """The jobs that the audit gives to the runner."""
    jobs, run_folds = [], runner.run_folds
    monkeypatch.setattr(
        runner, "run_folds", lambda more, *args, **options: jobs.extend(more) or run_folds(more, *args, **options)
    )
    return jobs


@pytest.fixture(scope="module")
def featured(make_windows_of_toys):
    """Windows with features; not to be changed."""
    return extract_features(make_windows_of_toys())


@pytest.fixture
def scattered():
    """Two people whose windows of 60 s begin every 30 s, with a pause of S3 after the second."""
    start_s = [0.0, 30.0, 60.0, 90.0, 0.0, 30.0, 300.0, 330.0, 360.0]
    subject = ["S2"] * 4 + ["S3"] * 5
    return xr.Dataset(
        coords={
            "subject": ("window", subject),
            "start_s": ("window", start_s),
            "label": ("window", ["baseline", "stress"] * 4 + ["baseline"]),
        },
        attrs={"window_s": 60.0},
    )


def test_only_the_chapter_imports_the_audit(repository):
    importing = re.compile(r"wesadlib\.evaluation\.audit\b|evaluation import [^\n]*\baudit\b")
    found = set()
    for path in (repository / "wesadlib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom) and importing.search(ast.unparse(node)):
                found.add(path.relative_to(repository / "wesadlib").parts[:2])
    assert found == {("evaluation", "audit")}
    chapters = {
        path.stem
        for path in (repository / "book").rglob("*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and importing.search("".join(cell["source"]))
    }
    assert chapters == {"24_audit"}


def test_shuffled_folds_test_each_window_once_and_know_everybody(windows):
    folds = shortcuts.shuffled_folds(windows, seed=3)
    number, owner, label = windows.sizes["window"], windows["subject"].values, windows["label"].values
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(number))
    for fold in folds:
        assert sorted(np.concatenate([fold.train, fold.validation, fold.test])) == list(range(number))
        assert set(owner[fold.test]) <= set(owner[fold.train]), "the person is learnt from: that is the shortcut"
        assert len(set(owner[fold.test])) > 1
        assert abs((label[fold.test] == "stress").sum() - (label == "stress").sum() / 5) < 1
    other = shortcuts.shuffled_folds(windows, seed=4)
    assert not np.array_equal(folds[0].test, other[0].test)


def test_too_few_windows_to_shuffle_name_the_state(windows):
    few = np.flatnonzero(windows["label"].values == "stress")[:3]
    among = np.concatenate([np.flatnonzero(windows["label"].values == "baseline"), few])
    with pytest.raises(InputError, match=r"^3 window\(s\) of `stress` to shuffle into 5 parts"):
        shortcuts.shuffled_folds(windows, 0, among)


def test_windows_without_overlap_share_no_second_and_are_as_many_as_can_be(scattered):
    def apart(windows):
        return non_overlapping(windows["subject"].values, windows["start_s"].values, 60.0)

    assert apart(scattered).tolist() == [0, 2, 4, 6, 8]
    # In another order of the rows, the same windows.
    mixed = scattered.isel(window=[8, 3, 1, 0, 2, 7, 6, 5, 4])
    kept = mixed.isel(window=apart(mixed))
    assert sorted(zip(kept["subject"].values, kept["start_s"].values, strict=True)) == [
        ("S2", 0.0), ("S2", 60.0), ("S3", 0.0), ("S3", 300.0), ("S3", 360.0),
    ]  # fmt: skip


def test_overlap_is_counted_within_a_person_only(scattered):
    def fold(train, test):
        return shortcuts.Fold("part", np.array(train), test=np.array(test), validation=np.array([], dtype=int))

    # The first window of S2 begins with the first of S3, which is somebody else; it overlaps with its own second.
    assert shortcuts.overlap_share(scattered, [fold([4, 2], [0])]) == 0.0
    assert shortcuts.overlap_share(scattered, [fold([1], [0, 2, 3, 5])]) == 0.5


def test_shuffled_predicts_every_window_under_its_own_persons_name(toy_windows, windows, tmp_path):
    predictions = shortcuts.shuffled(toy_windows, ["plain", "centroid"], PARAMS, seed=1, folds=tmp_path, **QUIET)
    assert len(list(tmp_path.iterdir())) == 2 * 5, "a finished part is kept"
    assert set(predictions["model"]) == {"plain", "centroid"}
    for _, part in predictions.groupby("model"):
        part = part.set_index("window")
        assert sorted(part.index) == sorted(windows["position"].values)
        assert (part["subject"] == toy_windows["subject"].values[part.index]).all()
        assert (part["label"] == toy_windows["label"].values[part.index]).all()
    assert set(predictions["protocol"]) == set(predictions["shortcut"]) == {"shuffled"}
    assert not predictions["deployable"].any() and set(predictions["role"]) == {"shortcut"}


def test_without_overlap_the_reference_is_a_cold_start_on_the_same_windows(toy_windows, windows, jobs):
    predictions = shortcuts.shuffled_no_overlap(toy_windows, ["plain"], PARAMS, **QUIET)
    broken, honest = (predictions[predictions["role"] == role] for role in ("shortcut", "reference"))
    assert set(broken["window"]) == set(honest["window"]) and len(broken) == len(honest) > 0
    assert set(predictions["window"]) < set(range(toy_windows.sizes["window"])), "windows overlap in the toys"
    assert not predictions["deployable"].any()
    owner, among = windows["subject"].values, set(broken["window"])
    cold = [job.fold for job in jobs if job.protocol == "cold_start_no_overlap"]
    for fold, full in zip(cold, ColdStart(PARAMS.validation_subjects, 0).split(windows), strict=True):
        assert set(owner[fold.test]) == {fold.held_out} and fold.held_out not in owner[fold.train]
        for name in ("train", "validation", "test"):
            assert getattr(fold, name).tolist() == [k for k in getattr(full, name) if k in among]


def test_the_tested_person_chooses_the_epoch_and_teaches_nothing(toy_windows, windows, jobs):
    predictions = shortcuts.select_epoch_on_test_person(toy_windows, ["plain", "told"], PARAMS, seed=2, **QUIET)
    # `plain` has no epochs, and `told` says stress of those who validate: everybody, when left out.
    assert set(predictions["model"]) == {"told"} and len(predictions) == windows.sizes["window"]
    assert (predictions["p_stress"] == 0.9).all()
    cold = list(ColdStart(PARAMS.validation_subjects, 2).split(windows))
    for job, honest in zip([job for job in jobs if job.model == "told"], cold, strict=True):
        assert np.array_equal(job.fold.validation, job.fold.test) and np.array_equal(job.fold.test, honest.test)
        assert np.array_equal(job.fold.train, np.union1d(honest.train, honest.validation))
    with pytest.raises(InputError, match="none of the models plain has epochs"):
        shortcuts.select_epoch_on_test_person(toy_windows, ["plain"], PARAMS, **QUIET)


def test_whole_recordings_that_are_predicted_already_are_not_trained_again(toy_windows, monkeypatch):
    whole = make_predictions([("S2", "stress", 0.7), ("S3", "baseline", 0.2)], "plain").assign(
        protocol="whole_recording"
    )
    cold = make_predictions([("S2", "stress", 0.1)], "plain")
    other = whole.assign(task="amusement-stress-baseline", p_amusement=0.1)
    asked = []

    def evaluate(names, *_, protocol, **__):
        asked.append((names, protocol))
        return whole.assign(model=names[0])

    monkeypatch.setattr(runner, "evaluate", evaluate)
    known = pd.concat([cold, whole, other])
    marked = shortcuts.whole_recording(toy_windows, ["plain"], PARAMS, known, **QUIET)
    assert asked == []
    assert marked["p_stress"].tolist() == [0.7, 0.2] and "p_amusement" not in marked
    assert set(marked["shortcut"]) == {"whole_recording"} and not marked["deployable"].any()
    both = shortcuts.whole_recording(toy_windows, ["centroid", "plain"], PARAMS, known, **QUIET)
    assert list(dict.fromkeys(both["model"])) == ["centroid", "plain"] and len(both) == 4
    assert asked == [(["centroid"], "whole_recording")]


def test_the_best_of_several_is_the_seed_with_the_highest_score(windows):
    several = shortcuts.best_of_several(windows, ["lucky"], PARAMS, seeds=range(4), **QUIET)
    best = several[several["role"] == "shortcut"]
    assert set(best["seed"]) == {2}
    row = audit.inflation(several, several[several["role"] == "reference"]).iloc[0]
    assert (row["accuracy"], row["reference"], row["inflation"]) == (1.0, 0.25, 0.75)


def test_dropped_windows_are_the_least_confident_ones_of_all_seeds(predictions):
    # Confidence by mean of the seeds: 0.9 0.6 0.9 0.8 0.7 0.8, where the second seed is sure of the window 1.
    second = predictions.assign(seed=1)
    second.loc[1, ["p_baseline", "p_stress"]] = [0.01, 0.99]
    both = pd.concat([predictions, second], ignore_index=True)
    kept = shortcuts.dropped_windows(both, ["one"], PARAMS, share=1 / 6)
    for seed in (0, 1):
        assert sorted(kept.loc[kept["seed"] == seed, "window"]) == [0, 1, 2, 3, 5]
    assert not kept["deployable"].any()
    # Held against all windows, for on those that are kept nothing has changed.
    row = audit.inflation(shortcuts.dropped_windows(predictions, ["one"], PARAMS, share=1 / 6), predictions).iloc[0]
    assert row["reference"] == pytest.approx(4 / 6) and row["accuracy"] == pytest.approx(4 / 5)
    with pytest.raises(InputError, match=r"^no prediction with model `two`; there are those of one\.$"):
        shortcuts.dropped_windows(predictions, ["two"], PARAMS)


def test_labels_are_shuffled_within_each_person_who_teaches_and_true_where_they_are_scored(
    toy_windows, windows, monkeypatch
):
    seen = []
    predict = controls.predict
    monkeypatch.setattr(controls, "predict", lambda *a, **k: seen.append(a[4]) or predict(*a, **k))
    predictions = controls.shuffled_labels(toy_windows, ["plain"], PARAMS, seeds=[0, 1], **QUIET)
    assert len(seen) == 2 and not np.array_equal(seen[0]["label"].values, seen[1]["label"].values)
    for deceived in seen:
        assert not np.array_equal(deceived["label"].values, windows["label"].values)
        for person in np.unique(windows["subject"].values):
            own = windows["subject"].values == person
            assert sorted(deceived["label"].values[own]) == sorted(windows["label"].values[own])
    assert (predictions["label"] == toy_windows["label"].values[predictions["window"]]).all()
    assert set(predictions["role"]) == {"control"} and set(predictions["protocol"]) == {"cold_start"}


def test_shuffled_labels_end_at_chance_where_true_ones_do_not(featured):
    nonsense = controls.shuffled_labels(featured, ["logistic"], PARAMS, seeds=range(5), **QUIET)
    scores = audit.score_controls(nonsense, bootstrap=200).iloc[0]
    honest = runner.evaluate("logistic", featured, params=PARAMS, progress=False)
    assert scores["seeds"] == 5
    assert abs(scores["roc_auc"] - 0.5) < 0.2
    assert score_with_intervals(honest, 200)["roc_auc"] > 0.9


def test_a_family_is_all_of_its_signals_and_nothing_else(featured):
    alone, without = (controls.select_family(featured, name) for name in ("motion_only", "without_motion"))
    for dimension in ("channel", "feature_name"):
        names = [set(part[dimension].values) for part in (alone, without)]
        assert names[0] and names[1] and not names[0] & names[1]
        assert names[0] | names[1] == set(featured[dimension].values)
        assert all("_acc_" in name for name in names[0]) and not any("_acc_" in name for name in names[1])
    assert controls.select_family(alone, "motion_only") is None, "nothing is taken away"
    assert controls.select_family(featured, "breathing_only") is None, "a wrist does not breathe"
    still = controls.select_family(featured, "without_drift")
    gone = set(featured["feature_name"].values) - set(still["feature_name"].values)
    assert {"wrist_eda_mean", "wrist_eda_log_level"} < gone and "signal" not in still
    assert all("_temp_" in name for name in gone - {"wrist_eda_mean", "wrist_eda_log_level"})


def test_families_are_run_by_the_folds_of_a_cold_start_and_scored_beside_the_majority(featured):
    names = ["motion_only", "heart_only", "breathing_only", "without_drift"]
    rows = controls.families(featured, ["logistic"], PARAMS, controls=names, **QUIET)
    assert list(dict.fromkeys(rows["shortcut"])) == ["motion_only", "heart_only", "without_drift"]
    assert set(rows["role"]) == {"control"} and not rows["deployable"].any()
    table = audit.score_controls(rows, bootstrap=100)
    assert table["control"].tolist() == ["motion_only", "without_drift", "heart_only"]
    share = (featured["label"].values == "baseline").mean()
    assert table["majority"].tolist() == pytest.approx([max(share, 1 - share)] * 3)
    assert controls.families(featured, [], PARAMS, **QUIET).empty


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
    assert (row["better"], row["worse"], row["people"], row["n_windows"]) == (2, 0, 2, 6)
    assert row["auc_inflation"] == pytest.approx(row["roc_auc"] - row["auc_reference"])
    # A window that the shortcut did not test is not held against it.
    part = audit.inflation(shortcut_of(right[right["window"] != 1]), predictions, bootstrap=200).iloc[0]
    assert part["reference"] == pytest.approx(4 / 5) and part["n_windows"] == 5
    # Nor is one held for it that the reference did not test: here one of its wrong windows.
    part = audit.inflation(shortcut_of(predictions), predictions[predictions["window"] != 1], bootstrap=200).iloc[0]
    assert (part["accuracy"], part["inflation"]) == (pytest.approx(4 / 5), 0) and part["n_windows"] == 5


def test_inflation_is_held_against_the_same_seed_where_there_is_one(predictions):
    wrong = predictions.assign(seed=1)
    wrong[["p_baseline", "p_stress"]] = wrong[["p_stress", "p_baseline"]].to_numpy()
    both = pd.concat([predictions, wrong])
    assert audit.inflation(shortcut_of(wrong), both, bootstrap=100).iloc[0]["inflation"] == 0
    neither = audit.inflation(shortcut_of(wrong.assign(seed=7)), both, bootstrap=100).iloc[0]
    assert neither["reference"] == pytest.approx(0.5), "the mean of all seeds"


def test_an_interval_over_shuffles_holds_what_single_shuffles_give(predictions):
    opposite = predictions.assign(seed=1)
    opposite[["p_baseline", "p_stress"]] = opposite[["p_stress", "p_baseline"]].to_numpy()
    both = pd.concat([predictions, opposite])
    fixed, drawn = (score_with_intervals(both, 400, draw_seeds=draw) for draw in (False, True))
    assert fixed["accuracy"] == drawn["accuracy"] == pytest.approx(0.5)
    # One seed is right where the other is wrong, so that every draw of people gives a half; of seeds it does not.
    assert (fixed["accuracy_low"], fixed["accuracy_high"]) == (0.5, 0.5)
    assert (drawn["accuracy_low"], drawn["accuracy_high"]) == (0.25, 0.75)
    marked = shortcuts.tag(both, "shuffled_labels", "control")
    assert audit.score_controls(marked, bootstrap=400).iloc[0]["accuracy_low"] == 0.25


def test_people_who_differ_are_their_own_nearest(featured):
    # Every person far from every other: nearest is always own.
    apart = featured.isel(window=np.flatnonzero(np.isin(featured["subject"], ["S2", "S3", "S4"])))
    first = [np.flatnonzero(apart["subject"].values == person)[[0, 6]] for person in ("S2", "S3", "S4")]
    apart = apart.isel(window=np.concatenate(first))
    level = np.repeat([0.0, 10.0, 20.0], 2)[:, None] + np.zeros(apart["feature"].shape)
    apart["feature"] = apart["feature"].copy(data=level)
    apart = apart.assign_coords(start_s=("window", np.tile([0.0, 600.0], 3)))
    assert audit.nearest_people(apart).to_numpy().tolist() == np.diag([2, 2, 2]).tolist()


def test_people_are_described_hardest_first(featured):
    cold = make_predictions(
        [("S2", "stress", 0.9), ("S2", "stress", 0.9), ("S3", "stress", 0.9), ("S3", "stress", 0.1)]
    )
    shuffled = make_predictions([("S2", "stress", 0.9), ("S3", "stress", 0.9)])
    cohort = pd.DataFrame(
        {
            "subject": ["S2", "S3"],
            "stai_baseline": [9.0, 10.0],
            "stai_stress": [20.0, np.nan],
            "notes": ["Subject didn't really believe the cover story.", None],
        }
    )
    table = audit.tabulate_responses(featured, cold, shuffled, cohort)
    assert table.index.tolist() == ["S3", "S2"]
    assert table["cold"].tolist() == [0.5, 1.0] and table["shuffled"].tolist() == [1.0, 1.0]
    assert table.loc["S2", "stai"] == 11 and np.isnan(table.loc["S3", "stai"])
    assert audit.tabulate_responses(featured, cold, shuffled, cohort, judges=shuffled).index.tolist() == ["S2", "S3"]
    lost = audit.describe_dropped(cold, cold.iloc[1:], ["S2"])
    assert lost == "Of the windows dropped, 100 % belong to S2, who have 50 % of all."
    assert table["doubted"].tolist() == [False, True] and table.loc["S3", "notes"] == ""
    name = next(name for name in featured["feature_name"].values if name.endswith("_eda_log_level"))
    own = featured.isel(window=np.flatnonzero(featured["subject"] == "S2"))
    mean = own["feature"].sel(feature_name=name).groupby(own["label"]).mean()
    assert table.loc["S2", "eda"] == pytest.approx(float(mean.sel(label="stress") - mean.sel(label="baseline")))


def test_the_chapter_runs_every_shortcut_and_control_by_what_the_run_audits(predictions, monkeypatch):
    params = PARAMS.model_copy(update={"audit_models": ["one"]})
    broken = {"select_epoch_on_test_person": "test_selected_epoch"}
    for module, names in (
        (shortcuts, ("shuffled", "shuffled_no_overlap", "whole_recording", "best_of_several", *broken)),
        (controls, ("shuffled_labels", "families", "clock_alone")),
    ):
        for name in names:
            made = shortcut_of(predictions, broken.get(name, name))
            monkeypatch.setattr(module, name, create_autospec(getattr(module, name), return_value=made))
    monkeypatch.setattr(shortcuts, "selects_epoch", lambda name, params: True)
    both = pd.concat([predictions, predictions.assign(seed=1)], ignore_index=True)
    assert set(audit.run_shortcuts(None, both, params, folds=None)["shortcut"]) == set(audit.RULES)
    checked = audit.run_controls(None, both, params, folds=None)
    assert {"cold_start", "clock_only", "shuffled_labels", "families"} == set(checked["shortcut"])
    # Of the first seed alone.
    assert (checked["shortcut"] == "cold_start").sum() == len(predictions) and set(checked["seed"]) == {0}


def test_a_shortcut_is_held_against_its_own_reference_of_its_own_model(predictions):
    right = predictions.assign(p_stress=(predictions["label"] == "stress") * 0.8 + 0.1)
    right["p_baseline"] = 1 - right["p_stress"]
    own = [shortcuts.tag(table, "shuffled", "reference") for table in (right, predictions.assign(model="two"))]
    others = shortcuts.tag(predictions, "best_of_several", "reference")
    mixed = pd.concat([shortcut_of(right), *own, others])
    row = audit.inflation(mixed, predictions, bootstrap=100).iloc[0]
    assert (row["reference"], row["inflation"]) == (1, 0)
