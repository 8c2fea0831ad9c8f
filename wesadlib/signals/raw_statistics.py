"""Statistics that only the native samples can give: after resampling, a gap, a flat line or a rail is smeared."""

import numpy as np

from wesadlib.compiled import compiled

#: in the order of the dimension ``raw_statistic``
RAW_STATISTICS = ("missing_share", "longest_flat_s", "rail_share")

_RAIL_RUN = 3


def raw_statistics(values: np.ndarray, rate_hz: float, out: np.ndarray | None = None) -> np.ndarray:
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
    out : ndarray (row, raw_statistic), optional
        Where to write, float32.

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
    out = np.empty((len(values), len(RAW_STATISTICS)), np.float32) if out is None else out
    values = np.ascontiguousarray(values)
    # NumPy compares many values at a time, which no compiled loop does where some are NaN.
    _describe_rows(values, np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1), rate_hz, out)
    return out


@compiled
def _describe_rows(values: np.ndarray, low: np.ndarray, high: np.ndarray, rate_hz: float, out: np.ndarray) -> None:
    rows, samples = values.shape
    for row in range(rows):
        missing = 0
        for k in range(samples):
            missing += np.isnan(values[row, k])
        out[row, 0] = missing / samples
        if missing == samples:
            out[row, 1:] = np.nan
        else:
            longest, railed = _runs(values[row], low[row], high[row])
            out[row, 1] = longest / rate_hz if longest > 1 else 0.0
            out[row, 2] = railed / samples


@compiled
def _runs(values: np.ndarray, low: float, high: float) -> tuple[int, int]:
    """Longest run of equal samples, and how many samples are in runs at a rail."""
    longest = railed = start = 0
    for k in range(1, len(values) + 1):
        # NaN equals nothing, so that a gap ends a run.
        if k == len(values) or values[k] != values[start]:
            length = k - start
            longest = max(longest, length)
            if length >= _RAIL_RUN and (values[start] == low or values[start] == high):
                railed += length
            start = k
    return longest, railed
