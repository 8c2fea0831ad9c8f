"""Skin conductance: tonic level, phasic activity and single responses (Boucsein 2012)."""

import numpy as np
from scipy.signal import butter, sosfiltfilt

from wesadlib.features.block import Block, Description, bridge, slope, thin

#: Smallest rise that counts as a skin conductance response, uS.
MIN_AMPLITUDE_US = 0.02
#: A response rises for at most this long; what rises more slowly is the tonic level, s.
MAX_RISE_S = 5.0
#: Border between tonic and phasic activity, Hz.
CUTOFF_HZ = 0.05
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
            f"responses: rises of at least {MIN_AMPLITUDE_US} uS, reached within {MAX_RISE_S:g} s",
            "Boucsein 2012",
        ),
        ("scr_amplitude", "uS", "mean rise of a response; NaN without a response", "Boucsein 2012"),
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
    sections = butter(2, CUTOFF_HZ, "lowpass", fs=rate_hz, output="sos")
    tonic = sosfiltfilt(sections, values, axis=-1)
    return tonic, values - tonic


def responses(values: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Skin conductance responses: rises from a trough to the next peak.

    Parameters
    ----------
    values : ndarray, (window, time)
        Skin conductance without gaps, uS, smooth at the scale of a second.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    peak : ndarray of bool, (window, time)
        Where a response peaks.
    amplitude : ndarray, (window, time)
        Rise up to each peak, from the trough before it or from 5 s before, whichever is later; 0 elsewhere.
    """
    change = np.diff(values, axis=-1)
    position = np.arange(values.shape[-1])
    peak = np.zeros(values.shape, bool)
    peak[:, 1:-1] = (change[:, :-1] > 0) & (change[:, 1:] <= 0)
    trough = np.zeros(values.shape, bool)
    trough[:, 1:-1] = (change[:, :-1] <= 0) & (change[:, 1:] > 0)
    last_trough = np.maximum.accumulate(np.where(trough, position, 0), axis=-1)
    foot = np.maximum(last_trough, position - round(MAX_RISE_S * rate_hz))
    rise = values - np.take_along_axis(values, foot, axis=-1)
    peak &= rise >= MIN_AMPLITUDE_US
    return peak, np.where(peak, rise, 0)


def _smooth(values: np.ndarray, rate_hz: float) -> np.ndarray:
    # One second: shorter than any response's rise, longer than the sensor's steps.
    return sosfiltfilt(butter(2, 1.0, "lowpass", fs=rate_hz, output="sos"), values, axis=-1)


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
        peak, amplitude = responses(_smooth(values, rate_hz), rate_hz)
        minutes = values.shape[-1] / rate_hz / 60
        level, spread, count = values.mean(axis=-1), phasic.std(axis=-1), peak.sum(axis=-1)
        positive = np.where(level > 0, level, np.nan)
        found = {
            "log_level": np.log(positive),
            "tonic_slope": 60 * slope(tonic, rate_hz),
            "phasic_sd": spread,
            "relative_phasic_sd": spread / positive,
            "scr_rate": count / minutes,
            "scr_amplitude": amplitude.sum(axis=-1) / np.where(count > 0, count, np.nan),
            "scr_amplitude_sum": amplitude.sum(axis=-1) / minutes,
        }
        features |= {f"{channel}_{name}": np.where(readable, value, np.nan) for name, value in found.items()}
    return features
