"""What every group of features works on: a block of windows as plain arrays, and the handling of missing samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Description:
    """What a feature is.

    Attributes
    ----------
    group : str
        Module that computes it.
    applies_to : str
        Channels or beat sources it is computed for.
    statistic : str
        Second half of the feature's name; the first is the channel.
    unit : str
        Unit of the value; ``{unit}`` stands for the channel's own.
    definition : str
        One phrase.
    source : str
        Publication or standard that the definition follows; empty for plain statistics.
    """

    group: str
    applies_to: str
    statistic: str
    unit: str
    definition: str
    source: str = ""


@dataclass(frozen=True)
class Block:
    """Some windows as plain arrays.

    Attributes
    ----------
    signal : mapping of str to ndarray, (window, time)
        Samples of each channel, float64, NaN where missing and throughout where the channel does not change at all.
    beat_s : mapping of str to ndarray, (window, beat)
        Beat times of each source, seconds from the window's start, padded with NaN.
    rate_hz, window_s : float
        Common sampling rate and length of a window.
    """

    signal: Mapping[str, np.ndarray]
    beat_s: Mapping[str, np.ndarray]
    rate_hz: float
    window_s: float


def bridge(values: np.ndarray, rate_hz: float, max_gap_s: float) -> np.ndarray:
    """Bridge short gaps linearly, so that a filter can pass them; a row with a longer gap becomes NaN throughout.

    Parameters
    ----------
    values : ndarray, (window, time)
        Samples, NaN where missing.
    rate_hz : float
        Sampling rate.
    max_gap_s : float
        Longest gap that is bridged, seconds; at an edge the nearest sample is held.

    Returns
    -------
    ndarray, (window, time)
        Rows without a missing sample come back unchanged.
    """
    missing = np.isnan(values)
    incomplete = np.flatnonzero(missing.any(axis=-1))
    if incomplete.size == 0:
        return values
    bridged = values.copy()
    position = np.arange(values.shape[-1])
    for row in incomplete:
        present = np.flatnonzero(~missing[row])
        if present.size == 0:
            continue
        gaps = np.diff(np.concatenate([[-1], present, [position.size]])) - 1
        if gaps.max() > max_gap_s * rate_hz:
            bridged[row] = np.nan
        else:
            bridged[row] = np.interp(position, present, values[row, present])
    return bridged


def thin(values: np.ndarray, rate_hz: float, target_hz: float) -> tuple[np.ndarray, float]:
    """Mean over consecutive blocks of samples, for channels that change slowly.

    Parameters
    ----------
    values : ndarray, (window, time)
        Samples.
    rate_hz, target_hz : float
        Present rate, and the rate to come near to.

    Returns
    -------
    thinned : ndarray, (window, time)
        Block means; an incomplete last block is left out.
    rate_hz : float
        Their rate.
    """
    length = max(1, round(rate_hz / target_hz))
    return stretches(values, length).mean(axis=-1), rate_hz / length


def slope(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Slope of the least-squares line over the samples that are present.

    Parameters
    ----------
    values : ndarray, (window, time)
        Samples, NaN where missing.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    ndarray, (window,)
        Units of `values` per second; NaN where fewer than half of the samples are present.
    """
    present = np.isfinite(values)
    count = present.sum(axis=-1)
    enough = count >= max(2, values.shape[-1] / 2)
    divisor = np.where(enough, count, np.nan)
    time = np.where(present, np.arange(values.shape[-1]) / rate_hz, 0)
    centred_time = np.where(present, time - (time.sum(axis=-1) / divisor)[:, None], 0)
    filled = np.where(present, values, 0)
    centred = np.where(present, filled - (filled.sum(axis=-1) / divisor)[:, None], 0)
    return (centred_time * centred).sum(axis=-1) / np.where(enough, (centred_time**2).sum(axis=-1), np.nan)


def stretches(values: np.ndarray, length: int) -> np.ndarray:
    """Cut the last axis into stretches of `length` samples, ``(…, stretch, sample)``, leaving out an incomplete one."""
    count = values.shape[-1] // length
    return values[..., : count * length].reshape(*values.shape[:-1], count, length)
