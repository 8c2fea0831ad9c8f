"""Drift over the windows of a server: its unit is the person, it says what it rests on, and what is kept is bounded."""

import asyncio

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from stubs import NAMES, StubBundle, features, result

from wesadlib.bundle import Result
from wesadlib.serving import drift_store
from wesadlib.serving.drift_store import Drift, DriftStore, Rows, compare_rows

VERSION = "a" * 64
DAY_S = 24 * 3600


def rows(*groups, unnamed=0):
    """From (names, values (person, window, feature)) what a store holds."""
    people = [name for names, values in groups for name in names for _ in range(values.shape[1])]
    values = [values.reshape(-1, 4) for _, values in groups]
    return Rows(people, np.concatenate(values) if values else np.empty((0, 0)), unnamed)


@pytest.fixture(scope="module")
def bundle():
    return StubBundle()


def test_shifted_people_raise_the_alarm_and_like_ones_do_not(bundle):
    names = ["ann", "ben", "cleo"]
    shifted = compare_rows(bundle, rows((names, features(3, 20, seed=1, shift=8.0))))
    assert shifted.alarm is True and shifted.statistic > shifted.threshold
    assert (shifted.people, shifted.people_needed, shifted.windows) == (3, 2, 60)
    healthy = compare_rows(bundle, rows((names, features(3, 20, seed=2))))
    assert healthy.alarm is False and healthy.statistic == healthy.table[0].distance
    assert [row.distance for row in healthy.table] == sorted((row.distance for row in healthy.table), reverse=True)
    assert {row.feature for row in healthy.table} == set(NAMES)


def test_a_thousand_shifted_windows_of_one_person_are_one_person(bundle):
    report = compare_rows(bundle, rows((["ann"], features(1, 1000, seed=1, shift=8.0))))
    assert (report.people, report.windows, report.alarm, report.statistic, report.table) == (1, 1000, None, None, [])
    assert "so far: 1." in report.note and "at least 2" in report.note


def test_people_with_few_windows_and_windows_of_nobody_do_not_count(bundle):
    many, few = features(2, 10, seed=3), features(5, 9, seed=4, shift=50.0)
    report = compare_rows(bundle, rows((["ann", "stream x"], many), (list("vwxyz"), few), unnamed=700))
    assert (report.people, report.people_with_fewer, report.streams, report.windows_needed) == (2, 5, 1, 10)
    assert (report.windows, report.windows_without_person) == (20, 700)
    alone = compare_rows(bundle, rows((["ann", "stream x"], many)))
    assert (report.statistic, report.table) == (alone.statistic, alone.table)


@pytest.mark.parametrize("windows", [3, 12])
def test_no_identifier_is_in_a_report(bundle, windows):
    names = ["ann-17", "stream secret", "ben-18"]
    text = compare_rows(bundle, rows((names, features(3, windows, seed=5)))).model_dump_json()
    assert not any(name in text for name in ("ann-17", "secret", "ben-18"))


def test_a_feature_that_can_no_longer_be_read_is_null_where_there_is_no_number(bundle):
    values = features(3, 12, seed=6)
    values[..., 1] = np.nan
    report = compare_rows(bundle, rows((list("abc"), values)))
    lost = next(row for row in report.table if row.feature == NAMES[1])
    assert (lost.distance, lost.ks, lost.p, lost.missing_current, report.alarm) == (1.0, None, None, 1.0, True)
    assert "NaN" not in report.model_dump_json()


@pytest.mark.parametrize("without", ["reference", "threshold", "feature"])
def test_a_bundle_that_cannot_tell_drift_says_so(without):
    bundle = StubBundle()
    if without == "reference":
        bundle.reference = None
    elif without == "threshold":
        bundle.config["drift_threshold"] = None
    else:
        bundle.feature_names = NAMES[:3]
    report = compare_rows(bundle, rows((list("abc"), features(3, 12, seed=5))))
    assert (report.alarm, report.people_needed, report.threshold) == (None, None, None)
    assert "no reference" in report.note


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9)), max_size=30), st.integers(0, 40))
@example([("a", 1), ("b", 6), ("c", 5)], 0)
def test_a_store_is_bounded_in_all_and_for_each_person_and_drops_whoever_was_silent_longest(calls, later):
    now = 0
    store = DriftStore(10, 6, clock=lambda: now)
    heard = {}
    for person, windows in calls:
        now += 1
        heard[person] = now
        store.add(VERSION, [person] * windows, np.full((windows, 2), now))
    kept = store.rows(VERSION)
    # Of a person the last windows.
    assert all(heard[person] in kept.features[np.array(kept.people) == person] for person in set(kept.people))
    counts = {person: kept.people.count(person) for person in kept.people}
    assert len(kept.people) == len(kept.features) <= 10 and all(count <= 6 for count in counts.values())
    assert set(counts) == set(sorted(heard, key=heard.get)[len(heard) - len(counts) :])
    assert not calls or calls[-1][0] in counts
    now += DAY_S - later
    assert set(store.rows(VERSION).people) == {person for person in counts if heard[person] >= now - DAY_S}


def test_models_are_kept_apart():
    store = DriftStore(100, 5)
    store.add(VERSION, ["ann", None, None, None], np.ones((4, 4)))
    store.add("b" * 64, ["ann"], np.zeros((1, 4)))
    assert (store.rows(VERSION).features.max(), store.rows(VERSION).unnamed) == (1, 3)
    assert (store.rows("b" * 64).features.max(), store.rows("b" * 64).unnamed) == (0, 0)


def make_drift(store):
    return Drift(StubBundle(), 100, drift_store._local(store))


@pytest.mark.anyio
async def test_features_come_to_the_store_by_person_and_only_those_of_drift():
    store = DriftStore(100, 50)
    drift = make_drift(store)
    drift.add([result(row=np.arange(5.0)), result("rejected"), Result({"wrist_eda": "missing"})], person="ann")
    drift.add([result(row=np.arange(5.0) + 1)], session="s")
    drift.add([result()] * 5)
    await drift.push()
    await drift.push()
    kept = store.rows(VERSION)
    assert (kept.people, kept.unnamed) == (["ann", "stream s"], 5)
    np.testing.assert_array_equal(kept.features, [[1, 2, 3, 4], [2, 3, 4, 5]])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("hop_s", "expected"), [(5.0, [0, 60, 120]), (7.0, [0, 63, 126]), (60.0, [0, 60, 120]), (90.0, [0, 90])]
)
async def test_of_a_stream_only_windows_that_do_not_overlap_are_kept(hop_s, expected):
    store = DriftStore(100, 50)
    drift = make_drift(store)
    starts = np.arange(0, 130, hop_s).tolist()
    for both in (starts[k : k + 2] for k in range(0, len(starts), 2)):
        drift.add([result(row=[0, k, 0, 0, 0]) for k in both], session="s", start_s=both, hop_s=hop_s)
    await drift.push()
    assert store.rows(VERSION).features[:, 0].tolist() == expected


@pytest.mark.anyio
async def test_features_wait_for_the_store_within_bounds():
    store = DriftStore(20_000, 20_000)
    drift = make_drift(store)
    drift.add([result()] * 12_000, person="ann")
    await drift.push()
    assert len(store.rows(VERSION).people) == 10_000


@pytest.mark.anyio
async def test_a_recent_report_is_given_again_and_another_replicas_windows_are_in_a_new_one():
    store = DriftStore(100, 50)
    drift, other = make_drift(store), make_drift(store)
    assert (await drift.report()).people == 0
    for name in "abc":
        other.add([result(row=[0, *row]) for row in features(1, 12, seed=7)[0]], person=name)
    await other.push()
    assert ((await drift.report(60.0)).people, (await drift.report()).people) == (0, 3)


@pytest.mark.anyio
async def test_the_background_task_survives_a_store_that_is_away(monkeypatch):
    monkeypatch.setattr(drift_store, "_PUSH_S", 0.0)
    store, calls = DriftStore(100, 50), []

    async def call(name, *arguments):
        calls.append(name)
        if len(calls) == 1:
            raise HTTPException(503)
        getattr(store, name)(*arguments)

    drift = Drift(StubBundle(), 100, call)
    drift.add([result()], person="ann")
    task = asyncio.create_task(drift.run())
    while not calls:
        await asyncio.sleep(0)
    drift.add([result()], person="ben")
    while "ben" not in store.rows(VERSION).people:
        await asyncio.sleep(0)
    task.cancel()
    assert store.rows(VERSION).people == ["ben"]
