"""A threshold that follows the person: a score less a low quantile of the person's own scores so far."""

import numpy as np

#: The quantile of the person's scores so far that stands for rest.
QUANTILE = 0.2
#: Scores are means over what began within so much time, s.
SMOOTH_S = 40.0
#: Share of windows at rest that may be called stress among the people whom a threshold is found on.
BUDGET = 0.1


def running_reference(
    score: np.ndarray, start_s: np.ndarray, *, quantile: float = QUANTILE, smooth_s: float = SMOOTH_S
) -> np.ndarray:
    """A recording's scores less a low quantile of all so far, itself included: no later window is used.

    Parameters
    ----------
    score : ndarray (window,)
        Such as log odds, in the order of time.
    start_s : ndarray (window,)
        When each window began, s.
    quantile : float
        Which, from 0 to 1.
    smooth_s : float
        Each score is first the mean of those that began less than so much before it, s.

    Returns
    -------
    ndarray (window,)
        A constant added to all scores changes nothing; the first is 0.

    Examples
    --------
    >>> running_reference(np.array([1.0, 1.0, 3.0]), np.array([0.0, 60.0, 120.0])).round(6).tolist()
    [0.0, 0.0, 2.0]
    """
    first = np.searchsorted(start_s, start_s - smooth_s + 1e-6)
    smooth = np.array([score[begin : end + 1].mean() for end, begin in enumerate(first)])
    return np.array([value - np.quantile(smooth[: k + 1], quantile) for k, value in enumerate(smooth)])


def budget_threshold(score: np.ndarray, budget: float = BUDGET) -> float:
    """Threshold that a share `budget` of scores (window,) at rest exceeds."""
    return float(np.quantile(score, 1 - budget))
