"""Breathing from the chest's respiration belt: rate, depth and their variability."""

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Feature, Group, Values, without_gaps
from wesadlib.signals.filters import vertices, zero_phase

#: Breathing lies between these, Hz (3 to 60 breaths per minute), as in NeuroKit2's `rsp_clean`.
BAND_HZ = (0.05, 1.0)
#: Longest gap that is bridged, s.
MAX_GAP_S = 1.0
_RATE_HZ = 12.0
_STATISTICS = ("rate", "rate_sd", "depth", "depth_variation")


def _read(block: Block) -> dict[str, Values]:
    result = {}
    for channel in (name for name in block.signal if name.endswith("_resp")):
        values, readable, rate_hz = without_gaps(block.signal[channel], block.rate_hz, MAX_GAP_S, _RATE_HZ)
        filtered = zero_phase(values, rate_hz, "bandpass", BAND_HZ)
        breaths = np.reshape([_breaths(*rows, rate_hz) for rows in zip(values, filtered, strict=True)], (-1, 4))
        breaths[~readable] = np.nan
        result[channel] = dict(zip(_STATISTICS, breaths.T, strict=True))
    return result


def _breaths(values: np.ndarray, filtered: np.ndarray, rate_hz: float) -> tuple[float, float, float, float]:
    """Rate and its spread, depth and its variation; NaN where there are not three breaths.

    Breaths are found in what was filtered and read where the signal turns: the filter takes a sixth of a fast breath's
    depth, and shifts one beside an edge.
    """
    prominence = 0.5 * filtered.std()
    turns = []
    for sign in (1, -1):
        peaks, _ = find_peaks(sign * filtered, prominence=prominence)
        if len(peaks) < 3:
            return (np.nan,) * 4
        reach = max(int(np.median(np.diff(peaks)) / 4), 1)
        around = np.clip(peaks[:, None] + np.arange(-reach, reach + 1), 0, len(values) - 1)
        peaks = around[np.arange(len(peaks)), (sign * values)[around].argmax(axis=1)]
        peaks = np.unique(peaks)
        turns.append((peaks, *vertices(sign * values[None], 0, peaks)))
    (inspired, time, top), (expired, _, bottom) = turns
    if len(inspired) < 3:
        return (np.nan,) * 4
    interval_s = np.diff(time) / rate_hz
    before = np.searchsorted(expired, inspired) - 1
    depth = top[before >= 0] + bottom[before[before >= 0]]
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
