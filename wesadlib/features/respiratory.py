"""Breathing from the chest's respiration belt: rate, depth and their variability."""

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Description, bridge, thin
from wesadlib.signals.filters import zero_phase

#: Breathing lies between these, Hz (3 to 60 breaths per minute), as in NeuroKit2's `rsp_clean`.
BAND_HZ = (0.05, 1.0)
#: Longest gap that is bridged, s.
MAX_GAP_S = 1.0
_RATE_HZ = 5.0
_SOURCE = "Makowski 2021"

DESCRIPTIONS = tuple(
    Description("respiratory", "respiration", *row, _SOURCE)
    for row in (
        ("rate", "1/min", "60 s over the mean time from one end of inspiration to the next"),
        ("rate_sd", "1/min", "standard deviation of the breath-by-breath rate"),
        ("depth", "{unit}", "mean rise from the end of expiration to the end of inspiration"),
        ("depth_variation", "", "standard deviation of the depth over its mean"),
    )
)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Breathing features of every respiration channel."""
    features = {}
    for channel, samples in block.signal.items():
        if not channel.endswith("_resp"):
            continue
        values, rate_hz = thin(bridge(samples, block.rate_hz, MAX_GAP_S), block.rate_hz, _RATE_HZ)
        readable = np.isfinite(values).all(axis=-1)
        filtered = zero_phase(np.where(readable[:, None], values, 0), rate_hz, "bandpass", BAND_HZ)
        breaths = np.full((len(values), 4), np.nan)
        for row in np.flatnonzero(readable):
            breaths[row] = _breaths(filtered[row], rate_hz)
        for column, name in enumerate(("rate", "rate_sd", "depth", "depth_variation")):
            features[f"{channel}_{name}"] = breaths[:, column]
    return features


def _breaths(filtered: np.ndarray, rate_hz: float) -> tuple[float, float, float, float]:
    prominence = 0.5 * filtered.std()
    inspired, _ = find_peaks(filtered, prominence=prominence)
    expired, _ = find_peaks(-filtered, prominence=prominence)
    if len(inspired) < 3:
        return (np.nan,) * 4
    interval_s = np.diff(inspired) / rate_hz
    before = np.searchsorted(expired, inspired) - 1
    depth = filtered[inspired[before >= 0]] - filtered[expired[before[before >= 0]]]
    return 60 / interval_s.mean(), (60 / interval_s).std(), depth.mean(), depth.std() / depth.mean()
