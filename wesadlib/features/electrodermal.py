"""Skin conductance: tonic level, phasic activity and single responses (Boucsein 2012)."""

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Description, bridge, slope, thin
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

DESCRIPTIONS = tuple(
    Description("electrodermal", "skin conductance", *row)
    for row in (
        ("log_level", "ln uS", "natural logarithm of the mean level", "Boucsein 2012"),
        ("tonic_slope", "uS/min", "slope of the tonic level", "Boucsein 2012"),
        ("phasic_sd", "uS", f"standard deviation of the phasic part, above {CUTOFF_HZ} Hz", "Makowski 2021"),
        ("relative_phasic_sd", "", "phasic standard deviation over the mean level", "Makowski 2021"),
        (
            "scr_rate",
            "1/min",
            f"responses: peaks that stand out by at least {MIN_AMPLITUDE_US} uS within {REACH_S:g} s on either side",
            "Boucsein 2012",
        ),
        ("scr_amplitude", "uS", "mean rise to a response's peak; NaN without a response", "Boucsein 2012"),
        ("scr_amplitude_sum", "uS/min", "sum of the rises of all responses, per minute", "Boucsein 2012"),
    )
)


def split(values: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Tonic and phasic part, by a zero-phase Butterworth filter of second order at 0.05 Hz.

    Parameters
    ----------
    values : ndarray, (window, time)
        Skin conductance without gaps, uS.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    tonic, phasic : ndarray, (window, time)
        Their sum is `values`.
    """
    tonic = zero_phase(values, rate_hz, "lowpass", CUTOFF_HZ)
    return tonic, values - tonic


def responses(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Amplitudes of the skin conductance responses of one window, which are its peaks of sufficient prominence.

    Parameters
    ----------
    values : ndarray, (time,)
        Skin conductance without gaps, uS, smooth at the scale of a second.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    ndarray, (response,)
        Rise to each peak from the trough before it, uS.
    """
    peak, found = find_peaks(values, prominence=MIN_AMPLITUDE_US, wlen=round(2 * REACH_S * rate_hz) + 1)
    return values[peak] - values[found["left_bases"]]


def extract(block: Block) -> dict[str, np.ndarray]:
    """Tonic level, phasic activity and responses of every skin conductance channel."""
    features = {}
    for channel, samples in block.signal.items():
        if not channel.endswith("_eda"):
            continue
        values, rate_hz = thin(bridge(samples, block.rate_hz, MAX_GAP_S), block.rate_hz, _RATE_HZ)
        readable = np.isfinite(values).all(axis=-1)
        values = np.where(readable[:, None], values, 0)
        tonic, phasic = split(values, rate_hz)
        smooth = zero_phase(values, rate_hz, "lowpass", _SMOOTH_HZ)
        amplitudes = [responses(row, rate_hz) for row in smooth]
        count = np.array([len(amplitude) for amplitude in amplitudes], float)
        total = np.array([amplitude.sum() for amplitude in amplitudes], float)
        minutes = values.shape[-1] / rate_hz / 60
        level, spread = values.mean(axis=-1), phasic.std(axis=-1)
        positive = np.where(level > 0, level, np.nan)
        found = {
            "log_level": np.log(positive),
            "tonic_slope": 60 * slope(tonic, rate_hz),
            "phasic_sd": spread,
            "relative_phasic_sd": spread / positive,
            "scr_rate": count / minutes,
            "scr_amplitude": total / np.where(count > 0, count, np.nan),
            "scr_amplitude_sum": total / minutes,
        }
        features |= {f"{channel}_{name}": np.where(readable, value, np.nan) for name, value in found.items()}
    return features
