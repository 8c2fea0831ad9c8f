"""Shape-preserving cubic interpolation of many rows at once, each with knots of its own."""

import numpy as np

from wesadlib.compiled import compiled


@compiled
def interpolate_rows(times: np.ndarray, values: np.ndarray, known: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate each row through its known values by monotone cubic pieces (Fritsch and Butland, 1984).

    What :class:`scipy.interpolate.PchipInterpolator` gives for each row, whose making takes longer than the pieces of a
    minute's beats. Outside its knots a row keeps its first and last value.

    Parameters
    ----------
    times : ndarray (row, knot)
        Ascending in each row where known.
    values : ndarray (row, knot)
    known : ndarray (row, knot) of bool
        Which knots there are.
    at : ndarray (point,)
        Where values are wanted, ascending.

    Returns
    -------
    ndarray (row, point)
        NaN in a row of fewer than three knots.

    Examples
    --------
    >>> import numpy as np
    >>> knots = np.array([[0.0, 1.0, 2.0, 3.0]])
    >>> interpolate_rows(knots, 2 * knots, knots >= 0, np.array([0.5, 2.25, 9.0])).tolist()
    [[1.0, 4.5, 6.0]]
    """
    interpolated = np.empty((len(times), len(at)))
    for row in range(len(times)):
        _interpolate(times[row][known[row]], values[row][known[row]], at, interpolated[row])
    return interpolated


@compiled
def _interpolate(time: np.ndarray, value: np.ndarray, at: np.ndarray, interpolated: np.ndarray) -> None:
    last = len(time) - 1
    if last < 2:
        interpolated[:] = np.nan
        return
    step, slope = np.empty(last), np.empty(last)
    for k in range(last):
        step[k] = time[k + 1] - time[k]
        slope[k] = (value[k + 1] - value[k]) / step[k]
    derivative = _derivatives(step, slope)
    piece = 0
    for k in range(len(at)):
        wanted = min(max(at[k], time[0]), time[last])
        while piece < last - 1 and time[piece + 1] <= wanted:
            piece += 1
        along, width, rise = wanted - time[piece], step[piece], slope[piece]
        here, there = derivative[piece], derivative[piece + 1]
        square = (3 * rise - 2 * here - there) / width
        cube = (here + there - 2 * rise) / width**2
        interpolated[k] = value[piece] + along * (here + along * (square + along * cube))


@compiled
def _derivatives(step: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Derivative at each knot: the weighted harmonic mean of the slopes beside it, 0 where these differ in sign."""
    last = len(step)
    derivative = np.empty(last + 1)
    for k in range(1, last):
        before, after = slope[k - 1], slope[k]
        weight_before, weight_after = 2 * step[k] + step[k - 1], step[k] + 2 * step[k - 1]
        mean = (weight_before + weight_after) / (weight_before / before + weight_after / after)
        derivative[k] = mean if before * after > 0 else 0.0
    derivative[0] = _at_end(step[0], step[1], slope[0], slope[1])
    derivative[last] = _at_end(step[last - 1], step[last - 2], slope[last - 1], slope[last - 2])
    return derivative


@compiled
def _at_end(step: float, next_step: float, slope: float, next_slope: float) -> float:
    """Derivative at an end by three points, bounded so that the piece keeps its shape (Moler, 2004)."""
    derivative = ((2 * step + next_step) * slope - step * next_slope) / (step + next_step)
    if np.sign(derivative) != np.sign(slope):
        return 0.0
    if np.sign(slope) != np.sign(next_slope) and abs(derivative) > 3 * abs(slope):
        return 3 * slope
    return derivative
