"""Who is on which side of a fold, and what is seen of a person: nothing, minutes at rest, or the whole recording."""

import numpy as np
import pytest
import stub_models
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.errors import InputError
from wesadlib.evaluation.folds import windows_of_classes
from wesadlib.evaluation.protocols import PROTOCOLS, ColdStart, RestCalibrated, WholeRecording, make_protocol
from wesadlib.evaluation.runner import evaluate
from wesadlib.params import Params


def recorded(*states, people=3, window_s=60.0, hop_s=30.0):
    """Windows of people who all did the same: (state, first start, windows) after another."""
    label = np.concatenate([[state] * count for state, _, count in states]).astype("U9")
    start_s = np.concatenate([begin + hop_s * np.arange(count) for _, begin, count in states])
    subject = np.repeat([f"S{k + 2}" for k in range(people)], len(label))
    coordinates = {"subject": subject, "label": np.tile(label, people), "start_s": np.tile(start_s, people)}
    return xr.Dataset(
        {"feature": (("window", "feature_name"), np.arange(2.0 * len(subject)).reshape(-1, 2) ** 2)},
        coords={name: ("window", value) for name, value in coordinates.items()},
        attrs={"window_s": window_s},
    )


def test_five_minutes_of_rest_are_nine_windows_and_testing_begins_a_minute_after_them():
    # Stress that starts within the last minute before baseline, or within rest and the minute after it, is nobody's.
    others = ("stress", 930, 2), ("amusement", 1110, 2), ("stress", 1330, 2)
    windows = recorded(("stress", 100, 5), ("baseline", 1000, 20), ("stress", 2000, 5), *others)
    for fold in RestCalibrated(rest_minutes=5).split(windows):
        rest = windows.isel(window=fold.calibration)
        assert rest["start_s"].values.tolist() == 3 * [1000 + 30 * k for k in range(9)]
        assert set(rest["subject"].values) == {"S2", "S3", "S4"}, "calibration holds everybody's"
        test = windows.isel(window=fold.test)
        assert set(test["subject"].values) == {fold.held_out}
        baseline = test["start_s"].values[test["label"].values == "baseline"]
        assert baseline.tolist() == [1360 + 30 * k for k in range(8)]
        stress = test["start_s"].values[test["label"].values != "baseline"]
        assert stress.tolist() == [*range(100, 250, 30), *range(2000, 2150, 30), 930, 1360]
        assert len(fold.train) == len(fold.validation) == len(fold.test), "others give up the same windows"


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(list(PROTOCOLS)),
    rest_minutes=st.floats(1, 6),
    hop_s=st.sampled_from([10.0, 30.0, 60.0, 45.0]),
    gap_s=st.floats(0, 200),
    people=st.integers(1, 6),
    validating=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_a_person_is_on_one_side_of_a_fold_and_rest_on_none(name, rest_minutes, hop_s, gap_s, people, validating, seed):
    baseline = int(600 // hop_s)
    states = ("baseline", 50, baseline), ("stress", 50 + hop_s * baseline + gap_s, 6), ("baseline", 2000, 4)
    windows = recorded(*states, people=people, hop_s=hop_s)
    windows = windows.isel(window=np.random.default_rng(seed).permutation(windows.sizes["window"]))
    protocol = make_protocol(name, Params(rest_minutes=rest_minutes, validation_subjects=validating), seed)
    if people < validating + 2:
        with pytest.raises(InputError, match="give more subjects"):
            list(protocol.split(windows))
        return
    start_s, label, owner = (windows[name].values for name in ("start_s", "label", "subject"))
    folds = list(protocol.split(windows))
    assert [fold.held_out for fold in folds] == list(dict.fromkeys(owner))
    for fold in folds:
        train, validation, test = (set(owner[part]) for part in (fold.train, fold.validation, fold.test))
        assert test == {fold.held_out} and not train & validation and not (train | validation) & test
        assert len(validation) == validating and train | validation | test == set(owner)
        used = np.concatenate([fold.train, fold.validation, fold.test])
        assert len(set(used)) == len(used) and not set(used) & set(fold.calibration)
        if name != "rest_calibrated":
            assert fold.calibration.size == 0 and len(used) == len(owner)
            continue
        assert (label[fold.calibration] == "baseline").all()
        assert start_s[fold.calibration].max() + 60 <= 50 + 60 * rest_minutes + 1e-3
        assert start_s[used].min() >= 50 + 60 * rest_minutes + 60 - 1e-3
        left = np.setdiff1d(np.arange(len(label)), np.concatenate([used, fold.calibration]))
        assert ((start_s[left] > start_s[fold.calibration].max()) & (start_s[left] < start_s[used].min())).all()


def test_the_draw_follows_the_seed_and_the_held_out_person_only():
    def draw(protocol, windows):
        owner = windows["subject"].values
        return [tuple(dict.fromkeys(owner[fold.validation])) for fold in protocol.split(windows)]

    windows = recorded(("baseline", 0, 20), ("stress", 2000, 5), people=10)
    drawn = draw(ColdStart(2, 0), windows)
    assert drawn != draw(ColdStart(2, 1), windows)
    assert len(set(drawn)) > 3, "the folds draw apart from each other"
    assert drawn == draw(RestCalibrated(2, 0), windows) == draw(WholeRecording(2, 0), windows)
    # With fewer windows of the held-out person the others' roles stay.
    assert draw(ColdStart(2, 0), windows.isel(window=slice(9, None))) == drawn


def test_too_few_people_is_one_sentence_with_their_names():
    with pytest.raises(InputError, match=r"^1 subject \(S2\): leaving one out .* at least 3; give more subjects\.$"):
        list(ColdStart().split(recorded(("baseline", 0, 2), people=1)))
    with pytest.raises(InputError, match=r"3 subjects \(S2, S3, S4\).*at least 4.*or lower `validation_subjects`"):
        list(ColdStart(2).split(recorded(("baseline", 0, 2))))


def test_too_much_rest_is_said_with_the_person_and_what_is_allowed():
    # 20 windows from 0 to 570 s: 10.5 min, so at most 8.5 min leave a gap and one window to be tested on.
    windows = recorded(("baseline", 0, 20), ("stress", 2000, 5))
    assert len(list(RestCalibrated(rest_minutes=8.5).split(windows))) == 3
    sentence = r"^S2: 10.5 min from .* 8.6 min of rest.* `rest_minutes` of at least 1 and at most 8.5\.$"
    with pytest.raises(InputError, match=sentence):
        list(RestCalibrated(rest_minutes=8.6).split(windows))
    with pytest.raises(InputError, match=r"of at least 1 and"):
        list(RestCalibrated(rest_minutes=0.5).split(windows))
    short = windows.isel(window=(windows["subject"].values != "S3") | (windows["start_s"].values > 500))
    with pytest.raises(InputError, match=r"^S3: 2\.0 min .*; leave this person out by `subjects`\.$"):
        list(RestCalibrated(rest_minutes=1).split(short))


@pytest.mark.parametrize("window_s", [20.0, 50.0, 60.0])
def test_the_bounds_that_an_error_names_are_allowed(window_s):
    windows = recorded(("baseline", 0, 20), ("stress", 2000, 5), window_s=window_s, hop_s=7.0)
    with pytest.raises(InputError) as caught:
        list(RestCalibrated(rest_minutes=20).split(windows))
    words = str(caught.value).removesuffix(".").split()
    for minutes in (float(words[-1]), float(words[words.index("least") + 1])):
        assert len(list(RestCalibrated(rest_minutes=minutes).split(windows))) == 3


def test_a_person_without_baseline_is_left_out_by_name_and_nobody_else():
    windows = recorded(("baseline", 0, 20), ("stress", 2000, 5))
    without = windows.isel(window=(windows["subject"].values != "S3") | (windows["label"].values == "stress"))
    with pytest.warns(UserWarning, match=r"^S3: no window of `baseline`; left out of `rest_calibrated`"):
        folds = list(RestCalibrated(validation_subjects=0).split(without))
    assert [fold.held_out for fold in folds] == ["S2", "S4"]
    assert not any("S3" in without["subject"].values[fold.train] for fold in folds)
    amused = recorded(("baseline", 0, 20), ("stress", 2000, 5), ("amusement", 3000, 5))
    with pytest.raises(InputError, match=r"^nobody has a window of `baseline`.*keep `baseline` or `non-stress` among"):
        list(RestCalibrated().split(windows_of_classes(amused, ["stress", "amusement"])))


def test_rest_is_found_by_what_was_recorded_where_labels_are_joined():
    windows = recorded(("baseline", 0, 20), ("amusement", 2000, 4), ("stress", 3000, 5))
    joined = windows_of_classes(windows, ["non-stress", "stress"])
    assert set(joined["label"].values) == {"non-stress", "stress"}
    assert joined["state"].values.tolist() == windows["label"].values.tolist()
    folds = list(RestCalibrated(rest_minutes=5).split(joined))
    for fold, plain in zip(folds, RestCalibrated(rest_minutes=5).split(windows), strict=True):
        for part in ("train", "validation", "test", "calibration"):
            assert (getattr(fold, part) == getattr(plain, part)).all()
    assert set(joined["state"].values[folds[0].test]) == {"baseline", "amusement", "stress"}


def test_the_runner_shows_rest_of_others_in_fitting_and_of_the_tested_in_predicting(make_windows_of_toys, monkeypatch):
    windows = make_windows_of_toys(n_subjects=4, per_subject=18, window_s=60.0, rate_hz=1.0)
    seen = []
    stub_models.spy_on_predictions(monkeypatch, seen)
    options = {"params": Params(rest_minutes=2), "progress": False}
    predictions = evaluate("restful", windows, protocol="rest_calibrated", **options)
    rest = [0.0, 30.0, 60.0]
    for person, shown in zip(["S2", "S3", "S4", "S5"], seen, strict=True):
        others = {"S2", "S3", "S4", "S5"} - {person}
        assert shown["rest"] == dict.fromkeys(others, rest)
        assert shown["rest_of_tested"] == {person: rest}
        assert shown["taught"].keys() | shown["validated"].keys() == others
        times = [time for part in ("taught", "validated", "tested") for of in shown[part].values() for time in of]
        assert min(times) == 180
    assert (predictions["start_s"] >= 180).all() and set(predictions["protocol"]) == {"rest_calibrated"}

    seen.clear()
    cold = evaluate("restful", windows, **options)
    assert all(shown["rest"] is None and shown["rest_of_tested"] is None for shown in seen)
    keys = ["subject", "window", "label", "start_s"]
    assert len(cold) == windows.sizes["window"] and len(cold.merge(predictions, on=keys)) == len(predictions)

    seen.clear()
    start_s, subject = windows["start_s"].values, windows["subject"].values
    options["protocol"] = "rest_calibrated"
    evaluate("restful", windows.assign(verdict=("window", (subject != "S3") | (start_s != 30))), **options)
    refused = [shown["rest"].get("S3", shown["rest_of_tested"].get("S3")) for shown in seen]
    assert refused == 4 * [[0.0, 60.0]], "rest that quality refused is not shown"
    none = windows.assign(verdict=("window", (subject != "S3") | (start_s > 60)))
    with pytest.raises(InputError, match=r"no accepted window at rest of S3; raise `rest_minutes`"):
        evaluate("restful", none, **options)


def standardised(values, subjects, name="feature"):
    dims = ("window", "feature_name") if name == "feature" else ("window", "channel", "time")
    windows = xr.Dataset({name: (dims, values)}, coords={"subject": ("window", np.array(subjects))})
    return WholeRecording().prepare(windows)[name]


def test_the_whole_recording_of_each_person_has_mean_0_and_spread_1():
    generator = np.random.default_rng(0)
    subjects = np.array(["S2", "S3", "S2", "S3", "S3", "S2", "S2"])
    feature = generator.normal(50, 9, (7, 3))
    signal = generator.normal(-3, 4, (7, 2, 40)).astype(np.float32)
    for name, values, over in (("feature", feature, 0), ("signal", signal, (0, 2))):
        result = standardised(values, subjects, name)
        assert result.dtype == values.dtype
        for person in ("S2", "S3"):
            own = result.values[subjects == person]
            assert np.allclose(own.mean(over), 0, atol=1e-5) and np.allclose(own.std(over), 1, atol=1e-5)
        changed = values.copy()
        changed[subjects == "S3"] *= 100
        assert (standardised(changed, subjects, name).values == result.values)[subjects == "S2"].all()
    first = feature[subjects == "S2"]
    expected = (first - first.mean(0)) / first.std(0)
    assert np.allclose(standardised(feature, subjects).values[subjects == "S2"], expected)


def test_what_is_missing_stays_missing_and_what_does_not_vary_becomes_0():
    values = np.array([[1.0, np.nan, 0.1], [3.0, np.nan, 0.1], [np.nan, np.nan, 0.1]] * 3)[:7]
    result = standardised(values, ["S2"] * 7).values
    assert (np.isnan(result) == np.isnan(values)).all()
    assert np.allclose(result[:2, 0] - result[0, 0], [0, 2 / np.nanstd(values[:, 0])])
    assert (result[:, 2] == 0).all(), "the rounded mean of seven times 0.1 is not 0.1"


def test_a_protocol_is_made_by_name_of_the_runs_parameters():
    params = Params(rest_minutes=3, validation_subjects=2)
    assert make_protocol("rest_calibrated", params, seed=5) == RestCalibrated(2, 5, 3)
    with pytest.raises(InputError, match=r"^unknown protocol `warm`; .* cold_start, rest_calibrated, whole_recording"):
        make_protocol("warm", Params(), 0)
