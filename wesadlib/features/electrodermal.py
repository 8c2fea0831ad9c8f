"""Skin conductance: tonic level, phasic activity and single responses (Boucsein 2012)."""

import numpy as np
from scipy.signal import find_peaks

from wesadlib.features.block import Block, Feature, Group, Values, slope, stretches, without_gaps
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


def responses(values: np.ndarray, rate_hz: float, bridged: np.ndarray | None = None) -> np.ndarray:
    """Rise (response,) to each skin conductance response, a peak of sufficient prominence, from the trough before it.

    `values` (time,) are uS without gaps, smooth at the scale of a second. A rise across what was `bridged` is none: the
    level may have changed by anything meanwhile.
    """
    peak, shape = find_peaks(values, prominence=MIN_AMPLITUDE_US, wlen=round(2 * REACH_S * rate_hz) + 1)
    trough = shape["left_bases"]
    rise = values[peak] - values[trough]
    if bridged is None or not bridged.any():
        return rise
    before = np.append(0, np.cumsum(bridged))
    return rise[before[peak + 1] == before[trough]]


def _read(block: Block) -> dict[str, Values]:
    return {
        channel: _conductance(samples, block.rate_hz)
        for channel, samples in block.signal.items()
        if channel.endswith("_eda")
    }


def _conductance(samples: np.ndarray, rate_hz: float) -> Values:
    values, readable, rate_hz = without_gaps(samples, rate_hz, MAX_GAP_S, _RATE_HZ)
    tonic, smooth = (zero_phase(values, rate_hz, "lowpass", cutoff_hz) for cutoff_hz in (CUTOFF_HZ, _SMOOTH_HZ))
    gaps = np.isnan(stretches(samples, samples.shape[1] // values.shape[1])).any(axis=-1)
    rises = [responses(row, rate_hz, bridged) for row, bridged in zip(smooth, gaps, strict=True)]
    count, total = np.array([(len(rise), rise.sum()) for rise in rises], float).reshape(-1, 2).T
    level = values.mean(axis=-1)
    level[~(level > 0)] = np.nan
    spread, minutes = (values - tonic).std(axis=-1), values.shape[1] / rate_hz / 60
    features = {
        "log_level": np.log(level),
        "tonic_slope": 60 * slope(tonic, rate_hz),
        "phasic_sd": spread,
        "relative_phasic_sd": spread / level,
        "scr_rate": count / minutes,
        "scr_amplitude": total / np.where(count > 0, count, np.nan),
        "scr_amplitude_sum": total / minutes,
    }
    return {name: np.where(readable, value, np.nan) for name, value in features.items()}


_BOUCSEIN, _MAKOWSKI = "Boucsein 2012", "Makowski 2021"
ELECTRODERMAL = Group(
    "electrodermal",
    "skin conductance",
    (
        Feature("log_level", "ln uS", "natural logarithm of the mean level", _BOUCSEIN),
        Feature("tonic_slope", "uS/min", "slope of the tonic level", _BOUCSEIN),
        Feature("phasic_sd", "uS", "standard deviation of the phasic part, above 0.05 Hz", _MAKOWSKI),
        Feature("relative_phasic_sd", "", "phasic standard deviation over the mean level", _MAKOWSKI),
        Feature(
            "scr_rate",
            "1/min",
            "responses: peaks that stand out by at least 0.02 uS within 10 s on either side",
            _BOUCSEIN,
        ),
        Feature("scr_amplitude", "uS", "mean rise to a response's peak; NaN without a response", _BOUCSEIN),
        Feature("scr_amplitude_sum", "uS/min", "sum of the rises of all responses, per minute", _BOUCSEIN),
    ),
    _read,
)
