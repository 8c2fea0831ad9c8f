"""Breathing from the chest's respiration belt: rate, depth and their variability."""

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Feature, Group, Values, without_gaps
from wesadlib.signals.filters import zero_phase

#: Breathing lies between these, Hz (3 to 60 breaths per minute), as in NeuroKit2's `rsp_clean`.
BAND_HZ = (0.05, 1.0)
#: Longest gap that is bridged, s.
MAX_GAP_S = 1.0
_RATE_HZ = 5.0
_STATISTICS = ("rate", "rate_sd", "depth", "depth_variation")


def _read(block: Block) -> dict[str, Values]:
    result = {}
    for channel in (name for name in block.signal if name.endswith("_resp")):
        values, readable, rate_hz = without_gaps(block.signal[channel], block.rate_hz, MAX_GAP_S, _RATE_HZ)
        filtered = zero_phase(values, rate_hz, "bandpass", BAND_HZ)
        breaths = np.reshape([_breaths(row, rate_hz) for row in filtered], (-1, 4))
        breaths[~readable] = np.nan
        result[channel] = dict(zip(_STATISTICS, breaths.T, strict=True))
    return result


def _breaths(filtered: np.ndarray, rate_hz: float) -> tuple[float, float, float, float]:
    """Rate and its spread, depth and its variation; NaN where there are not three breaths."""
    prominence = 0.5 * filtered.std()
    inspired, _ = find_peaks(filtered, prominence=prominence)
    expired, _ = find_peaks(-filtered, prominence=prominence)
    if len(inspired) < 3:
        return (np.nan,) * 4
    interval_s = np.diff(inspired) / rate_hz
    before = np.searchsorted(expired, inspired) - 1
    depth = filtered[inspired[before >= 0]] - filtered[expired[before[before >= 0]]]
    return 60 / interval_s.mean(), (60 / interval_s).std(), depth.mean(), depth.std() / depth.mean()


_SOURCE = "Makowski 2021"
RESPIRATORY = Group(
    "respiratory",
    "respiration",
    (
        Feature("rate", "1/min", "60 s over the mean time from one end of inspiration to the next", _SOURCE),
        Feature("rate_sd", "1/min", "standard deviation of the breath-by-breath rate", _SOURCE),
        Feature("depth", "{unit}", "mean rise from the end of expiration to the end of inspiration", _SOURCE),
        Feature("depth_variation", "", "standard deviation of the depth over its mean", _SOURCE),
    ),
    _read,
)
