"""Alarms from a score over time: known answers, and what holds of every score and rule."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from wesadlib.evaluation import alarm as alarms
from wesadlib.evaluation import events
from wesadlib.evaluation.alarm import Alarm, Rule, find_alarms
from wesadlib.evaluation.events import Course, find_counted

STEP = 5.0
PHASES = pd.DataFrame(
    [("baseline", 0, 600), ("transition", 600, 900), ("task", 900, 1500), ("meditation", 1500, 2100)],
    columns=["phase", "start_s", "end_s"],
)
TIME = np.arange(60.0, 2100.0, STEP)

scores = st.lists(st.one_of(st.floats(-8, 8), st.just(np.nan)), min_size=1, max_size=60).map(np.array)
rules = st.builds(
    Rule,
    st.floats(-4, 4),
    smooth_s=st.sampled_from([5.0, 30.0, 60.0]),
    least_s=st.sampled_from([0.0, 10.0, 40.0]),
    hysteresis=st.floats(0, 3),
)


def course_of(*spans: tuple[float, float]) -> Course:
    """A score that is high in these spans alone."""
    high = np.any([(begin <= TIME) & (end > TIME) for begin, end in spans], axis=0)
    return Course.from_phases(np.where(high, 3.0, -3.0), TIME, PHASES)


def count(alarm: np.ndarray) -> int:
    return int((alarm & ~np.append(False, alarm[:-1])).sum())


def seconds(values: np.ndarray) -> np.ndarray:
    return STEP * np.arange(len(values))


@settings(max_examples=60, deadline=None)
@given(scores, rules, st.integers(1, 59), scores)
def test_the_future_never_changes_an_alarm(score, rule, cut, future):
    other = np.append(score[:cut], future)
    alarms, others = (find_alarms(values, seconds(values), rule) for values in (score, other))
    assert (alarms[:cut] == others[: len(alarms[:cut])]).all()


@settings(max_examples=60, deadline=None)
@given(scores, rules, st.floats(1, 50), st.floats(0.1, 3))
def test_a_stricter_rule_never_adds_alarms(score, rule, longer, higher):
    alarm = find_alarms(score, seconds(score), rule)
    later = find_alarms(score, seconds(score), rule._replace(least_s=rule.least_s + longer))
    fewer = find_alarms(score, seconds(score), rule._replace(threshold=rule.threshold + higher))
    assert not (later & ~alarm).any() and not (fewer & ~alarm).any()
    assert count(later) <= count(alarm)


@settings(max_examples=60, deadline=None)
@given(scores, rules)
def test_rules_measured_together_are_those_applied_one_by_one(score, rule):
    time_s = seconds(score)
    both = find_alarms(score, time_s, rule._replace(threshold=np.array([[rule.threshold - 1], [rule.threshold]])))
    assert (both[1] == find_alarms(score, time_s, rule)).all()
    assert (find_counted(both, time_s)[1] == find_counted(both[1], time_s)).all()


eighths = st.lists(st.one_of(st.integers(-64, 64).map(lambda k: k / 8), st.just(np.nan)), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(eighths, rules)
def test_a_score_at_a_time_gives_the_same_alarms(values, rule):
    score = np.array(values)
    rule = rule._replace(threshold=round(rule.threshold) + 1 / 3)
    alarm = Alarm(rule)
    one_by_one = [alarm(*pair) for pair in zip(score, seconds(score), strict=True)]
    assert one_by_one == find_alarms(score, seconds(score), rule).tolist()


def test_smoothing_looks_back_and_leaves_out_what_was_refused():
    score = np.array([np.nan, 2.0, 4.0, np.nan, np.nan, np.nan, -99.0])
    smooth = alarms.smooth_scores(score, seconds(score), 10.0)
    assert smooth.tolist() == [-np.inf, 2.0, 3.0, 4.0, 4.0, 4.0, -alarms.MOST_LOG_ODDS]


def test_an_alarm_waits_for_its_least_time_and_ends_below_the_lower_threshold():
    score = np.array([3.0, 3.0, -3.0, 3.0, 3.0, 3.0, 0.5, 3.0, -3.0])
    alarm = find_alarms(score, seconds(score), Rule(1.0, smooth_s=5.0, least_s=10.0, hysteresis=1.0))
    assert np.flatnonzero(alarm).tolist() == [5, 6, 7]


def test_an_alarm_that_never_ends_is_told_again_and_again():
    alarm = np.ones(len(TIME), bool)
    assert TIME[find_counted(alarm, TIME)].tolist() == [60 + 300 * k for k in range(7)]
    alarm[:10] = alarm[100:] = False
    assert TIME[find_counted(alarm, TIME)].tolist() == [110.0, 410.0]


def test_phases_are_told_by_the_end_of_a_window_and_anticipation_is_neither():
    course = course_of((0, 0))
    named = dict(zip(TIME, course.phase, strict=True))
    assert [named[t] for t in (60, 595, 600, 895, 900, 1495, 1500)] == [
        "baseline",
        "baseline",
        *["anticipation"] * 2,
        *["task"] * 2,
        "meditation",
    ]


@pytest.mark.parametrize(
    ("spans", "latency_s", "detected", "covered", "counted"),
    [
        ([(930, 1500)], 30.0, 1, 0.95, 0),
        ([(800, 1200)], 0.0, 1, 0.5, 0),
        ([(1100, 1500)], 200.0, 0, 400 / 600, 0),
        ([(100, 200), (900, 1500)], 0.0, 1, 1.0, 1),
        ([(900, 1700)], 0.0, 1, 1.0, 1),
        ([(650, 700)], np.inf, 0, 0.0, 0),
    ],
)
def test_what_an_alarm_is_worth(spans, latency_s, detected, covered, counted):
    course = course_of(*spans)
    row = events.score_person(course, find_alarms(course.score, TIME, Rule(1.0, smooth_s=STEP)))
    hours = (540 + 600) / 3600
    assert (row["latency_s"], row["detected"], row["hours"]) == (latency_s, detected, pytest.approx(hours))
    assert row["covered"] == pytest.approx(covered) and row["false_alarms_per_h"] == pytest.approx(counted / hours)


def test_phases_add_up_to_the_recordings():
    course = course_of((100, 200), (1000, 1700))
    timeline = pd.DataFrame({"time_s": TIME, "phase": course.phase, "alarm": course.score > 0})
    table = events.score_phases(pd.concat([timeline.assign(subject=name) for name in ("S2", "S3")]))
    assert table["hours"].sum() == pytest.approx(2 * len(TIME) * STEP / 3600)
    assert table["alarms"].to_dict() == {"baseline": 2, "anticipation": 0, "task": 2, "meditation": 0}
    assert table.loc["meditation", ["per_h", "share"]].tolist() == pytest.approx([6, 1 / 3])


def test_a_recording_without_a_task_has_no_latency():
    course = Course.from_phases(np.zeros(len(TIME)), TIME, PHASES[:1])
    row = events.score_person(course, np.zeros(len(TIME), bool))
    assert np.isnan(row["latency_s"]) and row["false_alarms_per_h"] == 0
    assert events.measure_rules(course).shape == (len(events.SHAPES) * len(events.THRESHOLDS), 2)


def test_the_rule_is_the_soonest_within_the_budget():
    generator = np.random.default_rng(0)
    courses = []
    for _ in range(4):
        course = course_of((930, 1500))
        courses.append(course._replace(score=course.score / 2 + generator.normal(0, 1.5, len(TIME))))
    measured = np.array([events.measure_rules(course) for course in courses])
    late = {}
    for budget in (0.0, 1.0, 5.0):
        rule = events.choose_rule(measured, budget)
        rows = [events.score_person(course, find_alarms(course.score, TIME, rule)) for course in courses]
        assert np.mean([row["false_alarms_per_h"] for row in rows]) <= budget + 1e-9
        late[budget] = np.mean([min(row["latency_s"], 600) for row in rows])
    assert late[0.0] >= late[1.0] >= late[5.0] and late[0.0] > late[5.0]


def test_where_no_rule_keeps_the_budget_the_quietest_is_chosen():
    measured = np.ones((2, len(events.SHAPES) * len(events.THRESHOLDS), 2))
    measured[:, 7, 0] = 0.6
    assert events.choose_rule(measured, 0.5) == Rule(float(events.THRESHOLDS[7]), *events.SHAPES[0])
