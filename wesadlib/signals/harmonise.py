"""Any rates to one rate, anti-aliased, a window at a time: the one way from native samples to a window."""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

import numpy as np
import xarray as xr
from scipy.signal import firwin, upfirdn

from wesadlib.errors import InputError
from wesadlib.signals.beats import BEAT_SOURCES, find_beats
from wesadlib.signals.native import NATIVE_STATISTICS, native_statistics

_HALF_LENGTH = 10
_MAX_DENOMINATOR = 1000


def harmonise(values: np.ndarray, rate_hz: float, to_rate_hz: float, samples: int) -> np.ndarray:
    """Bring rows of native samples to one rate.

    Parameters
    ----------
    values : ndarray (row, time)
        Native samples; the first is at time 0.
    rate_hz, to_rate_hz : float
        Native and wanted rate.
    samples : int
        How many samples to return; the first is at time 0.

    Returns
    -------
    ndarray (row, time)
        float32; NaN where samples were missing.
    """
    values = np.asarray(values, float)
    missing = np.isnan(values)
    if not missing.any():
        return _resample(values, rate_hz, to_rate_hz, samples).astype(np.float32)
    time = np.arange(values.shape[1]) / rate_hz
    result = np.full((len(values), samples), np.nan, np.float32)
    nearest = np.minimum(np.rint(np.arange(samples) / to_rate_hz * rate_hz).astype(int), values.shape[1] - 1)
    for row, gaps, out in zip(values, missing, result, strict=True):
        if gaps.all():
            continue
        filled = np.interp(time, time[~gaps], row[~gaps])
        out[:] = _resample(filled[None], rate_hz, to_rate_hz, samples)[0]
        out[gaps[nearest]] = np.nan
    return result


def _resample(values: np.ndarray, rate_hz: float, to_rate_hz: float, samples: int) -> np.ndarray:
    up, down, taps, ahead = _filter(rate_hz, to_rate_hz)
    if up == down:
        extended = values
        start = 0
    else:
        extended = _odd_extension(values, ahead)
        start = ahead * up // down
        extended = upfirdn(taps, extended, up, down, axis=1)
        start += (len(taps) - 1) // 2 // down
    result = extended[:, start : start + samples]
    return result


@lru_cache(maxsize=64)
def _filter(rate_hz: float, to_rate_hz: float) -> tuple[int, int, np.ndarray, int]:
    ratio = Fraction(to_rate_hz / rate_hz).limit_denominator(_MAX_DENOMINATOR)
    up, down = ratio.numerator, ratio.denominator
    widest = max(up, down)
    half = _HALF_LENGTH * widest
    half += -half % down
    taps = firwin(2 * half + 1, 1 / widest, window=("kaiser", 5.0)) * up
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum()
    ahead = -(-half // up)
    ahead += -ahead % down
    return up, down, taps, ahead


def _odd_extension(values: np.ndarray, n: int) -> np.ndarray:
    n = min(n, values.shape[1] - 1)
    left = 2 * values[:, :1] - values[:, n:0:-1]
    right = 2 * values[:, -1:] - values[:, -2 : -n - 2 : -1]
    return np.concatenate((left, values, right), axis=1)


def window_from_channels(
    channels: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float],
    *,
    rate_hz: float = 35.0,
    window_s: float = 60.0,
) -> xr.Dataset:
    """Make one window of native samples, from a recording or from a request alike.

    Parameters
    ----------
    channels : mapping of str to ndarray (time,)
        Native samples of each channel, NaN where missing.
    rates_hz : mapping of str to float
        Native rate of each channel.
    rate_hz : float
        Common rate.
    window_s : float
        Length of the window.

    Returns
    -------
    Dataset
        ``signal`` (channel, time), ``beat_s`` (beat_source, beat), ``native`` (channel, native_statistic).

    Raises
    ------
    InputError
        When a rate is not positive or a channel's length is not `window_s` at its rate.
    """
    signal, beat_s, native = window_arrays(
        {name: np.asarray(values)[None] for name, values in channels.items()}, rates_hz, rate_hz, window_s
    )
    sources = [source for source in BEAT_SOURCES if source in channels]
    return xr.Dataset(
        {
            "signal": (("channel", "time"), signal[0]),
            "beat_s": (("beat_source", "beat"), beat_s[0]),
            "native": (("channel", "native_statistic"), native[0]),
        },
        coords={
            "channel": list(channels),
            "time": np.arange(signal.shape[-1]) / rate_hz,
            "beat_source": sources,
            "native_statistic": list(NATIVE_STATISTICS),
        },
        attrs={"rate_hz": rate_hz, "window_s": window_s},
    )


def window_arrays(
    channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], rate_hz: float, window_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of many windows: `channels` are (window, time) at native rates."""
    samples = round(window_s * rate_hz)
    n = len(next(iter(channels.values())))
    for name, values in channels.items():
        rate = rates_hz[name]
        if not rate > 0:
            raise InputError(f"{name}: a rate must be positive, not {rate}.")
        if abs(values.shape[1] - window_s * rate) > 1:
            raise InputError(
                f"{name}: {values.shape[1]} samples at {rate:g} Hz are not {window_s:g} s; "
                f"give {round(window_s * rate)}."
            )
    signal = np.empty((n, len(channels), samples), np.float32)
    native = np.empty((n, len(channels), len(NATIVE_STATISTICS)), np.float32)
    for k, (name, values) in enumerate(channels.items()):
        signal[:, k] = harmonise(values, rates_hz[name], rate_hz, samples)
        for j in range(n):
            native[j, k] = native_statistics(values[j], rates_hz[name])
    sources = [source for source in BEAT_SOURCES if source in channels]
    beat_s = np.full((n, len(sources), int(4 * window_s)), np.nan)
    for k, source in enumerate(sources):
        for j in range(n):
            beats = find_beats(channels[source][j], rates_hz[source], source)
            beat_s[j, k, : len(beats)] = beats
    return signal, beat_s, native
