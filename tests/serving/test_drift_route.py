"""Drift over the windows of a server: its unit is the person, and it says what it rests on."""

import asyncio

import numpy as np
import pytest
from stubs import NAMES, StubBundle, StubService, features

from wesadlib.serving.drift import DriftJudge, judge_rows, read_cohort
from wesadlib.serving.reservoir import Rows


@pytest.fixture(scope="module")
def cohort():
    return read_cohort(StubBundle())


def rows(*groups, unnamed=0):
    """From (names, values (person, window, feature)) what a reservoir holds."""
    people = [name for names, values in groups for name in names for _ in range(values.shape[1])]
    values = [values.reshape(-1, 4) for _, values in groups]
    return Rows(people, np.concatenate(values) if values else np.empty((0, 0)), unnamed)


def test_shifted_people_raise_the_alarm_and_like_ones_do_not(cohort):
    names = ["ann", "ben", "cleo"]
    shifted = judge_rows(cohort, rows((names, features(3, 20, seed=1, shift=8.0))))
    assert shifted.alarm is True and shifted.statistic > shifted.threshold
    assert (shifted.people, shifted.people_needed, shifted.windows) == (3, 2, 60)
    assert shifted.note.startswith("Drift: ")
    healthy = judge_rows(cohort, rows((names, features(3, 20, seed=2))))
    assert healthy.alarm is False and healthy.note.startswith("No drift: ")
    assert [row.distance for row in healthy.table] == sorted((row.distance for row in healthy.table), reverse=True)
    assert healthy.statistic == healthy.table[0].distance
    assert {row.feature for row in healthy.table} == set(NAMES)


def test_a_thousand_shifted_windows_of_one_person_are_one_person(cohort):
    report = judge_rows(cohort, rows((["ann"], features(1, 1000, seed=1, shift=8.0))))
    assert (report.people, report.windows, report.alarm, report.statistic) == (1, 1000, None, None)
    assert "so far: 1." in report.note and "at least 2" in report.note
    assert report.table == []


def test_people_with_few_windows_and_windows_of_nobody_do_not_count(cohort):
    many, few = features(2, 10, seed=3), features(5, 9, seed=4, shift=50.0)
    report = judge_rows(cohort, rows((["ann", "ben"], many), (list("vwxyz"), few), unnamed=700))
    assert (report.people, report.people_with_fewer, report.windows, report.windows_needed) == (2, 5, 20, 10)
    assert report.windows_without_person == 700
    assert report == judge_rows(cohort, rows((["ann", "ben"], many))).model_copy(
        update={"people_with_fewer": 5, "windows_without_person": 700}
    )


def test_streams_without_a_name_are_told_from_people(cohort):
    report = judge_rows(cohort, rows((["ann", "stream x", "stream y"], features(3, 12, seed=5))))
    assert (report.people, report.streams) == (3, 2)


def test_no_identifier_is_in_a_report(cohort):
    names = ["ann-17", "stream secret", "ben-18"]
    for groups in ([(names, features(3, 12, seed=5))], [(names, features(3, 3, seed=5))]):
        text = judge_rows(cohort, rows(*groups)).model_dump_json()
        assert not any(name in text for name in ("ann-17", "secret", "ben-18"))


def test_a_feature_that_can_no_longer_be_read_is_null_where_there_is_no_number(cohort):
    values = features(3, 12, seed=6)
    values[..., 1] = np.nan
    report = judge_rows(cohort, rows((list("abc"), values)))
    lost = next(row for row in report.table if row.feature == NAMES[1])
    assert (lost.distance, lost.ks, lost.p, lost.missing_current) == (1.0, None, None, 1.0)
    assert report.alarm is True
    assert "NaN" not in report.model_dump_json()


def test_a_bundle_without_a_reference_says_so():
    bundle = StubBundle()
    bundle.reference = None
    report = judge_rows(read_cohort(bundle), rows((list("abc"), features(3, 12, seed=5))))
    assert (report.alarm, report.people_needed, report.threshold) == (None, None, None)
    assert "no reference" in report.note
    bundle = StubBundle()
    bundle.config["drift_threshold"] = None
    assert "no reference" in judge_rows(read_cohort(bundle), rows()).note


def test_a_cohort_too_small_for_the_rate_gives_a_statistic_and_no_alarm():
    cohort = read_cohort(StubBundle(people=2, false_alarm_rate=0.001))
    report = judge_rows(cohort, rows((list("abc"), features(3, 12, seed=5))))
    assert report.alarm is None and report.threshold is None and report.statistic > 0
    assert "not enough" in report.note


def test_the_judge_takes_a_recent_report_again_unless_the_model_is_another():
    async def use():
        service = StubService()
        judge = DriftJudge(service)
        first = await judge.report(60.0)
        for name in "abc":
            await service.store.feed(service.bundle.version, [name] * 12, features(1, 12, seed=7)[0])
        kept, fresh = await judge.report(60.0), await judge.report()
        service.bundle = StubBundle(version="b" * 64)
        return first, kept, fresh, await judge.report(60.0)

    first, kept, fresh, other = asyncio.run(use())
    assert (first.people, kept.people, fresh.people) == (0, 0, 3)
    assert (other.people, other.model_version) == (0, "b" * 64)
