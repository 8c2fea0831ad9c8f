"""Breathing from the chest's respiration belt: rate, depth and their variability."""

import numpy as np

from wesadlib.compiled import compiled
from wesadlib.features.block import Block, Description, bridge, thin
from wesadlib.features.statistics import mean_and_sd
from wesadlib.signals.filters import zero_phase
from wesadlib.signals.peaks import find_peaks

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
_FOUND = tuple(description.statistic for description in DESCRIPTIONS)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Breathing features of every respiration channel."""
    features = {}
    for channel, samples in block.signal.items():
        if not channel.endswith("_resp"):
            continue
        values, rate_hz = thin(bridge(samples, block.rate_hz, MAX_GAP_S), block.rate_hz, _RATE_HZ)
        readable = np.isfinite(values).all(axis=-1)
        values[~readable] = 0
        found = _describe_breaths(zero_phase(values, rate_hz, "bandpass", BAND_HZ), rate_hz)
        found[~readable] = np.nan
        features |= {f"{channel}_{name}": value for name, value in zip(_FOUND, found.T, strict=True)}
    return features


@compiled
def _describe_breaths(filtered: np.ndarray, rate_hz: float) -> np.ndarray:
    found = np.full((len(filtered), 4), np.nan)
    for row in range(len(filtered)):
        values = filtered[row]
        prominence = 0.5 * mean_and_sd(values)[1]
        inspired = find_peaks(values, 1.0, prominence, len(values))
        if len(inspired) >= 3:
            breaths = len(inspired) - 1
            found[row, 0] = 60 * rate_hz * breaths / (inspired[breaths] - inspired[0])
            found[row, 1] = mean_and_sd(_rates(inspired, rate_hz))[1]
            expired = find_peaks(-values, 1.0, prominence, len(values))
            depth, depth_sd = mean_and_sd(_depths(values, inspired, expired))
            found[row, 2], found[row, 3] = depth, depth_sd / depth
    return found


@compiled
def _rates(inspired: np.ndarray, rate_hz: float) -> np.ndarray:
    rate = np.empty(len(inspired) - 1)
    for k in range(len(rate)):
        rate[k] = 60 * rate_hz / (inspired[k + 1] - inspired[k])
    return rate


@compiled
def _depths(values: np.ndarray, inspired: np.ndarray, expired: np.ndarray) -> np.ndarray:
    """Rise to the end of each inspiration from the end of the expiration before it; NaN where there is none."""
    depth = np.full(len(inspired), np.nan)
    before = -1
    for k in range(len(inspired)):
        while before + 1 < len(expired) and expired[before + 1] < inspired[k]:
            before += 1
        if before >= 0:
            depth[k] = values[inspired[k]] - values[expired[before]]
    return depth
