"""The drift alarm: its unit is the person, its rate is the one it claims."""

import json
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from wesadlib.drift import alarm, describe_threshold, find_threshold, make_reference, people_for, report, trials
from wesadlib.drift.alarm import choose_batches, distances, feature_columns, make_grid
from wesadlib.drift.trials import describe_noticed, describe_rate, notice_shifts, shift_windows, verify_rate
from wesadlib.errors import InputError
from wesadlib.features import extract_features

SENSORS = ["wrist_bvp", "wrist_eda", "wrist_temp", "wrist_acc"]


def make_people(n: int, seed: int, *, shift: float = 0.0, windows: int = 30, features: int = 4, first: int = 0):
    """People who differ by 2 SDs of what a person's windows differ by; windows overlap by half."""
    generator, names = np.random.default_rng(seed), [f"wrist_eda_f{k}" for k in range(features)]
    tables = []
    for person in range(first, first + n):
        values = shift + generator.normal(0, 2, features) + generator.normal(0, 1, (windows, features))
        keys = {"subject": f"S{person}", "start_s": np.arange(windows) * 30.0}
        tables.append(pd.DataFrame(keys).join(pd.DataFrame(values, columns=names)))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def cohort():
    return make_people(12, seed=0)


@pytest.fixture(scope="module")
def threshold(cohort):
    return find_threshold(cohort, people=2, false_alarm_rate=0.1)


@pytest.fixture
def toys(toy_windows):
    return extract_features(toy_windows)


@pytest.mark.parametrize(("decimals", "exact"), [(0, 1e-9), (6, 0.02)])
def test_the_statistic_is_the_two_sample_distance_where_people_have_as_many_windows(cohort, decimals, exact):
    cohort = cohort.round(decimals)
    distributions = alarm.person_distributions(cohort, make_grid(cohort))
    people = np.array([f"S{k}" for k in range(12)])
    for batch in choose_batches(12, 2, 5, np.random.default_rng(0)):
        inside = cohort["subject"].isin(people[batch])
        found = distances(distributions[batch], distributions[~batch])
        for name, distance in zip(feature_columns(cohort), found, strict=True):
            expected = stats.ks_2samp(cohort.loc[inside, name], cohort.loc[~inside, name]).statistic
            assert distance == pytest.approx(expected, abs=exact)


def test_a_batch_below_everything_and_one_that_cannot_be_read_are_as_far_as_can_be(cohort, threshold):
    reference = cohort.assign(wrist_eda_f0=5.0)
    batch = make_people(2, 77, first=50).assign(wrist_eda_f0=4.0, wrist_eda_f1=np.nan)
    found = report(reference, batch, threshold)
    table = found["table"].set_index("feature")
    assert found["alarm"] and table.loc["wrist_eda_f0", ["distance", "ks"]].tolist() == [1, 1]
    unread = table.loc["wrist_eda_f1"]
    assert unread[["distance", "missing_current"]].tolist() == [1, 1] and unread[["p", "p_holm"]].isna().all()


def test_each_person_weighs_the_same():
    table = pd.concat([make_people(1, 1, windows=10), make_people(1, 2, windows=1000, first=1)])
    other = make_people(1, 3, windows=20, first=2)
    balanced = alarm.person_distributions(pd.concat([table, other]), make_grid(other))
    half = (balanced[0] + balanced[1]) / 2
    np.testing.assert_allclose(distances(balanced[:2], balanced[2:]), np.abs(half - balanced[2]).max(axis=1))


def test_batches_are_all_there_are_or_distinct_ones():
    generator = np.random.default_rng(0)
    assert choose_batches(6, 2, 100, generator).shape == (comb(6, 2), 6)
    some = choose_batches(15, 3, 100, generator)
    assert some.shape == (100, 15) and (some.sum(axis=1) == 3).all()
    assert len(np.unique(some, axis=0)) == 100


def test_the_threshold_is_exceeded_by_its_share_of_left_out_batches(cohort, threshold):
    distributions = alarm.person_distributions(cohort, make_grid(cohort))
    null = alarm.null_distribution(distributions, 2, 500, np.random.default_rng(0))
    assert len(null) == comb(12, 2) and (np.diff(null) >= 0).all()
    assert (null > threshold["threshold"]).mean() <= 0.1
    assert (null >= threshold["threshold"]).mean() > 0.08
    assert find_threshold(cohort, people=2, false_alarm_rate=0.3)["threshold"] < threshold["threshold"]
    assert json.loads(json.dumps(threshold)) == threshold
    assert f"above a distance of {threshold['threshold']:.2f}, learnt from 66 batches" in describe_threshold(threshold)


def test_shifted_people_raise_it_and_the_report_says_why(cohort, threshold):
    batch = make_people(2, 77, first=50)
    healthy = report(cohort, batch, threshold)
    assert healthy["alarm"] is False and healthy["people"] == 2 and "No drift" in healthy["note"]
    batch["wrist_eda_f2"] += 12
    found = report(cohort, batch, threshold)
    assert found["alarm"] is True and "wrist_eda_f2" in found["note"]
    assert report(cohort, batch, threshold | {"threshold": found["statistic"]})["alarm"] is False
    assert found["statistic"] == found["table"]["distance"].max() == found["table"]["distance"][0]
    assert found["table"]["feature"][0] == "wrist_eda_f2"
    row = found["table"].iloc[0]
    assert row["ks"] > 0.95 and row["p_holm"] < 1e-6
    assert row["effect_size"] == pytest.approx(6, rel=0.5)
    assert (found["table"]["p_holm"] >= found["table"]["p"]).all()


def test_a_small_cohort_has_no_alarm_and_says_how_many_people_it_takes():
    small = make_people(4, 0)
    limit = find_threshold(small, people=2, false_alarm_rate=0.05)
    assert limit["threshold"] is None
    assert "4 people are too few" in limit["note"] and "at least 7" in limit["note"]
    judged = report(small, make_people(2, 9), limit)
    assert judged["alarm"] is None and judged["note"] == limit["note"]
    assert describe_threshold(limit) == limit["note"]
    rates = verify_rate(small, 2)
    assert np.isnan(rates["observed"]).all() and "nothing to verify" in describe_rate(rates, 0.05)
    assert [people_for(*batch) for batch in ((1, 0.05), (2, 0.05), (2, 0.5), (1, 0.1))] == [19, 7, 5, 9]
    for people, has_alarm in ((7, True), (6, False), (1, False)):
        limit = find_threshold(make_people(people, 0), people=2, false_alarm_rate=0.05)
        assert (limit["threshold"] is not None) == has_alarm


def test_the_quantile_counts_the_batch_to_come():
    null = np.arange(1.0, 20.0)
    assert [alarm.quantile_of_null(null, rate) for rate in (0.05, 0.1, 0.04)] == [19, 18, None]
    assert alarm.quantile_of_null(np.empty(0), 0.5) is None


def test_windows_counted_as_independent_alarm_on_healthy_people(cohort):
    naive = trials.naive_alarms(cohort, window_s=60.0)
    share = naive.groupby("least_distance")["alarm"].mean()
    assert share[0.0] == 1.0
    assert (share.diff().dropna() <= 0).all()
    assert verify_rate(cohort, 1, [0.2])["observed"][0] <= 0.4


def test_the_rate_is_verified_on_batches_the_threshold_has_not_seen():
    observed = np.mean([verify_rate(make_people(9, seed), 2, [0.1, 0.5])["observed"] for seed in range(12)], axis=0)
    assert 0.02 < observed[0] < 0.2
    assert 0.35 < observed[1] < 0.6
    table = verify_rate(make_people(9, 0), 2, [0.01, 0.1])
    assert np.isnan(table["observed"][0]) and table["batches"].tolist() == [0, 36]
    assert (table["independent"] == 4).all()
    sentence = describe_rate(table, 0.05)
    assert "Where 0.1 is claimed" in sentence and "of 36 unshifted batches" in sentence
    # Of four batches, 90 % of counts lie between none and two where each alarms at 0.1.
    assert table[["low", "high"]].iloc[1].tolist() == [0, 0.5]


def test_a_left_out_batch_takes_no_part_in_its_own_threshold(cohort):
    distributions = alarm.person_distributions(cohort, make_grid(cohort))
    for batch, null in trials.leave_batches_out(distributions, 2, 4):
        rest = distributions[~batch]
        pairs = choose_batches(10, 2, 1000, np.random.default_rng(1))
        np.testing.assert_allclose(null, sorted(distances(rest[pair], rest[~pair]).max() for pair in pairs))


def test_a_reference_holds_what_drift_is_judged_on(toys):
    reference = make_reference(toys)
    features = feature_columns(reference)
    names = {"wrist_bvp_heart_rate", "wrist_eda_log_level", "wrist_temp_mean", "wrist_acc_magnitude_mean"}
    assert names <= set(features)
    assert not any("_acc_x_" in name or "kurtosis" in name for name in features)
    assert len(reference) == toys.sizes["window"] and reference["subject"].nunique() == 6
    toys["feature"].loc[{"feature_name": "wrist_bvp_heart_rate"}][:20] = np.nan
    assert "wrist_bvp_heart_rate" not in make_reference(toys)
    assert make_reference(toys, ["wrist_bvp_heart_rate"]).shape == (72, 3)


def test_bad_input_is_named(toys, cohort, threshold):
    with pytest.raises(InputError, match="extract_features"):
        make_reference(toys.drop_vars("feature"))
    with pytest.raises(InputError, match="chest_ecg_heart_rate"):
        make_reference(toys, ["chest_ecg_heart_rate"])
    with pytest.raises(InputError, match="wrist_eda_f3"):
        report(cohort, make_people(2, 0).drop(columns="wrist_eda_f3"), threshold)
    with pytest.raises(InputError, match="S0 has 5 windows"):
        report(cohort, make_people(2, 0, windows=5), threshold)
    with pytest.raises(InputError, match="1 people; this alarm is for batches of at least 2"):
        report(cohort, make_people(1, 5), threshold)
    assert report(cohort, make_people(3, 5), threshold)["people"] == 3


def test_shifts_are_what_they_say(toys):
    eda = toys["signal"].sel(channel=["wrist_eda"])
    np.testing.assert_allclose(shift_windows(toys, "gain", "wrist_eda", 2.0)["signal"], 2 * eda)
    moved = shift_windows(toys, "offset", "wrist_eda", 0.5)["signal"] - eda
    np.testing.assert_allclose(moved, 0.5 * float(eda.std()), rtol=1e-3)
    noise = shift_windows(toys, "noise", "wrist_eda", 0.5)["signal"] - eda
    assert float(noise.std()) == pytest.approx(0.5 * float(eda.std()), rel=0.02)
    acc = shift_windows(toys, "gain", "wrist_acc", 2.0)
    assert acc["channel"].values.tolist() == ["wrist_acc_x", "wrist_acc_y", "wrist_acc_z"]
    assert acc.sizes["beat_source"] == 0
    assert shift_windows(toys, "gain", "wrist_bvp", 2.0).sizes["beat_source"] == 1


def test_larger_shifts_are_noticed_and_none_is_not(make_windows_of_toys):
    toys = extract_features(make_windows_of_toys(n_subjects=9))
    sizes = {"gain": (1.0, 3.0), "population": (0.0, 8.0), "prevalence": (1 / 3, 1.0)}
    table = notice_shifts(toys, people=2, false_alarm_rate=0.2, sizes=sizes)
    healthy = table[table["kind"] == "none"].iloc[0]
    assert healthy["noticed"] <= 0.5
    by_size = table.set_index(["kind", "sensor", "size"])
    assert table.query("kind == 'gain'")["sensor"].unique().tolist() == SENSORS
    for sensor in SENSORS:
        assert by_size.loc[("gain", sensor, 1.0), "distance"] == pytest.approx(healthy["distance"])
    for shift in (("gain", "wrist_acc", 3.0), ("gain", "wrist_temp", 3.0), ("population", "", 8.0)):
        assert by_size.loc[shift, "noticed"] == 1
    assert by_size.loc[("prevalence", "", 1.0), "distance"] > by_size.loc[("prevalence", "", 1 / 3), "distance"]
    assert by_size.loc[("prevalence", "", 1 / 3), "distance"] == pytest.approx(healthy["distance"], abs=0.03)


def test_shifts_in_a_cohort_too_small_for_the_rate(toys):
    table = notice_shifts(toys.isel(window=slice(0, 48)), people=2, false_alarm_rate=0.05, sizes={"gain": (3.0,)})
    assert table["noticed"].isna().all() and table["distance"].notna().all()
    assert describe_noticed(table).startswith("Too few people")


def test_the_smallest_size_noticed_counts_from_the_largest_down():
    rows = [("gain", "wrist_eda", s, 0.5, n) for s, n in ((1.1, 0.6), (1.5, 0.1), (2.0, 0.5), (4.0, 0.9))]
    rows += [("offset", "wrist_eda", s, 0.5, n) for s, n in ((1.0, 0.9), (2.0, 0.4))]
    rows += [("none", "", 0.0, 0.4, 1.0)]
    table = pd.DataFrame(rows, columns=["kind", "sensor", "size", "distance", "noticed"])
    assert describe_noticed(table).splitlines()[2:] == [
        "- gain: skin conductance from 2",
        "- offset: not detected at any size tried: skin conductance",
    ]
    assert describe_noticed(table).startswith("Of the unshifted batches 100 % raise the alarm.")


def test_larger_healthy_batches_lie_closer(cohort):
    nulls = trials.nulls_by_size(cohort, range(1, 8))
    assert nulls["people"].unique().tolist() == [1, 2, 3, 4, 5]
    assert (nulls.groupby("people")["distance"].median().diff().dropna() < 0).all()
