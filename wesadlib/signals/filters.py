"""What filters need: rows without gaps and beyond their ends, in chunks; Butterworth filters without delay."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi

# Samples that are worked on at a time, 2 MB: more would not stay in a core's cache.
_CHUNK_SAMPLES = 2**18


class _Design(NamedTuple):
    sections: np.ndarray
    start: np.ndarray
    pad: int


def zero_phase(values: np.ndarray, rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> np.ndarray:
    """Butterworth filter of second order along the last axis, forward and backward, so that nothing is delayed.

    What :func:`scipy.signal.sosfiltfilt` gives, to the last bit, without computing anew for each call what belongs to
    the design, which costs a lone window as much as the filtering.

    Parameters
    ----------
    values : ndarray (row, time)
        Samples without gaps.
    rate_hz : float
        Sampling rate.
    kind : str
        ``lowpass``, ``highpass`` or ``bandpass``.
    cutoff_hz : float or pair of float
        Border, or borders, of the pass band.

    Returns
    -------
    ndarray (row, time)
    """
    sections, start, pad = _design(rate_hz, kind, cutoff_hz)
    pad = min(pad, values.shape[-1] - 1)
    forward, _ = sosfilt(sections, continued := odd_reflection(values, pad, pad), zi=start * continued[:, :1])
    backward, _ = sosfilt(sections, forward[:, ::-1], zi=start * forward[:, -1:])
    return backward[:, ::-1][:, pad : pad + values.shape[-1]]


@lru_cache(maxsize=64)
def _design(rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> _Design:
    sections = butter(2, cutoff_hz, kind, fs=rate_hz, output="sos")
    trivial = min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    # The start is the state that a constant level leaves: (section, row, state).
    return _Design(sections, sosfilt_zi(sections)[:, None], 3 * (2 * len(sections) + 1 - trivial))


def odd_reflection(values: np.ndarray, before: int, after: int, zeros: int = 0) -> np.ndarray:
    """Continue rows about their first and last sample, which keeps level and slope.

    Parameters
    ----------
    values : ndarray (row, time)
        At least two samples a row.
    before, after : int
        Samples to add.
    zeros : int
        How many zeros to add behind them.

    Returns
    -------
    ndarray (row, before + time + after + zeros)
        float64.
    """
    rows, samples = values.shape
    end = before + samples
    continued = np.empty((rows, end + after + zeros))
    continued[:, end + after :] = 0.0
    if max(before, after) >= samples:
        # Continued over and over: a window of a few samples.
        within = values.astype(np.float64)
        continued[:, : end + after] = np.pad(within, ((0, 0), (before, after)), "reflect", reflect_type="odd")
        return continued
    continued[:, before:end] = values
    np.subtract(2 * continued[:, before, None], continued[:, 2 * before : before : -1], out=continued[:, :before])
    last = continued[:, end - 1, None]
    np.subtract(2 * last, continued[:, end - 1 - after : end - 1][:, ::-1], out=continued[:, end : end + after])
    return continued


def bridge_gaps(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Put straight lines into the gaps of rows, and the nearest sample before the first and after the last.

    Parameters
    ----------
    values : ndarray (row, time)
    missing : ndarray (row, time) of bool
        Where samples are not to be used.

    Returns
    -------
    ndarray (row, time)
        float64; 0 throughout where all of a row is missing.
    """
    bridged = values.astype(np.float64)
    index = np.arange(values.shape[1])
    for k in np.flatnonzero(missing.any(axis=1)):
        present = index[~missing[k]]
        bridged[k] = np.interp(index, present, bridged[k, present]) if len(present) else 0.0
    return bridged


def chunks(values: np.ndarray) -> Iterator[slice]:
    """Slices of as many rows (row, time) as are best worked on at a time; one at least."""
    rows = max(_CHUNK_SAMPLES // values.shape[1], 1)
    return (slice(start, start + rows) for start in range(0, len(values), rows))
