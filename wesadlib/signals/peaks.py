"""Peaks of one row of samples, as SciPy finds them, for loops that are compiled."""

import numpy as np

from wesadlib.compiled import compiled


@compiled
def find_peaks(values: np.ndarray, distance: float, prominence: float, reach: int) -> np.ndarray:
    """Find local maxima that stand far enough apart and high enough above the valleys beside them.

    What :func:`scipy.signal.find_peaks` finds, without measuring each valley to its end.

    Parameters
    ----------
    values : ndarray (time,)
        Samples without gaps.
    distance : float
        Least number of samples between peaks; of two that are nearer the higher one stays. 1 and less: any.
    prominence : float
        Least height above the lowest sample on either side, as far as no sample is higher.
    reach : int
        How many samples on either side are looked at for that.

    Returns
    -------
    ndarray (peak,) of int
        Positions, ascending; the middle of a flat top.
    """
    peaks = _keep_apart(values, _local_maxima(values), distance)
    count = 0
    for at in peaks:
        before, after = values[max(at - reach, 0) : at][::-1], values[at + 1 : at + 1 + reach]
        if _falls(before, values[at], prominence) and _falls(after, values[at], prominence):
            peaks[count] = at
            count += 1
    return peaks[:count]


@compiled
def left_bases(values: np.ndarray, peaks: np.ndarray, reach: int) -> np.ndarray:
    """Find the lowest sample before each peak, as far as none is higher than it.

    Parameters
    ----------
    values, reach
        As :func:`find_peaks` takes them.
    peaks : ndarray (peak,) of int

    Returns
    -------
    ndarray (peak,) of int
        Positions.
    """
    bases = peaks.copy()
    for k, at in enumerate(peaks):
        for before in range(at - 1, max(at - reach, 0) - 1, -1):
            if values[before] > values[at]:
                break
            if values[before] < values[bases[k]]:
                bases[k] = before
    return bases


@compiled
def _falls(beside: np.ndarray, height: float, prominence: float) -> bool:
    """Whether samples, from a peak on, fall far enough before they rise above it."""
    for value in beside:
        if height - value >= prominence:
            return True
        if value > height:
            return False
    return prominence <= 0


@compiled
def _local_maxima(values: np.ndarray) -> np.ndarray:
    found = np.empty(len(values) // 2 + 1, np.int64)
    count, k, last = 0, 1, len(values) - 1
    while k < last:
        if values[k - 1] < values[k]:
            ahead = k + 1
            while ahead < last and values[ahead] == values[k]:
                ahead += 1
            if values[ahead] < values[k]:
                found[count] = (k + ahead - 1) // 2
                count += 1
                k = ahead
        k += 1
    return found[:count]


@compiled
def _keep_apart(values: np.ndarray, peak: np.ndarray, distance: float) -> np.ndarray:
    """Go from the highest peak to the lowest; each that is left drives out those that are too near."""
    if distance <= 1:
        return peak
    kept = np.ones(len(peak), np.bool_)
    for k in np.argsort(values[peak])[::-1]:
        if kept[k]:
            before = k - 1
            while before >= 0 and peak[k] - peak[before] < distance:
                kept[before] = False
                before -= 1
            after = k + 1
            while after < len(peak) and peak[after] - peak[k] < distance:
                kept[after] = False
                after += 1
    return peak[kept]
