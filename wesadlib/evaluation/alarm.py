"""From a score over time to an alarm.

Time is when an answer is there, or when its window began, so nothing here looks ahead. A score is log odds of stress,
or these less the person's own running reference; where a window was refused it is NaN, and changes nothing.
"""

import math
from collections import deque
from typing import NamedTuple

import numpy as np

#: Scores beyond these are as good as certain.
MOST_LOG_ODDS = 6.0


class Rule(NamedTuple):
    """When a score becomes an alarm: the mean of its last `smooth_s` seconds is at the threshold for `least_s` seconds.

    It ends where that mean falls further than the hysteresis below the threshold.
    """

    threshold: float | np.ndarray
    smooth_s: float = 60.0
    least_s: float = 0.0
    hysteresis: float = 0.0


def smooth_scores(score: np.ndarray, time_s: np.ndarray, smooth_s: float) -> np.ndarray:
    """Means (time,) of what is known of the last `smooth_s` seconds; where nothing is, the last mean, at first -inf."""
    present = np.isfinite(score)
    value = np.append(0, np.cumsum(np.where(present, np.clip(score, -MOST_LOG_ODDS, MOST_LOG_ODDS), 0)))
    count = np.append(0, np.cumsum(present))
    first = np.searchsorted(time_s, time_s - smooth_s + 1e-6)
    end = np.arange(len(score)) + 1
    number = count[end] - count[first]
    mean = np.where(number > 0, (value[end] - value[first]) / np.maximum(number, 1), -np.inf)
    latest = np.maximum.accumulate(np.where(number > 0, np.arange(len(score)), -1))
    return np.where(latest >= 0, mean[latest], -np.inf)


def find_alarms(score: np.ndarray, time_s: np.ndarray, rule: Rule) -> np.ndarray:
    """Whether the alarm is on (time,), from what was known by then; of thresholds (threshold, 1) (threshold, time)."""
    smooth, place = smooth_scores(score, time_s, rule.smooth_s), np.arange(len(score))
    above, held = smooth >= rule.threshold, smooth >= rule.threshold - rule.hysteresis
    long = above & (time_s - time_s[since(above)] >= rule.least_s - 1e-6)
    return held & (np.maximum.accumulate(np.where(long, place, -1), axis=-1) >= since(held))


def since(state: np.ndarray) -> np.ndarray:
    """Where a state that is true began; where it is not, where it is."""
    place = np.arange(state.shape[-1])
    return np.minimum(np.maximum.accumulate(np.where(state, -1, place), axis=-1) + 1, place)


class Alarm:
    """:func:`find_alarms`, a score at a time."""

    def __init__(self, rule: Rule):
        self._rule, self._is_on = rule, False
        self._recent: deque[tuple[float, float]] = deque()
        self._mean, self._above_since_s = -math.inf, math.inf

    def __call__(self, score: float, time_s: float) -> bool:
        """Whether the alarm is on with the next score, NaN where there is none."""
        if not math.isnan(score):
            self._recent.append((time_s, min(max(score, -MOST_LOG_ODDS), MOST_LOG_ODDS)))
        while self._recent and self._recent[0][0] < time_s - self._rule.smooth_s + 1e-6:
            self._recent.popleft()
        if self._recent:
            self._mean = sum(score for _, score in self._recent) / len(self._recent)
        is_above = self._mean >= self._rule.threshold
        self._above_since_s = min(self._above_since_s, time_s) if is_above else math.inf
        if self._mean < self._rule.threshold - self._rule.hysteresis:
            self._is_on = False
        elif time_s - self._above_since_s >= self._rule.least_s - 1e-6:
            self._is_on = True
        return self._is_on
