"""A threshold that follows the person: a score less a low quantile of the person's own scores so far."""

from bisect import bisect_left, insort
from collections import deque

import numpy as np

#: The quantile of the person's scores so far that stands for rest.
QUANTILE = 0.2
#: Scores are means over what began within so much time, s.
SMOOTH_S = 40.0
#: A reading that is missing is taken from the last window that has it and began at most so long before, s.
CARRY_S = 120.0
#: Scores so far are these at most, the last: a day and more, a window a second.
MOST_SCORES = 2**16


class RunningReference:
    """:func:`running_reference`, a window at a time."""

    def __init__(self, quantile: float = QUANTILE, smooth_s: float = SMOOTH_S):
        self._quantile, self._smooth_s = quantile, smooth_s
        self._recent: deque[tuple[float, float]] = deque()
        self._smooth: deque[float] = deque()
        self._sorted: list[float] = []

    def __call__(self, score: float, start_s: float, kept: bool = True) -> float:
        """The next score of a person, less the quantile; one that is not kept changes nothing for those after it."""
        while self._recent and self._recent[0][0] < start_s - self._smooth_s + 1e-6:
            self._recent.popleft()
        smooth = float(np.mean([*(score for _, score in self._recent), score]))
        if kept:
            self._recent.append((start_s, score))
            self._smooth.append(smooth)
            insort(self._sorted, smooth)
        if len(self._smooth) > MOST_SCORES:
            del self._sorted[bisect_left(self._sorted, self._smooth.popleft())]
        if not self._sorted:
            return 0.0
        below, share = divmod(self._quantile * (len(self._sorted) - 1), 1)
        low, high = self._sorted[int(below)], self._sorted[min(int(below) + 1, len(self._sorted) - 1)]
        return smooth - (low + share * (high - low))


def running_reference(score: np.ndarray, start_s: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
    """A recording's scores (window,), such as log odds, less a low quantile of all so far, itself included.

    Each score is first the mean of those that began (`start_s`) less than :data:`SMOOTH_S` before it. No later window
    is used, and none that is not `kept`, as refused ones are not (default: all), but for its own score. A constant
    added to all scores changes nothing; the first is 0.

    >>> running_reference(np.array([1.0, 1.0, 3.0]), np.array([0.0, 60.0, 120.0])).round(6).tolist()
    [0.0, 0.0, 2.0]
    """
    reference = RunningReference()
    kept = np.ones(len(score), bool) if kept is None else kept
    return np.array([reference(*window) for window in zip(score, start_s, kept, strict=True)])
