"""Statistics that only the native samples can give: after resampling, a gap, a flat line or a limit is smeared."""

import numpy as np

#: in the order of the dimension ``raw_statistic``
RAW_STATISTICS = ("missing_share", "longest_flat_s", "rail_share", "flat_share")

_CLIPPED_RUN = 3
_FLAT_RUN_S = 0.25


def raw_statistics(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """The :data:`RAW_STATISTICS` (row, raw_statistic) of rows of native samples (row, time), NaN where missing.

    Shares are of all samples, the longest flat line in seconds, 0 where no two neighbours are equal; all but the first
    are NaN where no sample is present.

    *Flat* is exactly equal: sensors that are stuck repeat a number to the last bit. Coarse sensors that work are flat
    too: of 1,105 windows of a wrist band the longest flat line is, at the 99th percentile, 0.05 s in BVP, 2 s in EDA,
    13 s in temperature and 26 to 44 s on one axis of acceleration (a hand at rest). The *flat share* counts all flat
    lines of a quarter of a second and more together: a sensor that repeats one value whenever it loses contact is flat
    for long in total and never for long at once. *Clipped* (``rail_share``) is a run of at least three equal samples at
    the window's own largest or smallest value, for the limits differ from device to device.

    >>> raw_statistics(np.array([[0, 1, 5, 5, 5, 5, 1, np.nan]]), rate_hz=4).tolist()
    [[0.125, 1.0, 0.5, 0.5]]
    """
    missing = np.isnan(values)
    equal = values[:, 1:] == values[:, :-1]
    step = np.arange(1, values.shape[1], dtype=np.int32)
    # Equal neighbours up to each sample since the last change: a run of k samples is k - 1 of them.
    run = step - np.maximum.accumulate(np.where(equal, 0, step), axis=1)
    longest = run.max(axis=1)
    low, high = np.fmin.reduce(values, axis=1, keepdims=True), np.fmax.reduce(values, axis=1, keepdims=True)
    last = equal.copy()
    last[:, :-1] &= ~equal[:, 1:]
    length = (run + 1) * last
    at_limit = (length >= _CLIPPED_RUN) & ((values[:, 1:] == low) | (values[:, 1:] == high))
    result = np.empty((len(values), len(RAW_STATISTICS)))
    result[:, 0] = missing.mean(axis=1)
    result[:, 1] = np.where(longest > 0, longest + 1, 0) / rate_hz
    result[:, 2] = (length * at_limit).sum(axis=1) / values.shape[1]
    result[:, 3] = (length * (length >= _FLAT_RUN_S * rate_hz)).sum(axis=1) / values.shape[1]
    result[missing.all(axis=1), 1:] = np.nan
    return result
