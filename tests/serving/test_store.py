"""What the server remembers: bounded in number, size and age, and nothing of a person who is to be forgotten."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wesadlib.serving.memory import HANDLES_PER_PERSON, Limits, Store
from wesadlib.serving.old_settings import Settings
from wesadlib.serving.reservoir import Reservoir
from wesadlib.serving.store import AsyncStore, LocalStore

LIMITS = Limits(
    max_people=5, people_age_h=1.0, drift_windows=40, drift_windows_per_person=15, max_streams=4, parked_mb=1e-3
)
PROFILE = np.arange(6, dtype=np.float32)


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return Store(LIMITS, clock)


def windows(n, value=0.0):
    return np.full((n, 3), value, np.float32)


def people_of(store, version="a"):
    return list(dict.fromkeys(store.drift_rows(version).people))


def test_a_rest_is_found_under_its_handle_and_under_no_other(store, clock):
    handle, made = store.keep_rest("ann", PROFILE, "a")
    other, _ = store.keep_rest("ben", PROFILE + 1, "b")
    assert handle != other and len(handle) >= 22
    found = store.get_rest(handle)
    assert (found["person"], found["model_version"], found["made"]) == ("ann", "a", clock.now)
    np.testing.assert_array_equal(found["profile"], PROFILE)
    assert made["expires"] == clock.now + 3600
    for forged in ("", handle[:-1], handle + "A", "ann", handle.swapcase()):
        assert store.get_rest(forged) is None


def test_a_rest_is_kept_apart_from_what_it_was_made_of(store):
    profile = PROFILE.copy()
    handle, _ = store.keep_rest("ann", profile, "a")
    profile[:] = -1
    np.testing.assert_array_equal(store.get_rest(handle)["profile"], PROFILE)


def test_a_rest_ends_at_its_age_however_often_it_is_used(store, clock):
    handle, _ = store.keep_rest("ann", PROFILE, "a")
    clock.now += 3599
    assert store.get_rest(handle) is not None
    clock.now += 1
    assert store.get_rest(handle) is None


def test_whoever_was_not_asked_for_longest_makes_room(store):
    handles = [store.keep_rest(f"p{k}", PROFILE, "a")[0] for k in range(5)]
    store.get_rest(handles[0])
    store.keep_rest("p5", PROFILE, "a")
    assert [store.get_rest(handle) is not None for handle in handles] == [True, False, True, True, True]


def test_a_person_has_few_handles_and_pushes_nobody_out(store, clock):
    ben, _ = store.keep_rest("ben", PROFILE, "a")
    anns = []
    for _ in range(20):
        anns.append(store.keep_rest("ann", PROFILE, "a")[0])
        clock.now += 1
    assert store.get_rest(ben) is not None
    assert [k for k, handle in enumerate(anns) if store.get_rest(handle)] == list(range(20))[-HANDLES_PER_PERSON:]


def test_a_parked_stream_is_claimed_once(store):
    assert store.park("s", b"state", 30)
    assert store.claim("other") is None
    assert store.claim("s") == b"state"
    assert store.claim("s") is None


def test_a_parked_stream_ends_with_its_grace(store, clock):
    store.park("early", b"1", 30)
    store.park("late", b"2", 30)
    clock.now += 29.9
    assert store.claim("early") == b"1"
    clock.now += 0.1
    assert store.claim("late") is None


def test_the_signal_of_a_parked_stream_leaves_memory_when_its_grace_is_over(store, clock):
    store.park("s", b"state", 30)
    clock.now += 30
    store.sweep()
    assert not store._parked and store._parked_bytes == 0


def test_the_stream_that_was_parked_first_makes_room(store):
    for session in "abcde":
        assert store.park(session, b"x", 30)
    assert [store.claim(session) for session in "abcde"] == [None, b"x", b"x", b"x", b"x"]
    assert store.park("half", bytes(600), 30) and store.park("more", bytes(600), 30)
    assert store.claim("half") is None and store.claim("more") == bytes(600)
    assert not store.park("huge", bytes(2000), 30)


def test_a_stream_that_is_parked_again_takes_the_place_of_its_former_state(store):
    store.park("s", bytes(900), 30)
    store.park("s", bytes(1000), 30)
    assert store.claim("s") == bytes(1000)
    assert store._parked_bytes == 0


def test_a_person_is_forgotten_and_no_other(store):
    handles = [store.keep_rest(person, PROFILE, "a")[0] for person in ("ann", "ann", "ben")]
    store.feed("a", ["ann"] * 3 + ["ben"] * 2, windows(5))
    store.feed("b", ["ann"], windows(1))
    store.park("s", b"ann's", 30, "ann")
    store.park("t", b"ben's", 30, "ben")
    assert store.forget("ann") == (2, 4, 1)
    assert [store.get_rest(handle) is not None for handle in handles] == [False, False, True]
    assert people_of(store) == ["ben"] and people_of(store, "b") == []
    assert (store.claim("s"), store.claim("t")) == (None, b"ben's")
    assert store.forget("ann") == (0, 0, 0)


def test_windows_that_a_replica_still_held_back_do_not_bring_a_forgotten_person_back(store, clock):
    store.forget("ann")
    clock.now += 1
    store.feed("a", ["ann", "ben"], windows(2))
    assert people_of(store) == ["ben"]
    clock.now += 5
    store.feed("a", ["ann"], windows(1))
    assert set(people_of(store)) == {"ann", "ben"}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 60)), max_size=40))
def test_the_reservoir_stays_within_its_bounds(calls):
    reservoir = Reservoir(40, 15, 3600.0, Clock())
    for person, n in calls:
        reservoir.add([str(person)] * n, windows(n, person))
        rows = reservoir.rows()
        assert len(rows.people) == len(rows.features) == len(reservoir) <= 40
        assert max(rows.people.count(name) for name in set(rows.people)) <= 15
        # Each row is still that of its person; whoever came last is there.
        assert (rows.features[:, 0] == np.array(rows.people, float)).all()
        assert rows.people.count(str(person)) >= min(n, 15)


@given(
    st.lists(st.tuples(st.sampled_from(["rest", "park", "feed", "forget", "wait"]), st.integers(0, 30)), max_size=60)
)
def test_the_store_stays_within_its_bounds(steps):
    clock = Clock()
    store = Store(LIMITS, clock)
    for step, k in steps:
        if step == "rest":
            store.keep_rest(f"p{k}", PROFILE, "a")
        elif step == "park":
            store.park(f"s{k}", bytes(20 * k), 10 + k, f"p{k}")
        elif step == "feed":
            store.feed(f"v{k % 4}", [f"p{k}"] * k, windows(k))
        elif step == "forget":
            store.forget(f"p{k}")
        else:
            clock.now += 60 * k
        assert len(store._rests) <= 5
        assert len(store._parked) <= 4
        assert store._parked_bytes == sum(len(parked.state) for parked in store._parked.values()) <= 1e-3 * 2**20
        assert len(store._drift) <= 2 and all(len(reservoir) <= 40 for reservoir in store._drift.values())


def test_each_window_of_a_person_has_the_same_chance_to_stay():
    kept = np.zeros(60)
    for seed in range(300):
        reservoir = Reservoir(100, 15, 3600.0, Clock(), seed)
        for k in range(60):
            reservoir.add(["ann"], windows(1, k))
        kept[reservoir.rows().features[:, 0].astype(int)] += 1
    # 75 expected of each, with a standard deviation of 7.5.
    assert kept.sum() == 300 * 15
    assert kept.min() > 45 and kept.max() < 105


def test_whoever_was_not_heard_of_for_longest_leaves_the_reservoir_with_all_windows(store):
    for person in ("ann", "ben", "cleo"):
        store.feed("a", [person] * 12, windows(12))
    store.feed("a", ["ann"], windows(1))
    store.feed("a", ["dan"] * 5, windows(5))
    assert people_of(store) == ["cleo", "ann", "dan"]


def test_windows_leave_the_reservoir_by_age(store, clock):
    store.feed("a", ["ann"], windows(1))
    clock.now += 3000
    store.feed("a", ["ben"], windows(1))
    clock.now += 700
    assert people_of(store) == ["ben"]


def test_windows_of_nobody_are_counted_and_not_kept(store):
    store.feed("a", [], np.empty((0, 0)), 1000)
    store.feed("a", ["ann"], windows(1), 10)
    rows = store.drift_rows("a")
    assert (rows.people, rows.unnamed) == (["ann"], 1010)


def test_windows_of_two_models_are_kept_apart_and_a_third_takes_the_place_of_the_first(store):
    store.feed("a", ["ann"], windows(1))
    store.feed("b", ["ben"], np.zeros((1, 7)))
    assert (people_of(store, "a"), people_of(store, "b")) == (["ann"], ["ben"])
    store.feed("c", ["cleo"], windows(1))
    assert (people_of(store, "a"), people_of(store, "c")) == ([], ["cleo"])


def test_a_silent_replica_is_gone_but_its_word_is_kept(store, clock):
    store.report_metrics("r1", "one")
    clock.now += 20
    store.report_metrics("r2", "two")
    clock.now += 15
    assert store.metrics() == [("r1", "one", False), ("r2", "two", True)]


def test_replicas_that_come_and_go_are_bounded(store, clock):
    for k in range(200):
        store.report_metrics(f"r{k}", "")
        clock.now += 31
    store.sweep()
    assert [snapshot.replica for snapshot in store.metrics()] == [f"r{k}" for k in range(168, 200)]


def test_narrower_bounds_hold_from_then_on(store):
    for k in range(5):
        store.keep_rest(f"p{k}", PROFILE, "a")
    store.feed("a", ["ann"] * 15 + ["ben"] * 15, windows(30))
    store.bound(Limits(max_people=2, drift_windows=10, drift_windows_per_person=5))
    store.keep_rest("late", PROFILE, "a")
    store.feed("a", ["cleo"] * 9, windows(9))
    assert len(store._rests) == 2
    assert store.drift_rows("a").people == ["cleo"] * 5


def test_the_settings_bound_the_store_and_its_methods_are_awaited():
    async def use():
        store = LocalStore(Settings(max_people=1))
        first, _ = await store.keep_rest("ann", PROFILE, "a")
        second, _ = await store.keep_rest("ben", PROFILE, "a")
        return await store.get_rest(first), await store.get_rest(second)

    first, second = asyncio.run(use())
    assert first is None and second["person"] == "ben"


def test_every_public_method_of_the_store_that_a_replica_needs_can_be_awaited():
    public = {name for name in vars(Store) if not name.startswith("_")} - {"bound", "sweep"}
    assert {name for name in vars(AsyncStore) if not name.startswith("_")} == public
