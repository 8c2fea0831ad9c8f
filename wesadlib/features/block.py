"""What every group of features is made of: a table of features, a block of windows as plain arrays, and their gaps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wesadlib.signals.filters import bridge_gaps

#: Values (window,) of the features of a channel, by statistic; of several channels, by channel.
Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Block:
    """Some windows: samples (window, time) of each channel, beats (window, beat) of each source, in s from its start.

    NaN where missing, after the last beat, and throughout where a channel does not change at all.
    """

    signal: Mapping[str, np.ndarray]
    beat_s: Mapping[str, np.ndarray]
    rate_hz: float
    window_s: float


class Feature(NamedTuple):
    """What a feature is: ``{unit}`` stands for the channel's own, the source is a publication or standard, if any."""

    statistic: str
    unit: str
    definition: str
    source: str = ""


class Group(NamedTuple):
    """Features that are read from the same channels, `applies_to` in words, by one function of a block."""

    name: str
    applies_to: str
    features: tuple[Feature, ...]
    read: Callable[[Block], dict[str, Values]]

    def extract(self, block: Block) -> Values:
        """Values (window,) of every feature, named ``<channel>_<statistic>``."""
        return {
            f"{channel}_{statistic}": value
            for channel, values in self.read(block).items()
            for statistic, value in values.items()
        }


def without_gaps(values: np.ndarray, rate_hz: float, max_gap_s: float, to_hz: float) -> tuple[np.ndarray, ...]:
    """Rows (window, time) of a slow channel for a filter: short gaps bridged, averaged over blocks to about `to_hz`.

    Returns the rows, 0 throughout where a gap is longer than `max_gap_s`; which rows have none; and their rate in Hz.
    """
    length = max(1, round(rate_hz / to_hz))
    averaged = stretches(bridge_gaps(values, max_gap_s * rate_hz), length).mean(axis=-1, dtype=np.float64)
    readable = np.isfinite(averaged).all(axis=-1)
    averaged[~readable] = 0
    return averaged, readable, rate_hz / length


def stretches(values: np.ndarray, length: int) -> np.ndarray:
    """Cut the last axis into stretches of `length` samples, ``(…, stretch, sample)``, leaving out an incomplete one."""
    count = values.shape[-1] // length
    return values[..., : count * length].reshape(*values.shape[:-1], count, length)


def slope(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Slope (window,) a second of the least-squares line over the samples (window, time) that are present.

    NaN where fewer than half of them are.
    """
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    time = np.arange(values.shape[-1]) / rate_hz
    time = (time - (present @ time / np.maximum(count, 1))[:, None]) * present
    enough = count >= max(2, values.shape[-1] / 2)
    return (time * np.where(present, values, 0)).sum(axis=-1) / np.where(enough, (time**2).sum(axis=-1), np.nan)
