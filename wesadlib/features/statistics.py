"""Plain statistics of every channel: level, spread, dynamic range, shape and peaks; of a temperature its trend, too."""

from collections.abc import Iterator

import numpy as np

from wesadlib.features.block import Block, Feature, Group, slope

#: Least share of a window's samples from which a statistic is computed.
MIN_PRESENT_SHARE = 0.5


def describe(values: np.ndarray, rate_hz: float) -> dict[str, np.ndarray]:
    """Statistics of each row over the samples that are present.

    Parameters
    ----------
    values : ndarray, (row, time)
        Samples, NaN where missing.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    dict of str to ndarray, (row,)
        A value a statistic; NaN where fewer than half of the samples are present, and for the standardised ones where
        nothing varies.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(0, 60, 1 / 35)
    >>> statistics = describe(2 + np.sin(2 * np.pi * 1.2 * time)[None], rate_hz=35)
    >>> float(statistics["peak_rate"][0].round(6)), float(statistics["sd"][0].round(3))
    (72.0, 0.707)
    """
    present = ~np.isnan(values)
    whole = present.all()
    count = present.sum(axis=-1)
    count = np.where(count >= max(1, MIN_PRESENT_SHARE * values.shape[-1]), count, np.nan)
    samples = (values if whole else np.where(present, values, 0)).astype(np.float64)
    mean = samples.sum(axis=-1) / count
    centred = samples - mean[:, None]
    if not whole:
        centred = np.where(present, centred, 0)
    square = centred**2
    variance = square.sum(axis=-1) / count
    smallest, lower, upper, largest = _quantiles(values, count, (0, 0.25, 0.75, 1))
    sd = np.where(largest > smallest, np.sqrt(variance), 0 * largest)
    varying = np.where(sd > 0, variance, np.nan)
    # Beside a missing sample both comparisons fail.
    inner = values[:, 1:-1]
    peak = (inner > values[:, :-2]) & (inner >= values[:, 2:]) & (centred[:, 1:-1] > sd[:, None])
    return {
        "mean": np.where(largest > smallest, mean, smallest),
        "sd": sd,
        "dynamic_range": largest - smallest,
        "interquartile_range": upper - lower,
        "skewness": np.einsum("rt,rt->r", square, centred) / count / varying**1.5,
        "kurtosis": np.einsum("rt,rt->r", square, square) / count / varying**2 - 3,
        "peak_rate": np.where(sd > 0, peak.sum(axis=-1), np.nan) / count * rate_hz * 60,
    }


def _quantiles(values: np.ndarray, count: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles (level, row) of what is present; NaN where the count of it is."""
    # Sorting puts NaN last, so the samples that are present are the first `count` of a row.
    ordered = np.sort(values, axis=-1)
    position = np.array(levels)[:, None] * (np.where(np.isnan(count), 1, count) - 1)
    below, rows = np.floor(position).astype(int), np.arange(len(values))
    low, high = (ordered[rows, at].astype(np.float64) for at in (below, np.ceil(position).astype(int)))
    return np.where(np.isnan(count), np.nan, low + (position - below) * (high - low))


def _read(block: Block) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    if not block.signal:
        return
    rows = describe(np.concatenate(list(block.signal.values())), block.rate_hz)
    for k, (channel, samples) in enumerate(block.signal.items()):
        yield channel, {name: value[k * len(samples) : (k + 1) * len(samples)] for name, value in rows.items()}


def _statistic(name: str, unit: str, definition: str) -> Feature:
    return Feature(name, unit, definition, "", lambda statistics: statistics[name])


STATISTICS = Group(
    "statistics",
    "every channel",
    _read,
    (
        _statistic("mean", "{unit}", "mean level"),
        _statistic("sd", "{unit}", "standard deviation"),
        _statistic("dynamic_range", "{unit}", "largest minus smallest sample"),
        _statistic("interquartile_range", "{unit}", "upper minus lower quartile"),
        _statistic("skewness", "", "third standardised moment; above 0 where the long tail is upward"),
        _statistic("kurtosis", "", "fourth standardised moment less 3; above 0 where rare samples stand far out"),
        _statistic(
            "peak_rate",
            "1/min",
            "local maxima above the mean by more than one standard deviation; noise, where a channel is slow",
        ),
    ),
)


def _read_temperature(block: Block) -> Iterator[tuple[str, np.ndarray]]:
    for channel, samples in block.signal.items():
        if channel.endswith("_temp"):
            yield channel, slope(samples, block.rate_hz)


THERMAL = Group(
    "thermal",
    "temperature",
    _read_temperature,
    (Feature("slope", "mdegC/s", "slope of the least-squares line through the window", "", lambda rise: 1000 * rise),),
)
