"""Statistics that only the native samples can give: after resampling, a gap, a flat line or a rail is smeared."""

import numpy as np

#: in the order of the dimension ``native_statistic``
NATIVE_STATISTICS = ("missing_share", "longest_flat_s", "rail_share")

_RAIL_RUN = 3


def native_statistics(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Missing samples, the longest flat line and the share at a rail, of native samples.

    Parameters
    ----------
    values : ndarray (time,)
        Native samples, NaN where missing.
    rate_hz : float
        Native rate.

    Returns
    -------
    ndarray (native_statistic,)
        ``missing_share`` in [0, 1]; ``longest_flat_s``, the longest run of exactly equal samples, in seconds;
        ``rail_share`` in [0, 1], samples in runs of at least three at the window's own largest or smallest value.
        The last two are NaN where no sample is present.
    """
    present = ~np.isnan(values)
    if not present.any():
        return np.array([1.0, np.nan, np.nan])
    edges = np.flatnonzero(np.diff(values) != 0) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.concatenate((starts, [len(values)])))
    levels = values[starts]
    kept = ~np.isnan(levels)
    longest = lengths[kept].max()
    rail = kept & (lengths >= _RAIL_RUN) & ((levels == np.nanmax(values)) | (levels == np.nanmin(values)))
    return np.array([1 - present.mean(), longest / rate_hz if longest > 1 else 0.0, lengths[rail].sum() / len(values)])
