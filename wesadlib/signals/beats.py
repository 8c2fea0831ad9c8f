"""Heart beats in a window of ECG or of blood volume pulse, at the native rate."""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, find_peaks, sosfiltfilt

#: channels that beats are read from
BEAT_SOURCES = ("wrist_bvp", "chest_ecg")


def find_beats(values: np.ndarray, rate_hz: float, source: str) -> np.ndarray:
    """Find the beats in a window.

    Parameters
    ----------
    values : ndarray (time,)
        Native samples, NaN where missing.
    rate_hz : float
        Native rate.
    source : str
        ``wrist_bvp`` or ``chest_ecg``.

    Returns
    -------
    ndarray (beat,)
        Times in seconds from the window's start, ascending.
    """
    values = np.asarray(values, float)
    missing = np.isnan(values)
    if missing.all():
        return np.empty(0)
    if missing.any():
        index = np.arange(len(values))
        values = np.interp(index, index[~missing], values[~missing])
    if source == "chest_ecg":
        band = sosfiltfilt(_band(8.0, 20.0, rate_hz), values)
        strength = np.abs(band)
        peaks, _ = find_peaks(strength, distance=round(0.3 * rate_hz), height=3 * np.median(strength))
    else:
        band = sosfiltfilt(_band(0.5, 8.0, rate_hz), values)
        peaks, _ = find_peaks(band, distance=round(0.4 * rate_hz), prominence=0.4 * band.std())
    return peaks[~missing[peaks]] / rate_hz


@lru_cache(maxsize=16)
def _band(low: float, high: float, rate_hz: float) -> np.ndarray:
    return butter(2, (low, high), "bandpass", fs=rate_hz, output="sos")
