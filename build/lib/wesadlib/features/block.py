"""What every group of features is made of: a table of features, a block of windows as plain arrays, and their gaps."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wesadlib.signals.filters import bridge_gaps, mean_of_present


@dataclass(frozen=True)
class Block:
    """Some windows as plain arrays.

    Attributes
    ----------
    signal : mapping of str to ndarray, (window, time)
        Samples of each channel, NaN where missing and throughout where the channel does not change at all.
    beat_s : mapping of str to ndarray, (window, beat)
        Beat times of each source, seconds from the window's start, padded with NaN.
    rate_hz, window_s : float
        Common sampling rate and length of a window.
    """

    signal: Mapping[str, np.ndarray]
    beat_s: Mapping[str, np.ndarray]
    rate_hz: float
    window_s: float


@dataclass(frozen=True)
class Feature:
    """What a feature is, and how it is read.

    Attributes
    ----------
    statistic : str
        Second half of the feature's name; the first is the channel.
    unit : str
        Unit of the value; ``{unit}`` stands for the channel's own.
    source : str
        Publication or standard that the definition follows; empty for plain statistics.
    definition : str
        One phrase.
    value : callable
        Of what the group reads in a channel: values (window,); None where the feature does not exist for it.
    """

    statistic: str
    unit: str
    source: str
    definition: str
    value: Callable[[Any], np.ndarray | None]


class Group:
    """Features that are read from the same channels.

    Parameters
    ----------
    name : str
        As it appears in tables.
    applies_to : str
        Channels or beat sources, in words.
    read : callable
        Of a block: names of channels, and what their features are read from, the channels' windows one after another.
    """

    def __init__(self, name: str, applies_to: str, read: Callable[[Block], Iterator[tuple[tuple[str, ...], Any]]]):
        self.name, self.applies_to, self.read = name, applies_to, read
        self.features: list[Feature] = []

    def feature(self, unit: str, source: str = "") -> Callable[[Callable], Callable]:
        """Make a function a feature: its name is the statistic's, its docstring the definition."""

        def add(value: Callable) -> Callable:
            definition = (value.__doc__ or "")[:1].lower() + (value.__doc__ or "")[1:].removesuffix(".")
            self.features.append(Feature(value.__name__, unit, source, definition, value))
            return value

        return add

    def extract(self, block: Block) -> dict[str, np.ndarray]:
        """Values (window,) of every feature, named ``<channel>_<statistic>``."""
        values: dict[str, np.ndarray] = {}
        for channels, reading in self.read(block):
            found = {feature.statistic: feature.value(reading) for feature in self.features}
            for k, channel in enumerate(channels):
                for statistic, value in found.items():
                    if value is not None:
                        values[f"{channel}_{statistic}"] = value.reshape(len(channels), -1)[k]
        return values


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
    enough = count >= max(2, values.shape[-1] / 2)
    time = np.where(present, np.arange(values.shape[-1]) / rate_hz, np.nan)
    time -= mean_of_present(time)[:, None]
    away = values - mean_of_present(values.astype(np.float64))[:, None]
    return np.where(enough, mean_of_present(time * away) / mean_of_present(time**2), np.nan)
