"""Looks at signals before and after: a recording's trend, and what a beat loses on the way to the common rate."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.signal import welch

from wesadlib.data import BEAT_SOURCES, Recording
from wesadlib.signals.beats import find_beats
from wesadlib.signals.windows import cut_window, windows_from_channels


def windowed_trend(recording: Recording, device: str, *, window_s: float = 60.0, hop_s: float = 30.0) -> pd.DataFrame:
    """Skin conductance and heart rate through a whole recording, whatever its labels say.

    Parameters
    ----------
    recording : Recording
        With the EDA and the beat source of `device`.
    device : str
        ``wrist`` or ``chest``.
    window_s, hop_s : float
        Length of the sliding stretch, and from one's start to the next.

    Returns
    -------
    DataFrame
        A row a stretch: ``subject``, ``time_s`` (its middle), ``eda`` (mean, uS), ``heart_rate`` (60 s over the median
        interval between beats; NaN where beats fill less than half of the stretch).
    """
    source = next(name for name in BEAT_SOURCES if name.startswith(device))
    rows = []
    for start in np.arange(0, recording.duration_s - window_s + 1e-9, hop_s):
        channels, rates_hz = cut_window(recording, [f"{device}_eda", source], start, window_s)
        eda, interval = channels[f"{device}_eda"], np.diff(find_beats(channels[source], rates_hz[source], source))
        level = np.nan if np.isnan(eda).all() else float(np.nanmean(eda))
        heart_rate = 60 / float(np.median(interval)) if interval.sum() > window_s / 2 else np.nan
        rows.append((recording.subject, start + window_s / 2, level, heart_rate))
    return pd.DataFrame(rows, columns=["subject", "time_s", "eda", "heart_rate"])


def resampling_loss(
    channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], source: str, *, rate_hz: float, window_s: float
) -> dict[str, float]:
    """What the beats of one window lose on the way to the common rate.

    Parameters
    ----------
    channels, rates_hz : mapping
        The window's native samples and their rates, from :func:`cut_window`.
    source : str
        Its beat source.
    rate_hz, window_s : float
        Common rate, and length of the window.

    Returns
    -------
    dict
        ``height_kept``, the height of a beat (largest less smallest sample within 0.3 s) after harmonising as a share
        of that before, median over beats; ``power_lost``, the share of the native power above 0.5 Hz that lies above
        half the common rate; ``interval_error_ms``, the root mean square error of the intervals if each beat were timed
        to the nearest sample of the window. NaN where the source has gaps or fewer than three beats.
    """
    native, native_hz = np.asarray(channels[source], np.float64), rates_hz[source]
    window = windows_from_channels([({source: native}, rates_hz)], rate_hz=rate_hz, window_s=window_s)
    beats = window.beat_s[window.beat_s > 0.3]
    beats = beats[beats < window_s - 0.3]
    if len(beats) < 3 or np.isnan(native).any():
        return dict.fromkeys(("height_kept", "power_lost", "interval_error_ms"), np.nan)
    frequency, power = power_spectrum(native, native_hz)
    moving = frequency >= 0.5
    rounded = np.round(beats * rate_hz) / rate_hz
    kept = _heights(window.signal[0, 0], rate_hz, beats) / _heights(native, native_hz, beats)
    return {
        "height_kept": float(np.median(kept)),
        "power_lost": float(power[moving & (frequency > rate_hz / 2)].sum() / power[moving].sum()),
        "interval_error_ms": float(1000 * np.sqrt(np.mean(np.diff(rounded - beats) ** 2))),
    }


def power_spectrum(values: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Power density of native samples (time,) by Welch's method, in stretches of 4 s.

    Returns
    -------
    frequency : ndarray (frequency,)
        Hz.
    power : ndarray (frequency,)
        In the square of the unit of `values` per Hz.
    """
    return welch(values, rate_hz, nperseg=min(round(4 * rate_hz), len(values)))


def _heights(values: np.ndarray, rate_hz: float, beats: np.ndarray) -> np.ndarray:
    reach = round(0.3 * rate_hz)
    around = np.rint(beats * rate_hz).astype(int)[:, None] + np.arange(-reach, reach + 1)
    return np.ptp(values[np.clip(around, 0, len(values) - 1)], axis=1)
