"""What reading a signal needs: rows without gaps, filters without delay, means and medians of what is present."""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, filtfilt

_butter = lru_cache(maxsize=64)(butter)


def zero_phase(values: np.ndarray, rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> np.ndarray:
    """Butterworth filter of second order over rows (row, time) without gaps, forward and backward: without delay."""
    design = _butter(2, cutoff_hz, kind, fs=rate_hz)
    return filtfilt(*design, np.asarray(values, np.float64), padlen=min(3 * len(design[0]), values.shape[-1] - 1))


def bridge_gaps(values: np.ndarray, longest: float = np.inf) -> np.ndarray:
    """Put straight lines into the gaps of rows (row, time), and the nearest sample before the first and after the last.

    A row with a gap of more than `longest` samples, or with no sample at all, becomes NaN throughout.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    bridged = values.astype(np.float64)
    index = np.arange(values.shape[-1])
    for row in np.flatnonzero(missing.any(axis=-1)):
        present = np.flatnonzero(~missing[row])
        gaps = np.diff(present, prepend=-1, append=len(index)) - 1
        if len(present) and gaps.max() <= longest:
            bridged[row] = np.interp(index, present, bridged[row, present])
        else:
            bridged[row] = np.nan
    return bridged


def vertices(values: np.ndarray, row: int | np.ndarray, peak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place, in samples, and height of the parabola through peaks of rows (row, time) and their neighbours."""
    inside = np.minimum(np.maximum(peak, 1), values.shape[1] - 2)
    before, at, after = values[row, inside - 1], values[row, inside], values[row, inside + 1]
    bend = before - 2 * at + after
    shift = np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1.0), 0.0)
    shift = np.minimum(np.maximum(shift, -1), 1)
    return inside + shift, at - (before - after) * shift / 4


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    if present.all() and values.shape[-1]:
        return values.mean(axis=-1)
    count = present.sum(axis=-1)
    return np.where(present, values, 0).sum(axis=-1) / np.where(count > 0, count, np.nan)


def median_of_present(values: np.ndarray) -> np.ndarray:
    """Median over the last axis of what is not NaN; NaN where nothing is."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    # Sorting puts NaN last, so that the middle is looked up for all rows at once, which numpy's nanmedian does not.
    ordered = np.sort(values, axis=-1).reshape(-1, values.shape[-1])
    last, row = (~np.isnan(ordered)).sum(axis=-1) - 1, np.arange(len(ordered))
    middle = (ordered[row, np.maximum(last, 0) // 2] + ordered[row, (last + 1) // 2]) / 2
    return middle.reshape(values.shape[:-1])
