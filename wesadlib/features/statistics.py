"""Plain statistics of every channel: level, spread, dynamic range, shape and peaks."""

import numpy as np

from wesadlib.compiled import compiled
from wesadlib.features.block import Block, Description

#: Least share of a window's samples from which a statistic is computed.
MIN_PRESENT_SHARE = 0.5
# Rows that are sorted at a time.
_ROWS = 64

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
    return dict(zip(_NAMES, describe_rows(values, rate_hz).T, strict=True))


def describe_rows(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Statistics as :func:`describe` finds them, in one array.

    Parameters
    ----------
    values, rate_hz
        As there.

    Returns
    -------
    ndarray, (window, statistic)
        In the order of :func:`describe`.
    """
    values = np.ascontiguousarray(values)
    # NumPy sorts many values at a time, which no compiled loop does.
    return _describe_rows(values, np.sort(values, axis=-1), rate_hz)


@compiled
def _describe_rows(values: np.ndarray, ordered: np.ndarray, rate_hz: float) -> np.ndarray:
    rows, samples = values.shape
    found = np.full((rows, 7), np.nan)
    for row in range(rows):
        count, total = sum_present(values[row])
        if count < max(1, MIN_PRESENT_SHARE * samples):
            continue
        # Sorting puts NaN last, so the samples that are present are the first `count` of a row.
        smallest, largest = np.float64(ordered[row, 0]), np.float64(ordered[row, count - 1])
        found[row, 2] = largest - smallest
        found[row, 3] = _quantile(ordered[row], count, 0.75) - _quantile(ordered[row], count, 0.25)
        if smallest == largest:
            found[row, 0], found[row, 1] = smallest, 0.0
            continue
        mean = total / count
        second, third, fourth = _sum_powers(values[row], mean)
        variance = second / count
        sd = np.sqrt(variance)
        found[row, 0], found[row, 1] = mean, sd
        found[row, 4] = third / count / (variance * sd)
        found[row, 5] = fourth / count / variance**2 - 3
        found[row, 6] = _count_peaks(values[row], mean, sd) / count * rate_hz * 60
    return found


@compiled
def sum_present(values: np.ndarray) -> tuple[int, float]:
    """How many samples of a row (time,) are present, and their sum, for loops that are compiled."""
    count, total = 0, 0.0
    for k in range(len(values)):
        # Sums that take every sample, be it as 0, need no branch and go through many samples at once.
        present = not np.isnan(values[k])
        count += present
        total += values[k] if present else 0.0
    return count, total


@compiled
def mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of what is present in a row (time,), for loops that are compiled."""
    count, total = sum_present(values)
    mean = total / count
    return mean, np.sqrt(_sum_powers(values, mean)[0] / count)


@compiled
def _quantile(ordered: np.ndarray, count: int, level: float) -> float:
    position = level * (count - 1)
    below = int(position)
    low, high = np.float64(ordered[below]), np.float64(ordered[min(below + 1, count - 1)])
    return low + (position - below) * (high - low)


@compiled
def _sum_powers(values: np.ndarray, mean: float) -> tuple[float, float, float]:
    """Second, third and fourth powers of what is present, from the mean."""
    second, third, fourth = 0.0, 0.0, 0.0
    for k in range(len(values)):
        centred = 0.0 if np.isnan(values[k]) else values[k] - mean
        square = centred * centred
        second += square
        third += square * centred
        fourth += square * square
    return second, third, fourth


@compiled
def _count_peaks(values: np.ndarray, mean: float, sd: float) -> int:
    count = 0
    for k in range(1, len(values) - 1):
        # Beside a missing sample both comparisons fail.
        count += (values[k] > values[k - 1]) & (values[k] >= values[k + 1]) & (values[k] - mean > sd)
    return count


def extract(block: Block) -> dict[str, np.ndarray]:
    """Statistics of every channel, named ``<channel>_<statistic>``."""
    if not block.signal:
        return {}
    channels = list(block.signal.values())
    # Of few windows several channels at once, which takes fewer calls; of many one by one, which takes less memory.
    together = max(1, _ROWS // max(1, len(channels[0])))
    batches = [channels[k : k + together] for k in range(0, len(channels), together)]
    found = np.concatenate([describe_rows(np.concatenate(batch), block.rate_hz) for batch in batches])
    return {
        f"{channel}_{statistic}": value
        for channel, table in zip(block.signal, found.reshape(len(channels), -1, len(_NAMES)), strict=True)
        for statistic, value in zip(_NAMES, table.T, strict=True)
    }
