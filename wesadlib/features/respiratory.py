"""Breathing from the chest's respiration belt: rate, depth and their variability."""

import numpy as np
from scipy.signal import butter, find_peaks, sosfiltfilt

from wesadlib.features.block import Block, Description, bridge, thin

#: Breathing lies between these, Hz (3 to 60 breaths per minute), as in NeuroKit2's `rsp_clean`.
BAND_HZ = (0.05, 1.0)
MAX_GAP_S = 1.0
_RATE_HZ = 5.0
_SOURCE = "Makowski 2021"

DESCRIPTIONS = (
    Description(
        "respiratory",
        "respiration",
        "rate",
        "1/min",
        "60 s over the mean time from one end of inspiration to the next",
        _SOURCE,
    ),
    Description(
        "respiratory", "respiration", "rate_sd", "1/min", "standard deviation of the breath-by-breath rate", _SOURCE
    ),
    Description(
        "respiratory",
        "respiration",
        "depth",
        "{unit}",
        "mean rise from the end of expiration to the end of inspiration",
        _SOURCE,
    ),
    Description(
        "respiratory", "respiration", "depth_variation", "", "standard deviation of the depth over its mean", _SOURCE
    ),
)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Breathing features of every respiration channel."""
    features = {}
    for channel, samples in block.signal.items():
        if not channel.endswith("_resp"):
            continue
        values, rate_hz = thin(bridge(samples, block.rate_hz, MAX_GAP_S), block.rate_hz, _RATE_HZ)
        readable = np.isfinite(values).all(axis=-1)
        sections = butter(2, BAND_HZ, "bandpass", fs=rate_hz, output="sos")
        filtered = sosfiltfilt(sections, np.where(readable[:, None], values, 0), axis=-1)
        breaths = np.array(
            [_breaths(row, rate_hz) if good else (np.nan,) * 4 for row, good in zip(filtered, readable, strict=True)]
        )
        for column, name in enumerate(("rate", "rate_sd", "depth", "depth_variation")):
            features[f"{channel}_{name}"] = breaths[:, column] if len(breaths) else np.empty(0)
    return features


def _breaths(filtered: np.ndarray, rate_hz: float) -> tuple[float, float, float, float]:
    prominence = 0.5 * filtered.std()
    if prominence == 0:
        return (np.nan,) * 4
    inspired, _ = find_peaks(filtered, prominence=prominence)
    expired, _ = find_peaks(-filtered, prominence=prominence)
    if len(inspired) < 3:
        return (np.nan,) * 4
    rate = 60 * rate_hz / np.diff(inspired)
    before = np.searchsorted(expired, inspired) - 1
    depth = filtered[inspired[before >= 0]] - filtered[expired[before[before >= 0]]]
    mean_rate = 60 * rate_hz / np.diff(inspired).mean()
    return mean_rate, rate.std(), depth.mean(), depth.std() / depth.mean()
