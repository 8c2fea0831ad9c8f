"""What filters need: rows without gaps and beyond their ends; Butterworth filters without delay."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfilt_zi

from wesadlib.compiled import compiled

# Rows that are filtered side by side: each sample of a row has to wait for the one before it, rows need not.
_LANES = 8


class _Design(NamedTuple):
    sections: np.ndarray
    start: np.ndarray
    pad: int


def zero_phase(values: np.ndarray, rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> np.ndarray:
    """Butterworth filter of second order along the last axis, forward and backward, so that nothing is delayed.

    What :func:`scipy.signal.sosfiltfilt` gives, without computing anew for each call what belongs to the design, which
    costs a lone window more than the filtering.

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
        float64.
    """
    sections, start, pad = _design(rate_hz, kind, cutoff_hz)
    filtered = np.empty(values.shape)
    _filter_rows(np.ascontiguousarray(values), sections, start, min(pad, values.shape[1] - 1), filtered)
    return filtered


@lru_cache(maxsize=64)
def _design(rate_hz: float, kind: str, cutoff_hz: float | tuple[float, float]) -> _Design:
    sections = butter(2, cutoff_hz, kind, fs=rate_hz, output="sos")
    trivial = min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    # The start is the state that a constant level leaves.
    return _Design(sections, sosfilt_zi(sections), 3 * (2 * len(sections) + 1 - trivial))


@compiled
def _filter_rows(values: np.ndarray, sections: np.ndarray, start: np.ndarray, pad: int, filtered: np.ndarray) -> None:
    rows, samples = values.shape
    line = np.empty(samples + 2 * pad)
    if rows == 1:
        continue_row(values[0], pad, pad, line)
        _filter_line(line, sections, start)
        _filter_line(line[::-1], sections, start)
        filtered[0] = line[pad : pad + samples]
        return
    side_by_side = np.zeros((len(line), _LANES))
    for first in range(0, rows, _LANES):
        lanes = min(_LANES, rows - first)
        for lane in range(lanes):
            continue_row(values[first + lane], pad, pad, line)
            side_by_side[:, lane] = line
        _filter_lanes(side_by_side, sections, start)
        _filter_lanes(side_by_side[::-1], sections, start)
        for lane in range(lanes):
            filtered[first + lane] = side_by_side[pad : pad + samples, lane]


@compiled
def _filter_line(values: np.ndarray, sections: np.ndarray, start: np.ndarray) -> None:
    """What `_filter_lanes` does, of one row (time,), all sections at once."""
    state = start * values[0]
    for k in range(len(values)):
        value = values[k]
        for section in range(len(sections)):
            b0, b1, b2, _, a1, a2 = sections[section]
            passed = b0 * value + state[section, 0]
            state[section, 0] = b1 * value - a1 * passed + state[section, 1]
            state[section, 1] = b2 * value - a2 * passed
            value = passed
        values[k] = value


@compiled
def _filter_lanes(values: np.ndarray, sections: np.ndarray, start: np.ndarray) -> None:
    """Filter (time, lane) in place, section by section, in the transposed direct form II."""
    level, state, next_state = values[0].copy(), np.empty(_LANES), np.empty(_LANES)
    for section in range(len(sections)):
        b0, b1, b2, _, a1, a2 = sections[section]
        for lane in range(_LANES):
            state[lane], next_state[lane] = start[section, 0] * level[lane], start[section, 1] * level[lane]
        for k in range(len(values)):
            at = values[k]
            for lane in range(_LANES):
                given = at[lane]
                passed = b0 * given + state[lane]
                state[lane] = b1 * given - a1 * passed + next_state[lane]
                next_state[lane] = b2 * given - a2 * passed
                at[lane] = passed


@compiled
def continue_row(values: np.ndarray, before: int, after: int, continued: np.ndarray) -> None:
    """Continue a row about its first and last sample, which keeps level and slope.

    Parameters
    ----------
    values : ndarray (time,)
        At least two samples.
    before, after : int
        Samples to add; more than there are continue what was added.
    continued : ndarray (before + time + after,)
        Where to write.
    """
    last = len(values) - 1
    continued[before : before + last + 1] = values
    for k in range(before):
        continued[k] = _beyond(values, k - before)
    for k in range(after):
        continued[before + last + 1 + k] = _beyond(values, last + 1 + k)


@compiled
def _beyond(values: np.ndarray, position: int) -> float:
    last = len(values) - 1
    level, sign = 0.0, 1.0
    while position < 0 or position > last:
        edge = 0 if position < 0 else last
        level += sign * 2.0 * values[edge]
        sign, position = -sign, 2 * edge - position
    return level + sign * values[position]


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
