"""Breathing from the chest's respiration belt: rate, depth and their variability."""

from collections.abc import Iterator

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Feature, Group, without_gaps
from wesadlib.signals.filters import zero_phase

#: Breathing lies between these, Hz (3 to 60 breaths per minute), as in NeuroKit2's `rsp_clean`.
BAND_HZ = (0.05, 1.0)
#: Longest gap that is bridged, s.
MAX_GAP_S = 1.0
_RATE_HZ = 5.0
_SOURCE = "Makowski 2021"


def _read(block: Block) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for channel, samples in block.signal.items():
        if not channel.endswith("_resp"):
            continue
        values, readable, rate_hz = without_gaps(samples, block.rate_hz, MAX_GAP_S, _RATE_HZ)
        breaths = [_breaths(row, rate_hz) for row in zero_phase(values, rate_hz, "bandpass", BAND_HZ)]
        columns = np.where(readable, np.reshape(breaths, (-1, 4)).T, np.nan)
        yield channel, dict(zip(("rate", "rate_sd", "depth", "depth_sd"), columns, strict=True))


def _breaths(filtered: np.ndarray, rate_hz: float) -> tuple[float, float, float, float]:
    """Rate and its spread, depth and its spread, of one window's breaths; NaN where there are not three."""
    prominence = 0.5 * filtered.std()
    inspired, _ = find_peaks(filtered, prominence=prominence)
    expired, _ = find_peaks(-filtered, prominence=prominence)
    if len(inspired) < 3:
        return (np.nan,) * 4
    interval_s = np.diff(inspired) / rate_hz
    before = np.searchsorted(expired, inspired) - 1
    depth = filtered[inspired[before >= 0]] - filtered[expired[before[before >= 0]]]
    return 60 / interval_s.mean(), (60 / interval_s).std(), depth.mean(), depth.std()


RESPIRATORY = Group(
    "respiratory",
    "respiration",
    _read,
    (
        Feature(
            "rate",
            "1/min",
            "60 s over the mean time from one end of inspiration to the next",
            _SOURCE,
            lambda breaths: breaths["rate"],
        ),
        Feature(
            "rate_sd",
            "1/min",
            "standard deviation of the breath-by-breath rate",
            _SOURCE,
            lambda breaths: breaths["rate_sd"],
        ),
        Feature(
            "depth",
            "{unit}",
            "mean rise from the end of expiration to the end of inspiration",
            _SOURCE,
            lambda breaths: breaths["depth"],
        ),
        Feature(
            "depth_variation",
            "",
            "standard deviation of the depth over its mean",
            _SOURCE,
            lambda breaths: breaths["depth_sd"] / breaths["depth"],
        ),
    ),
)
