"""A bundle's rule of alarm over a person's windows: a window at a time, over a recording, and taken up again."""

import math

import numpy as np
import pytest

from wesadlib.bundle.answer import Answer, Follower, Result, make_answer
from wesadlib.evaluation.alarm import Rule, find_alarms
from wesadlib.evaluation.running import running_reference

RULE = Rule(1.5, smooth_s=30.0, least_s=20.0, hysteresis=0.5)
MOVED = {"threshold": 1.0, "temperature": 2.0}
RUNNING = {"quantile": 0.2, "smooth_s": 40.0, "cold": MOVED, "rested": MOVED}
SCORES = np.where(np.arange(60) % 30 < 15, -1.0, 4.0)
START_S = 10.0 * np.arange(60)


def make_config(running=None) -> dict:
    alarm = {"cold": RULE._asdict(), "rested": RULE._replace(threshold=99.0)._asdict()}
    facts = {"states": ["baseline", "stress"], "channels": {"wrist_eda": {}}, "min_confidence": 0.6, "version": "v"}
    return facts | {"running": running, "alarm": alarm}


def results_of(config: dict, refused: tuple[int, ...] = ()) -> list[Result]:
    made = []
    for k, score in enumerate(SCORES):
        stress = 1 / (1 + math.exp(-score))
        probability = None if k in refused else np.array([1 - stress, stress])
        answer = make_answer(config, np.array([0.9]), [], probability, False)
        made.append(Result(answer, None if k in refused else np.zeros(1)))
    return made


@pytest.mark.parametrize("running", [None, RUNNING])
def test_windows_one_by_one_alarm_as_a_whole_recording_does(running):
    config = make_config(running)
    follower = Follower(config, rested=False)
    results = [follower(result, start_s) for result, start_s in zip(results_of(config, (20, 21)), START_S, strict=True)]
    score = np.where(np.isin(np.arange(60), (20, 21)), np.nan, SCORES)
    if running:
        known = np.isfinite(score)
        score[known] = (running_reference(score[known], START_S[known]) - 1.0) / 2.0
    told = [result.answer.alarm for result in results]
    assert told == find_alarms(score, START_S, RULE).tolist() and any(told) and not all(told)


def test_a_stream_that_is_taken_up_again_alarms_as_if_it_had_never_dropped():
    config = make_config(RUNNING)
    whole, first = (Follower(config, rested=False) for _ in range(2))
    results = list(zip(results_of(config, (18,)), START_S, strict=True))
    expected = [whole(*pair).answer.alarm for pair in results]
    scores = [np.nan if (score := first(*pair).score) is None else score for pair in results[:25]]
    second = Follower(config, rested=False, scores=scores, start_s=START_S[:25])
    assert [second(*pair).answer.alarm for pair in results[25:]] == expected[25:]


def test_each_way_of_knowing_the_person_has_its_rule_and_none_tells_nothing():
    config = make_config()
    rested = Follower(config, rested=True)
    assert not any(rested(*pair).answer.alarm for pair in zip(results_of(config), START_S, strict=True))
    without = Follower({**config, "alarm": None}, rested=False)
    assert without(results_of(config)[0], 0.0).answer.alarm is None and Answer.model_fields["alarm"].default is None
