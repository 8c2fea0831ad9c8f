"""Any rates to one rate, anti-aliased, each row by itself."""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal import firwin, upfirdn

# Kaiser-windowed sinc. Going down, 60 dB are reached at the new Nyquist frequency and the pass band ends at 0.78 of it
# (13.6 Hz for 35 Hz), so nothing folds back. Going up there is nothing to fold: a cut-off at the old Nyquist frequency
# makes the filter pass through the old samples, and a shorter one keeps the edges short.
_DOWN = {"half_length": 16, "beta": 5.65, "cutoff": 0.89}
_UP = {"half_length": 10, "beta": 5.0, "cutoff": 1.0}
# Largest term of the ratio of rates: an odd rate is met to within 3 ms over a minute.
_MAX_TERM = 10_000


def harmonise(values: np.ndarray, rate_hz: float, to_rate_hz: float, samples: int) -> np.ndarray:
    """Bring rows of native samples to one rate by a linear-phase FIR filter.

    Nothing from outside the row is needed: it is continued by odd reflection about its first and last sample, which
    keeps level and slope. Measured on the 1,105 windows of 15 wrists, in the first and last second, against the same
    minutes filtered within the whole recording (further inside there is no difference), as root mean square and
    largest error: BVP 0.06 and 5.1 a.u., EDA 0.006 and 0.5 uS, temperature 0.003 and 0.06 degC, acceleration 0.001 and
    0.1 g. The largest EDA and temperature errors lie past the last sample, 0.25 s before the minute ends at 4 Hz. The
    usual continuation by zeros errs by up to 270 a.u., 14 uS, 33 degC and 0.16 g; one by the edge value by 44 a.u.,
    0.3 uS, 0.06 degC and 0.09 g.

    Parameters
    ----------
    values : ndarray (row, time)
        Native samples, NaN where missing; the first is at time 0.
    rate_hz, to_rate_hz : float
        Native and wanted rate.
    samples : int
        How many samples to return; the first is at time 0.

    Returns
    -------
    ndarray (row, samples)
        float32. NaN where samples were missing: gaps are bridged by a straight line for the filter alone, and an
        output sample is NaN where at least half of the native samples nearest to it are missing.

    Examples
    --------
    >>> import numpy as np
    >>> slow = np.sin(2 * np.pi * 1.2 * np.arange(3840) / 64)
    >>> fast = harmonise(slow[None], 64, 35, 2100)[0]
    >>> bool(np.abs(fast - np.sin(2 * np.pi * 1.2 * np.arange(2100) / 35))[35:-35].max() < 2e-3)
    True
    """
    values = np.asarray(values, np.float64)
    missing = np.isnan(values)
    if not missing.any():
        return _resample(values, rate_hz, to_rate_hz, samples).astype(np.float32)
    result = np.full((len(values), samples), np.nan, np.float32)
    readable = ~missing.all(axis=1)
    index = np.arange(values.shape[1])
    bridged = [
        np.interp(index, index[~gap], row[~gap]) for row, gap in zip(values[readable], missing[readable], strict=True)
    ]
    if bridged:
        result[readable] = _resample(np.array(bridged), rate_hz, to_rate_hz, samples)
        result[_missing_after(missing, rate_hz, to_rate_hz, samples)] = np.nan
    return result


def _missing_after(missing: np.ndarray, rate_hz: float, to_rate_hz: float, samples: int) -> np.ndarray:
    """Where at least half of the native samples within half an output step, or else the nearest one, are missing."""
    centre = np.arange(samples) * (rate_hz / to_rate_hz)
    half = max(rate_hz / to_rate_hz, 1.0) / 2
    last = missing.shape[1]
    first = np.clip(np.ceil(centre - half), 0, last - 1).astype(int)
    end = np.clip(np.ceil(centre + half).astype(int), first + 1, last)
    count = np.pad(np.cumsum(missing, axis=1), ((0, 0), (1, 0)))
    return (count[:, end] - count[:, first]) * 2 >= end - first


class _Filter(NamedTuple):
    up: int
    down: int
    taps: np.ndarray
    pad: int
    delay: int


@lru_cache(maxsize=32)
def _filter(rate_hz: float, to_rate_hz: float) -> _Filter:
    ratio = to_rate_hz / rate_hz
    # Of the fraction above one, so that the larger term is bounded, and with it the filter: rates come in requests.
    larger = max(ratio, 1 / ratio)
    term = Fraction(larger).limit_denominator(max(int(_MAX_TERM / larger), 1))
    term = term if ratio >= 1 else 1 / term
    up, down = term.numerator, term.denominator
    shape = _UP if up > down else _DOWN
    widest = max(up, down)
    half = shape["half_length"] * widest
    half += -half % down
    taps = firwin(2 * half + 1, shape["cutoff"] / widest, window=("kaiser", shape["beta"]))
    # Each phase of the interpolation sums to one, so that a level of 33 degC has no ripple.
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum()
    pad = -(-half // up)
    pad += -pad % down
    return _Filter(up, down, taps, pad, pad * up // down + half // down)


def _resample(values: np.ndarray, rate_hz: float, to_rate_hz: float, samples: int) -> np.ndarray:
    up, down, taps, pad, delay = _filter(rate_hz, to_rate_hz)
    if up == down:
        short = max(samples - values.shape[1], 0)
        return _continued(values, 0, short)[:, :samples]
    lacking = max(-(-(samples - 1) * down // up) + 1 - values.shape[1], 0)
    continued = _continued(values, pad, pad + lacking)
    if up > 1:
        return upfirdn(taps, continued, up, down, axis=1)[:, delay : delay + samples]
    # A whole number of native samples to one: the same sums as upfirdn's, a third of its time.
    spans = np.lib.stride_tricks.sliding_window_view(continued, len(taps), axis=1)
    return np.einsum("rnk,k->rn", spans[:, delay * down - len(taps) + 1 :: down][:, :samples], taps)


def _continued(values: np.ndarray, before: int, after: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (before, after)), "reflect", reflect_type="odd")
