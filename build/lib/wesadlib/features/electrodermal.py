"""Skin conductance: tonic level, phasic activity and single responses (Boucsein 2012)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Group, slope, without_gaps
from wesadlib.signals.filters import zero_phase

#: Smallest amplitude that counts as a skin conductance response, uS.
MIN_AMPLITUDE_US = 0.02
#: A response stands out from what lies within this on either side; what changes more slowly is the tonic level, s.
REACH_S = 10.0
#: Border between tonic and phasic activity, Hz.
CUTOFF_HZ = 0.05
#: Responses are looked for below this: slower than the sensor's steps, faster than any response's rise, Hz.
_SMOOTH_HZ = 1.0
#: Longest gap that is bridged, s.
MAX_GAP_S = 3.0
_RATE_HZ = 5.0


@dataclass(frozen=True)
class Conductance:
    """Of each window: mean level (NaN below 0), slope of the tonic and spread of the phasic part, responses."""

    level: np.ndarray
    rise: np.ndarray
    spread: np.ndarray
    count: np.ndarray
    total: np.ndarray
    minutes: float


def responses(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Rise (response,) to each skin conductance response, a peak of sufficient prominence, from the trough before it.

    `values` (time,) are uS without gaps, smooth at the scale of a second.
    """
    peak, shape = find_peaks(values, prominence=MIN_AMPLITUDE_US, wlen=round(2 * REACH_S * rate_hz) + 1)
    return values[peak] - values[shape["left_bases"]]


def _read(block: Block) -> Iterator[tuple[tuple[str], Conductance]]:
    for channel, samples in block.signal.items():
        if not channel.endswith("_eda"):
            continue
        values, readable, rate_hz = without_gaps(samples, block.rate_hz, MAX_GAP_S, _RATE_HZ)
        tonic = zero_phase(values, rate_hz, "lowpass", CUTOFF_HZ)
        rises = [responses(row, rate_hz) for row in zero_phase(values, rate_hz, "lowpass", _SMOOTH_HZ)]
        level = values.mean(axis=-1)
        columns = (
            np.where(level > 0, level, np.nan),
            slope(tonic, rate_hz),
            (values - tonic).std(axis=-1),
            [len(rise) for rise in rises],
            [rise.sum() for rise in rises],
        )
        read = (np.where(readable, column, np.nan) for column in columns)
        yield (channel,), Conductance(*read, values.shape[-1] / rate_hz / 60)


_BOUCSEIN, _MAKOWSKI = "Boucsein 2012", "Makowski 2021"
ELECTRODERMAL = Group("electrodermal", "skin conductance", _read)


@ELECTRODERMAL.feature("ln uS", _BOUCSEIN)
def log_level(skin: Conductance) -> np.ndarray:
    """Natural logarithm of the mean level."""
    return np.log(skin.level)


@ELECTRODERMAL.feature("uS/min", _BOUCSEIN)
def tonic_slope(skin: Conductance) -> np.ndarray:
    """Slope of the tonic level."""
    return 60 * skin.rise


@ELECTRODERMAL.feature("uS", _MAKOWSKI)
def phasic_sd(skin: Conductance) -> np.ndarray:
    """Standard deviation of the phasic part, above 0.05 Hz."""
    return skin.spread


@ELECTRODERMAL.feature("", _MAKOWSKI)
def relative_phasic_sd(skin: Conductance) -> np.ndarray:
    """Phasic standard deviation over the mean level."""
    return skin.spread / skin.level


@ELECTRODERMAL.feature("1/min", _BOUCSEIN)
def scr_rate(skin: Conductance) -> np.ndarray:
    """Responses: peaks that stand out by at least 0.02 uS within 10 s on either side."""
    return skin.count / skin.minutes


@ELECTRODERMAL.feature("uS", _BOUCSEIN)
def scr_amplitude(skin: Conductance) -> np.ndarray:
    """Mean rise to a response's peak; NaN without a response."""
    return skin.total / np.where(skin.count > 0, skin.count, np.nan)


@ELECTRODERMAL.feature("uS/min", _BOUCSEIN)
def scr_amplitude_sum(skin: Conductance) -> np.ndarray:
    """Sum of the rises of all responses, per minute."""
    return skin.total / skin.minutes
