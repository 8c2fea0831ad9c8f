"""Plain statistics of every channel: level, spread, dynamic range, shape and peaks."""

import numpy as np

from wesadlib.features.block import Block, Description

#: Least share of a window's samples from which a statistic is computed.
MIN_PRESENT_SHARE = 0.5

_NAMES = {
    "mean": ("{unit}", "mean level"),
    "sd": ("{unit}", "standard deviation"),
    "dynamic_range": ("{unit}", "largest minus smallest sample"),
    "interquartile_range": ("{unit}", "upper minus lower quartile"),
    "skewness": ("", "third standardised moment; above 0 where the long tail is upward"),
    "kurtosis": ("", "fourth standardised moment less 3; above 0 where rare samples stand far out"),
    "peak_rate": (
        "1/min",
        "local maxima above the mean by more than one standard deviation; noise, where a channel is slow",
    ),
}
DESCRIPTIONS = tuple(
    Description("statistics", "every channel", statistic, unit, definition)
    for statistic, (unit, definition) in _NAMES.items()
)


def describe(values: np.ndarray, rate_hz: float) -> dict[str, np.ndarray]:
    """Statistics of each window over the samples that are present.

    Parameters
    ----------
    values : ndarray, (window, time)
        Samples, NaN where missing.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    dict of str to ndarray, (window,)
        A value a statistic; NaN where fewer than half of the samples are present, and for the standardised ones where
        nothing varies.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(0, 60, 1 / 35)
    >>> found = describe(2 + np.sin(2 * np.pi * 1.2 * time)[None], rate_hz=35)
    >>> float(found["peak_rate"][0].round(6)), float(found["mean"][0].round(3)), float(found["sd"][0].round(3))
    (72.0, 2.0, 0.707)
    """
    present = np.isfinite(values)
    count = present.sum(axis=-1)
    count = np.where(count >= MIN_PRESENT_SHARE * values.shape[-1], count, np.nan)
    mean = np.where(present, values, 0).sum(axis=-1) / count
    centred = np.where(present, values - mean[:, None], 0)
    square = centred**2
    variance = square.sum(axis=-1) / count
    sd = np.sqrt(variance)
    varying = np.where(sd > 0, variance, np.nan)
    smallest, lower, upper, largest = _quantiles(values, count, np.array([0, 0.25, 0.75, 1]))
    peak = (centred[:, 1:-1] > centred[:, :-2]) & (centred[:, 1:-1] >= centred[:, 2:])
    peak &= (centred[:, 1:-1] > sd[:, None]) & present[:, :-2] & present[:, 2:]
    return {
        "mean": mean,
        "sd": sd,
        "dynamic_range": largest - smallest,
        "interquartile_range": upper - lower,
        "skewness": (square * centred).sum(axis=-1) / count / varying**1.5,
        "kurtosis": (square**2).sum(axis=-1) / count / varying**2 - 3,
        "peak_rate": np.where(np.isnan(varying), np.nan, peak.sum(axis=-1) / count * rate_hz * 60),
    }


def _quantiles(values: np.ndarray, count: np.ndarray, levels: np.ndarray) -> np.ndarray:
    # Sorting puts NaN last, so the samples that are present are the first `count` of a row.
    ordered = np.sort(values, axis=-1)
    position = levels[:, None] * (np.where(np.isnan(count), 1, count) - 1)
    below = np.floor(position).astype(int)
    rows = np.arange(len(values))
    low, high = ordered[rows, below], ordered[rows, np.ceil(position).astype(int)]
    return np.where(np.isnan(count), np.nan, low + (position - below) * (high - low))


def extract(block: Block) -> dict[str, np.ndarray]:
    """Statistics of every channel, named ``<channel>_<statistic>``."""
    if not block.signal:
        return {}
    channels = np.stack(list(block.signal.values()))
    found = describe(channels.reshape(-1, channels.shape[-1]), block.rate_hz)
    by_channel = {statistic: value.reshape(channels.shape[:2]) for statistic, value in found.items()}
    return {
        f"{channel}_{statistic}": value[k]
        for k, channel in enumerate(block.signal)
        for statistic, value in by_channel.items()
    }
