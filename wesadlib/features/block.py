"""What every group of features works on: a block of windows as plain arrays, and the handling of missing samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wesadlib.compiled import compiled


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
        float64, or `values` themselves where none is missing.
    """
    values = np.ascontiguousarray(values)
    return _bridge_rows(values, max_gap_s * rate_hz) if _any_missing(values) else values


@compiled
def _any_missing(values: np.ndarray) -> bool:
    rows, samples = values.shape
    for row in range(rows):
        missing = 0
        for k in range(samples):
            missing += np.isnan(values[row, k])
        if missing:
            return True
    return False


@compiled
def _bridge_rows(values: np.ndarray, longest: float) -> np.ndarray:
    rows, samples = values.shape
    bridged = np.empty((rows, samples))
    for row in range(rows):
        for k in range(samples):
            bridged[row, k] = values[row, k]
        last = -1
        for k in range(samples + 1):
            if k < samples and np.isnan(values[row, k]):
                continue
            if k - last - 1 > longest:
                bridged[row] = np.nan
                break
            if k - last > 1:
                _draw_line(bridged[row], last, k)
            last = k
    return bridged


@compiled
def _draw_line(row: np.ndarray, before: int, after: int) -> None:
    """Fill what lies between two samples; the position before the first or past the last one stands for an edge."""
    if before < 0 and after >= len(row):
        return
    start = row[before] if before >= 0 else row[after]
    rise = (row[after] - start) / (after - before) if before >= 0 and after < len(row) else 0.0
    for k in range(before + 1, after):
        row[k] = start + rise * (k - before)


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
        Block means, float64; an incomplete last block is left out.
    rate_hz : float
        Their rate.
    """
    length = max(1, round(rate_hz / target_hz))
    return block_means(np.ascontiguousarray(values), length), rate_hz / length


@compiled
def block_means(values: np.ndarray, length: int) -> np.ndarray:
    """Mean over each `length` samples of rows (window, time), for loops that are compiled."""
    rows, samples = values.shape
    means = np.empty((rows, samples // length))
    for row in range(rows):
        for k in range(samples // length):
            total = 0.0
            for j in range(k * length, (k + 1) * length):
                total += values[row, j]
            means[row, k] = total / length
    return means


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
    return _slopes(np.ascontiguousarray(values), rate_hz)


@compiled
def _slopes(values: np.ndarray, rate_hz: float) -> np.ndarray:
    slopes = np.empty(len(values))
    for row in range(len(values)):
        slopes[row] = slope_of_row(values[row], rate_hz)
    return slopes


@compiled
def slope_of_row(values: np.ndarray, rate_hz: float) -> float:
    """As :func:`slope`, of one row (time,), for loops that are compiled."""
    count, total, total_position = 0, 0.0, 0.0
    for k in range(len(values)):
        if not np.isnan(values[k]):
            count += 1
            total += values[k]
            total_position += k
    if count < max(2, len(values) / 2):
        return np.nan
    mean, middle = total / count, total_position / count
    together, apart = 0.0, 0.0
    for k in range(len(values)):
        if not np.isnan(values[k]):
            together += (k - middle) * (values[k] - mean)
            apart += (k - middle) ** 2
    return rate_hz * together / apart
