"""What reading a signal needs: rows without gaps, filters without delay, means and medians of what is present."""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfiltfilt


def zero_phase(values: np.ndarray, rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> np.ndarray:
    """Butterworth filter of second order over rows (row, time) without gaps, forward and backward: without delay."""
    sections = _sections(rate_hz, kind, cutoff_hz)
    pad = min(3 * (2 * len(sections) + 1), values.shape[-1] - 1)
    return sosfiltfilt(sections, np.asarray(values, np.float64), padlen=pad)


@lru_cache(maxsize=64)
def _sections(rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> np.ndarray:
    return butter(2, cutoff_hz, kind, fs=rate_hz, output="sos")


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


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    return np.where(present, values, 0).sum(axis=-1) / np.where(count > 0, count, np.nan)


def median_of_present(values: np.ndarray) -> np.ndarray:
    """Median over the last axis of what is not NaN; NaN where nothing is."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    # Sorting puts NaN last, so that the middle is looked up for all rows at once, which numpy's nanmedian does not.
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[-1] - 1)], axis=-1)
    return np.take_along_axis(ordered, middle, axis=-1).mean(axis=-1)
