"""Plain statistics of every channel: level, spread, dynamic range, shape and peaks; of a temperature its trend, too."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wesadlib.features import block as rows
from wesadlib.features.block import Block, Group

#: Least share of a window's samples from which a statistic is computed.
MIN_PRESENT_SHARE = 0.5


@dataclass(frozen=True)
class Moments:
    """Of rows (row, time) with gaps: what is present, in order and about its mean.

    Attributes
    ----------
    values, ordered, centred : ndarray, (row, time)
        Samples, NaN where missing; the same sorted, missing ones last; the same less their mean, 0 where missing.
    count, mean, sd : ndarray, (row,)
        Of the samples present; NaN where they are too few.
    rate_hz : float
        Sampling rate.
    """

    values: np.ndarray
    ordered: np.ndarray
    centred: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    rate_hz: float

    @classmethod
    def of(cls, values: np.ndarray, rate_hz: float) -> "Moments":
        """Of rows (row, time), NaN where missing."""
        missing, gaps = np.isnan(values), np.isnan(values.sum())
        count = values.shape[-1] - missing.sum(axis=-1)
        count = np.where(count >= max(1, MIN_PRESENT_SHARE * values.shape[-1]), count, np.nan)
        samples = (np.where(missing, 0, values) if gaps else values).astype(np.float64)
        mean = samples.sum(axis=-1) / count
        centred = samples - mean[:, None]
        if gaps:
            centred[missing] = 0
        sd = np.sqrt(np.einsum("rt,rt->r", centred, centred) / count)
        ordered = np.sort(values, axis=-1)
        moments = cls(values, ordered, centred, count, mean, sd, rate_hz)
        # Rounding must not make a level of one value throughout vary.
        smallest = moments.quantile(0)
        still = smallest == moments.quantile(1)
        mean[still], sd[still] = smallest[still], 0
        return moments

    @property
    def varying(self) -> np.ndarray:
        """Standard deviation, NaN where nothing varies."""
        return np.where(self.sd > 0, self.sd, np.nan)

    def quantile(self, level: float) -> np.ndarray:
        """Quantile (row,) of what is present."""
        position = level * (np.where(np.isnan(self.count), 1, self.count) - 1)
        below, rows = np.floor(position).astype(int), np.arange(len(position))
        low, high = (self.ordered[rows, at].astype(np.float64) for at in (below, np.ceil(position).astype(int)))
        return np.where(np.isnan(self.count), np.nan, low + (position - below) * (high - low))


def _read(block: Block) -> Iterator[tuple[tuple[str, ...], Moments]]:
    if block.signal:
        yield tuple(block.signal), Moments.of(np.concatenate(list(block.signal.values())), block.rate_hz)


STATISTICS = Group("statistics", "every channel", _read)


@STATISTICS.feature("{unit}")
def mean(moments: Moments) -> np.ndarray:
    """Mean level."""
    return moments.mean


@STATISTICS.feature("{unit}")
def sd(moments: Moments) -> np.ndarray:
    """Standard deviation."""
    return moments.sd


@STATISTICS.feature("{unit}")
def dynamic_range(moments: Moments) -> np.ndarray:
    """Largest minus smallest sample."""
    return moments.quantile(1) - moments.quantile(0)


@STATISTICS.feature("{unit}")
def interquartile_range(moments: Moments) -> np.ndarray:
    """Upper minus lower quartile."""
    return moments.quantile(0.75) - moments.quantile(0.25)


@STATISTICS.feature("")
def skewness(moments: Moments) -> np.ndarray:
    """Third standardised moment; above 0 where the long tail is upward."""
    return np.einsum("rt,rt,rt->r", *[moments.centred] * 3) / moments.count / moments.varying**3


@STATISTICS.feature("")
def kurtosis(moments: Moments) -> np.ndarray:
    """Fourth standardised moment less 3; above 0 where rare samples stand far out."""
    square = moments.centred**2
    return np.einsum("rt,rt->r", square, square) / moments.count / moments.varying**4 - 3


@STATISTICS.feature("1/min")
def peak_rate(moments: Moments) -> np.ndarray:
    """Local maxima above the mean by more than one standard deviation; noise, where a channel is slow."""
    inner = moments.values[:, 1:-1]
    # Beside a missing sample both comparisons fail.
    peak = (inner > moments.values[:, :-2]) & (inner >= moments.values[:, 2:])
    count = (peak & (moments.centred[:, 1:-1] > moments.sd[:, None])).sum(axis=-1)
    return np.where(moments.sd > 0, count, np.nan) / moments.count * moments.rate_hz * 60


def _read_temperature(block: Block) -> Iterator[tuple[tuple[str], np.ndarray]]:
    for channel, samples in block.signal.items():
        if channel.endswith("_temp"):
            yield (channel,), rows.slope(samples, block.rate_hz)


THERMAL = Group("thermal", "temperature", _read_temperature)


@THERMAL.feature("mdegC/s")
def slope(rise: np.ndarray) -> np.ndarray:
    """Slope of the least-squares line through the window."""
    return 1000 * rise
