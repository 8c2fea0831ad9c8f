"""Statistics that only the native samples can give: after resampling, a gap, a flat line or a rail is smeared."""

import numpy as np

#: in the order of the dimension ``raw_statistic``
RAW_STATISTICS = ("missing_share", "longest_flat_s", "rail_share")

_RAIL_RUN = 3


def raw_statistics(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Missing samples, the longest flat line and the share at a rail, of rows of native samples.

    *Flat* is exactly equal, with no tolerance: a tolerance would have to know each sensor's noise, and sensors that are
    stuck repeat a number to the last bit. Coarse sensors are flat in health too: in the windows of a wrist band the
    longest flat line is, at the 99th percentile of 1,105, 0.05 s in BVP, 2 s in EDA, 13 s in temperature (steps of 0.02
    degC) and 26 to 44 s on one axis of acceleration (steps of 1/64 g, a hand at rest); who judges it has to ask by the
    sensor.

    *At a rail* is a run of at least three equal samples at the window's own largest or smallest value: rails differ
    from device to device, and clipping shows as just that. A slow coarse signal does it in health as well.

    Parameters
    ----------
    values : ndarray (row, time)
        Native samples, NaN where missing.
    rate_hz : float
        Native rate.

    Returns
    -------
    ndarray (row, raw_statistic)
        ``missing_share`` and ``rail_share`` as shares of all samples, ``longest_flat_s`` in seconds, 0 where no two
        neighbours are equal. The last two are NaN where no sample is present.

    Examples
    --------
    >>> import numpy as np
    >>> raw_statistics(np.array([[0, 1, 5, 5, 5, 5, 1, np.nan]]), rate_hz=4).tolist()
    [[0.125, 1.0, 0.5]]
    """
    result = np.zeros((len(values), len(RAW_STATISTICS)))
    missing = np.isnan(values)
    result[:, 0] = missing.mean(axis=1)
    equal = values[:, 1:] == values[:, :-1]
    some = np.flatnonzero(equal.any(axis=1))
    if len(some):
        result[some, 1], result[some, 2] = _runs(values[some], equal[some], rate_hz)
    result[missing.all(axis=1), 1:] = np.nan
    return result


def _runs(values: np.ndarray, equal: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Longest run of each row, in seconds, and the share of its samples that are in runs at a rail."""
    rows, samples = values.shape
    # A run of k equal samples is k - 1 equal neighbours, between two changes; a row ends with a neighbour unlike it.
    padded = np.zeros(rows * samples + 1, np.bool_)
    padded[1:].reshape(rows, samples)[:, :-1] = equal
    change = np.flatnonzero(padded[1:] != padded[:-1])
    start, length = change[::2], change[1::2] - change[::2] + 1
    row = start // samples
    longest = np.maximum.reduceat(length, np.searchsorted(row, np.arange(rows)))
    level = values.reshape(-1)[start]
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    at_rail = (length >= _RAIL_RUN) & ((level == low[row]) | (level == high[row]))
    return longest / rate_hz, np.bincount(row, length * at_rail, rows) / samples
