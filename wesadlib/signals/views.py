"""Looks at signals before and after: a recording's course, and what a beat loses on the way to the common rate."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import welch

from wesadlib.data import Recording
from wesadlib.signals.beats import BEAT_SOURCES, find_beats

_SPECTRUM_S = 4.0


def describe_course(recording: Recording, device: str, *, window_s: float = 60.0, hop_s: float = 30.0) -> pd.DataFrame:
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
    starts = np.arange(0, recording.duration_s - window_s + 1e-9, hop_s)
    rows = []
    for start in starts:
        eda, beat = (_stretch(recording.signals[name], start, window_s) for name in (f"{device}_eda", source))
        rate_hz = recording.signals[source].attrs["rate_hz"]
        interval = np.diff(find_beats(beat, rate_hz, source))
        read = interval.sum() > window_s / 2
        rows.append(
            {
                "subject": recording.subject,
                "time_s": start + window_s / 2,
                "eda": np.nan if np.isnan(eda).all() else float(np.nanmean(eda)),
                "heart_rate": 60 / float(np.median(interval)) if read else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=["subject", "time_s", "eda", "heart_rate"])


def beat_loss(
    minute: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], window: xr.Dataset, source: str
) -> dict[str, float]:
    """What the beats of one window lose on the way to the common rate.

    Parameters
    ----------
    minute, rates_hz : mapping
        The window's native samples and their rates, from :func:`~wesadlib.signals.cut_window`.
    window : Dataset
        The same window, harmonised.
    source : str
        Its beat source.

    Returns
    -------
    dict
        ``height_kept``, the height of a beat (largest less smallest sample within 0.3 s) after harmonising as a share
        of that before, median over beats; ``power_lost``, the share of the native power above 0.5 Hz that lies above
        half the common rate; ``interval_error_ms``, the root mean square error of the intervals if each beat were timed
        to the nearest sample of the window. NaN where the source has gaps or fewer than three beats.
    """
    names = ("height_kept", "power_lost", "interval_error_ms")
    native, rate_hz = np.asarray(minute[source], np.float64), rates_hz[source]
    harmonised, to_rate_hz = window["signal"].sel(channel=source).to_numpy(), float(window.attrs["rate_hz"])
    beats = window["beat_s"].sel(beat_source=source).dropna("beat").to_numpy()
    beats = beats[(beats > 0.3) & (beats < window.attrs["window_s"] - 0.3)]
    if len(beats) < 3 or np.isnan(native).any():
        return dict.fromkeys(names, np.nan)
    frequency, power = power_spectrum(native, rate_hz)
    moving = frequency >= 0.5
    rounded = np.round(beats * to_rate_hz) / to_rate_hz
    return {
        "height_kept": float(np.median(_heights(harmonised, to_rate_hz, beats) / _heights(native, rate_hz, beats))),
        "power_lost": float(power[moving & (frequency > to_rate_hz / 2)].sum() / power[moving].sum()),
        "interval_error_ms": float(1000 * np.sqrt(np.mean(np.diff(rounded - beats) ** 2))),
    }


def power_spectrum(values: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Power density of native samples by Welch's method, in stretches of 4 s.

    Parameters
    ----------
    values : ndarray (time,)
        Without gaps.
    rate_hz : float
        Their rate.

    Returns
    -------
    frequency : ndarray (frequency,)
        Hz.
    power : ndarray (frequency,)
        In the square of the unit of `values` per Hz.
    """
    return welch(values, rate_hz, nperseg=min(round(_SPECTRUM_S * rate_hz), len(values)))


def _stretch(signal: xr.DataArray, start_s: float, length_s: float) -> np.ndarray:
    rate_hz = signal.attrs["rate_hz"]
    first = round(start_s * rate_hz)
    return signal.to_numpy()[first : first + round(length_s * rate_hz)]


def _heights(values: np.ndarray, rate_hz: float, beats: np.ndarray) -> np.ndarray:
    reach = round(0.3 * rate_hz)
    around = np.rint(beats * rate_hz).astype(int)[:, None] + np.arange(-reach, reach + 1)
    return np.ptp(values[np.clip(around, 0, len(values) - 1)], axis=1)
