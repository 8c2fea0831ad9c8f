"""The compiled loops behind the plausibility of beats, over the windows of a whole run or the one that a server got."""

import numpy as np

from wesadlib.compiled import compiled

_TEMPLATE_POINTS = 32


@compiled
def plausible_share(
    beat_s: np.ndarray,
    values: np.ndarray,
    rate_hz: float,
    window_s: float,
    bounds_s: tuple[float, float],
    ratio: float,
    correlation: float,
) -> np.ndarray:
    """Share (window,) of the window covered by plausible intervals, and by the stretches before and after the beats.

    Parameters
    ----------
    beat_s : ndarray (window, beat)
        In seconds, ascending, padded with NaN.
    values : ndarray (window, time)
    rate_hz, window_s : float
        Rate of `values` and length of the window.
    bounds_s : tuple of float
        Shortest and longest plausible interval.
    ratio : float
        Of the longest plausible interval to the shortest.
    correlation : float
        Least with the window's mean beat.
    """
    factor = np.sqrt(ratio)
    cuts, scales = np.empty((beat_s.shape[1], _TEMPLATE_POINTS)), np.empty(beat_s.shape[1])
    share = np.zeros(len(beat_s))
    for k in range(len(beat_s)):
        beats = beat_s[k, : _count_beats(beat_s[k])]
        if len(beats) < 3:
            continue
        intervals = beats[1:] - beats[:-1]
        typical = np.median(intervals)
        alike = _match(beats, values[k], rate_hz, typical, correlation, cuts, scales)
        least, most = max(bounds_s[0], typical / factor), min(bounds_s[1], typical * factor)
        covered = 0.0
        for beat in range(len(intervals)):
            if least <= intervals[beat] <= most and alike[beat] and alike[beat + 1]:
                covered += intervals[beat]
        if covered > 0:
            before = min(beats[0], bounds_s[1]) if alike[0] else 0.0
            after = min(window_s - beats[-1], bounds_s[1]) if alike[-1] else 0.0
            share[k] = min(max((covered + before + after) / window_s, 0.0), 1.0)
    return share


@compiled
def _count_beats(beats: np.ndarray) -> int:
    for beat in range(len(beats)):
        if np.isnan(beats[beat]):
            return beat
    return len(beats)


@compiled
def _match(
    beats: np.ndarray,
    row: np.ndarray,
    rate_hz: float,
    typical: float,
    correlation: float,
    cuts: np.ndarray,
    scales: np.ndarray,
) -> np.ndarray:
    """Say which beats (beat,) correlate with their mean over one typical interval, centred on each.

    A beat too close to an edge to be cut whole counts as alike: it says nothing either way. `cuts` and `scales` are
    room to work in.
    """
    alike = np.ones(len(beats), np.bool_)
    template = np.zeros(_TEMPLATE_POINTS)
    for beat in range(len(beats)):
        first, last = (beats[beat] - 0.5 * typical) * rate_hz, (beats[beat] + 0.5 * typical) * rate_hz
        if first >= 0 and last <= len(row) - 1:
            alike[beat] = False
            mean, scales[beat] = _cut(row, first, last, cuts[beat])
            if scales[beat] > 0:
                for point in range(_TEMPLATE_POINTS):
                    template[point] += (cuts[beat, point] - mean) * scales[beat]
    # Of beats that cancel each other, what is left is rounding, which must not be scaled up.
    norm = max(np.sqrt((template**2).sum()), 1e-12)
    for beat in range(len(beats)):
        if not alike[beat]:
            product = 0.0
            for point in range(_TEMPLATE_POINTS):
                product += template[point] * cuts[beat, point]
            alike[beat] = product * scales[beat] / norm >= correlation
    return alike


@compiled
def _cut(row: np.ndarray, first: float, last: float, cut: np.ndarray) -> tuple[float, float]:
    """Interpolate a row between two positions; return the mean of what is cut, and what scales it to norm 1 about it.

    The scale is 0 where nothing varies or a sample is missing: that is like nothing.
    """
    step = (last - first) / (_TEMPLATE_POINTS - 1)
    # From a sample of its own, a flat line is 0 exactly, and a small wave on a large value keeps its digits.
    origin = np.float64(row[int(first)])
    total = squares = 0.0
    for point in range(_TEMPLATE_POINTS):
        position = first + point * step
        left = min(int(position), len(row) - 2)
        at_left, at_right = row[left] - origin, row[left + 1] - origin
        cut[point] = at_left + (at_right - at_left) * (position - left)
        total += cut[point]
        squares += cut[point] ** 2
    mean = total / _TEMPLATE_POINTS
    squares -= total * mean
    return mean, 1 / np.sqrt(squares) if squares > 0 else 0.0
