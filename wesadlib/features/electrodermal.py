"""Skin conductance: tonic level, phasic activity and single responses (Boucsein 2012)."""

import numpy as np

from wesadlib.compiled import compiled
from wesadlib.features.block import Block, Description, bridge, slope_of_row, thin
from wesadlib.features.statistics import mean_and_sd, sum_present
from wesadlib.signals.filters import zero_phase
from wesadlib.signals.peaks import find_peaks, left_bases

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
_FOUND = tuple(description.statistic for description in DESCRIPTIONS)


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
    return _amplitudes(np.ascontiguousarray(values), _reach(rate_hz))


def _reach(rate_hz: float) -> int:
    return (round(2 * REACH_S * rate_hz) + 1) // 2


@compiled
def _amplitudes(values: np.ndarray, reach: int) -> np.ndarray:
    peak = find_peaks(values, 1.0, MIN_AMPLITUDE_US, reach)
    trough = left_bases(values, peak, reach)
    amplitude = np.empty(len(peak))
    for k in range(len(peak)):
        amplitude[k] = values[peak[k]] - values[trough[k]]
    return amplitude


def extract(block: Block) -> dict[str, np.ndarray]:
    """Tonic level, phasic activity and responses of every skin conductance channel."""
    features = {}
    for channel, samples in block.signal.items():
        if not channel.endswith("_eda"):
            continue
        values, rate_hz = thin(bridge(samples, block.rate_hz, MAX_GAP_S), block.rate_hz, _RATE_HZ)
        readable = np.isfinite(values).all(axis=-1)
        values[~readable] = 0
        tonic, phasic = split(values, rate_hz)
        smooth = zero_phase(values, rate_hz, "lowpass", _SMOOTH_HZ)
        found = _describe_conductance(values, tonic, phasic, smooth, rate_hz, _reach(rate_hz))
        found[~readable] = np.nan
        features |= {f"{channel}_{name}": value for name, value in zip(_FOUND, found.T, strict=True)}
    return features


@compiled
def _describe_conductance(
    values: np.ndarray, tonic: np.ndarray, phasic: np.ndarray, smooth: np.ndarray, rate_hz: float, reach: int
) -> np.ndarray:
    rows, samples = values.shape
    found = np.empty((rows, 7))
    minutes = samples / rate_hz / 60
    for row in range(rows):
        level, spread = mean_and_sd(values[row])[0], mean_and_sd(phasic[row])[1]
        positive = level if level > 0 else np.nan
        amplitude = _amplitudes(smooth[row], reach)
        count, total = sum_present(amplitude)
        found[row, 0] = np.log(positive)
        found[row, 1] = 60 * slope_of_row(tonic[row], rate_hz)
        found[row, 2], found[row, 3] = spread, spread / positive
        found[row, 4], found[row, 5], found[row, 6] = count / minutes, total / count, total / minutes
    return found
