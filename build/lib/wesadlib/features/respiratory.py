"""Breathing from the chest's respiration belt: rate, depth and their variability."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Group, without_gaps
from wesadlib.signals.filters import zero_phase

#: Breathing lies between these, Hz (3 to 60 breaths per minute), as in NeuroKit2's `rsp_clean`.
BAND_HZ = (0.05, 1.0)
#: Longest gap that is bridged, s.
MAX_GAP_S = 1.0
_RATE_HZ = 5.0
_SOURCE = "Makowski 2021"


@dataclass(frozen=True)
class Breaths:
    """Of each window: rate and its spread, 1/min, depth and its spread; NaN where there are not three breaths."""

    rate: np.ndarray
    rate_sd: np.ndarray
    depth: np.ndarray
    depth_sd: np.ndarray


def _read(block: Block) -> Iterator[tuple[tuple[str], Breaths]]:
    for channel, samples in block.signal.items():
        if channel.endswith("_resp"):
            values, readable, rate_hz = without_gaps(samples, block.rate_hz, MAX_GAP_S, _RATE_HZ)
            breaths = [_breaths(row, rate_hz) for row in zero_phase(values, rate_hz, "bandpass", BAND_HZ)]
            yield (channel,), Breaths(*np.where(readable, np.reshape(breaths, (-1, 4)).T, np.nan))


def _breaths(filtered: np.ndarray, rate_hz: float) -> tuple[float, float, float, float]:
    prominence = 0.5 * filtered.std()
    inspired, _ = find_peaks(filtered, prominence=prominence)
    expired, _ = find_peaks(-filtered, prominence=prominence)
    if len(inspired) < 3:
        return (np.nan,) * 4
    interval_s = np.diff(inspired) / rate_hz
    before = np.searchsorted(expired, inspired) - 1
    depth = filtered[inspired[before >= 0]] - filtered[expired[before[before >= 0]]]
    return 60 / interval_s.mean(), (60 / interval_s).std(), depth.mean(), depth.std()


RESPIRATORY = Group("respiratory", "respiration", _read)


@RESPIRATORY.feature("1/min", _SOURCE)
def rate(breaths: Breaths) -> np.ndarray:
    """60 s over the mean time from one end of inspiration to the next."""
    return breaths.rate


@RESPIRATORY.feature("1/min", _SOURCE)
def rate_sd(breaths: Breaths) -> np.ndarray:
    """Standard deviation of the breath-by-breath rate."""
    return breaths.rate_sd


@RESPIRATORY.feature("{unit}", _SOURCE)
def depth(breaths: Breaths) -> np.ndarray:
    """Mean rise from the end of expiration to the end of inspiration."""
    return breaths.depth


@RESPIRATORY.feature("", _SOURCE)
def depth_variation(breaths: Breaths) -> np.ndarray:
    """Standard deviation of the depth over its mean."""
    return breaths.depth_sd / breaths.depth
