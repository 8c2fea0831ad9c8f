"""What reading a signal needs: rows without gaps, filters without delay, means and medians of what is present."""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi


def zero_phase(values: np.ndarray, rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> np.ndarray:
    """Butterworth filter of second order over rows (row, time) without gaps, forward and backward: without delay.

    What :func:`scipy.signal.sosfiltfilt` gives, without computing anew for each call what belongs to the design.
    """
    sections, start = _design(rate_hz, kind, cutoff_hz)
    pad = min(3 * (2 * len(sections) + 1), values.shape[-1] - 1)
    filtered = _odd_extension(np.asarray(values, np.float64), pad)
    for _ in range(2):
        filtered = sosfilt(sections, filtered, zi=start * filtered[:, :1])[0][:, ::-1]
    return filtered[:, pad : pad + values.shape[-1]]


@lru_cache(maxsize=64)
def _design(rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Sections, and the state (section, row, state) that a constant level leaves."""
    sections = butter(2, cutoff_hz, kind, fs=rate_hz, output="sos")
    return sections, sosfilt_zi(sections)[:, None]


def _odd_extension(values: np.ndarray, pad: int) -> np.ndarray:
    """Rows continued at both ends by reflection about their first and last sample."""
    before, after = values[:, pad:0:-1], values[:, -2 : -pad - 2 : -1]
    return np.concatenate([2 * values[:, :1] - before, values, 2 * values[:, -1:] - after], axis=1)


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
    if present.all() and values.shape[-1]:
        return values.mean(axis=-1)
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
