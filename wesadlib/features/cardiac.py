"""Heart rate and its variability from the beats found in a window, and the strength of the pulse (Task Force 1996)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from wesadlib.compiled import compiled
from wesadlib.features.block import Block, Description, slope_of_row
from wesadlib.features.interpolation import interpolate_rows
from wesadlib.features.statistics import mean_and_sd, sum_present

#: Intervals outside these are not between neighbouring beats, ms (30 to 200 beats per minute).
PLAUSIBLE_MS = (300.0, 2000.0)
#: Largest deviation from the median of the intervals around, as a share of it: the usual 20 % rule.
MAX_DEVIATION = 0.2
NEIGHBOURS = 9
#: Least share of the window that plausible intervals must cover, for the rate and for its variability.
MIN_COVERED_RATE, MIN_COVERED_VARIABILITY = 0.3, 0.6
#: Band in Hz, and the shortest window in s that holds enough of its cycles (Task Force 1996: HF 1 min, LF 2 min).
BANDS = {"hf_power": (0.15, 0.4, 60.0), "lf_power": (0.04, 0.15, 120.0)}
_TACHOGRAM_HZ = 4.0
#: Stretch of signal that holds at least one beat, s.
_BEAT_S = 2.0

_TASK_FORCE = "Task Force 1996"
DESCRIPTIONS = tuple(
    Description("cardiac", "beats of wrist_bvp, chest_ecg", *row)
    for row in (
        ("heart_rate", "1/min", "60 s over the mean interval between neighbouring beats", _TASK_FORCE),
        ("sdnn", "ms", "standard deviation of the intervals", _TASK_FORCE),
        ("rmssd", "ms", "root mean square of successive differences of intervals", _TASK_FORCE),
        ("pnn50", "", "share of successive differences above 50 ms", _TASK_FORCE),
        ("hf_power", "ms²", "power of the intervals from 0.15 to 0.4 Hz; windows of 60 s and more", _TASK_FORCE),
        ("lf_power", "ms²", "power of the intervals from 0.04 to 0.15 Hz; windows of 120 s and more", _TASK_FORCE),
        ("regular_share", "", "share of the window covered by plausible intervals; movement lowers it", "Malik 1989"),
        ("pulse_amplitude", "{unit}", "median over stretches of 2 s of the signal's largest minus smallest sample", ""),
    )
)


def normal_intervals(beat_s: np.ndarray) -> np.ndarray:
    """Intervals between neighbouring beats, without the artefacts of missed and invented beats.

    Parameters
    ----------
    beat_s : ndarray, (window, beat)
        Beat times, s, padded with NaN.

    Returns
    -------
    ndarray, (window, beat - 1)
        Intervals in ms; NaN where one is implausible by itself or deviates by more than a fifth from the median of the
        nine around it.
    """
    return _normal_intervals(np.ascontiguousarray(beat_s))


@compiled
def _normal_intervals(beat_s: np.ndarray) -> np.ndarray:
    rows, beats = beat_s.shape
    normal = np.full((rows, max(beats - 1, 0)), np.nan)
    plausible = np.empty(normal.shape[1])
    around = np.empty(NEIGHBOURS)
    for row in range(rows):
        for k in range(len(plausible)):
            interval = 1000 * (beat_s[row, k + 1] - beat_s[row, k])
            plausible[k] = interval if PLAUSIBLE_MS[0] <= interval <= PLAUSIBLE_MS[1] else np.nan
        for k in range(len(plausible)):
            if not np.isnan(plausible[k]):
                local = _local_median(plausible, k, around)
                if abs(plausible[k] - local) <= MAX_DEVIATION * local:
                    normal[row, k] = plausible[k]
    return normal


@compiled
def _local_median(values: np.ndarray, centre: int, around: np.ndarray) -> float:
    """Median of what is present among the samples around one, which fit into an array."""
    count, half = 0, len(around) // 2
    for k in range(max(centre - half, 0), min(centre + half + 1, len(values))):
        if not np.isnan(values[k]):
            around[count] = values[k]
            count += 1
    return _median(around, count)


@compiled
def _median(values: np.ndarray, count: int) -> float:
    """Median of the first samples, which are sorted in place; by insertion, as they are few."""
    for k in range(1, count):
        value, place = values[k], k
        while place > 0 and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value
    return (values[(count - 1) // 2] + values[count // 2]) / 2


def describe(beat_s: np.ndarray, window_s: float) -> dict[str, np.ndarray]:
    """Heart rate and variability of each window.

    Parameters
    ----------
    beat_s : ndarray, (window, beat)
        Beat times, s, padded with NaN.
    window_s : float
        Length of a window, s.

    Returns
    -------
    dict of str to ndarray, (window,)
        NaN where plausible intervals cover less than 30 % of the window (heart rate) or 60 % (variability).

    Examples
    --------
    >>> import numpy as np
    >>> found = describe(np.arange(0, 60, 60 / 72)[None], window_s=60)
    >>> float(found["heart_rate"][0].round(6))
    72.0
    """
    beat_s = np.ascontiguousarray(beat_s)
    interval = _normal_intervals(beat_s)
    rate, sdnn, rmssd, pnn50, regular_share = _describe_intervals(beat_s, interval, window_s).T
    found = {"heart_rate": rate, "sdnn": sdnn, "rmssd": rmssd, "pnn50": pnn50}
    design = _design(window_s)
    if design.bins:
        spectrum = np.fft.rfft(_tapered_tachograms(beat_s, interval, ~np.isnan(sdnn), design.time, design.taper))
        found |= {name: _power_between(spectrum, first, end) for name, (first, end) in design.bins.items()}
    return found | {"regular_share": regular_share}


@compiled
def _describe_intervals(beat_s: np.ndarray, interval: np.ndarray, window_s: float) -> np.ndarray:
    found = np.full((len(beat_s), 5), np.nan)
    for row in range(len(beat_s)):
        if sum_present(beat_s[row])[0] == 0:
            continue
        count, total = sum_present(interval[row])
        covered = total / 1000 / window_s
        found[row, 4] = covered
        if covered >= MIN_COVERED_RATE:
            found[row, 0] = 60_000 * count / total
        if covered >= MIN_COVERED_VARIABILITY:
            found[row, 1] = mean_and_sd(interval[row])[1]
            found[row, 2], found[row, 3] = _describe_differences(interval[row])
    return found


@compiled
def _describe_differences(interval: np.ndarray) -> tuple[float, float]:
    """Root mean square of the successive differences, and the share of them that are large."""
    count, square, large = 0, 0.0, 0
    for k in range(1, len(interval)):
        # Counts only where both share a beat, that is, where neither was an artefact and so became NaN.
        difference = interval[k] - interval[k - 1]
        if not np.isnan(difference):
            count += 1
            square += difference**2
            large += abs(difference) > 50
    return np.sqrt(square / count), large / count


class _Design(NamedTuple):
    time: np.ndarray
    taper: np.ndarray
    bins: dict[str, tuple[int, int]]


@lru_cache(maxsize=64)
def _design(window_s: float) -> _Design:
    # 4 Hz is above twice the highest frequency asked for.
    time = np.arange(0, window_s, 1 / _TACHOGRAM_HZ)
    taper = np.hanning(len(time))
    # By Parseval: twice the one-sided sum, over the taper's own power, is the variance that lies in the band.
    taper *= np.sqrt(2 / len(time) / (taper**2).sum())
    frequency = np.fft.rfftfreq(len(time), 1 / _TACHOGRAM_HZ)
    bins = {
        name: (int(np.searchsorted(frequency, low)), int(np.searchsorted(frequency, high, side="right")))
        for name, (low, high, shortest_s) in BANDS.items()
        if window_s >= shortest_s
    }
    return _Design(time, taper, bins)


@compiled
def _tapered_tachograms(
    beat_s: np.ndarray, interval: np.ndarray, readable: np.ndarray, time: np.ndarray, taper: np.ndarray
) -> np.ndarray:
    """Course of the intervals without its trend (window, time); each belongs to the beat that ends it."""
    known = np.zeros(interval.shape, np.bool_)
    for row in range(len(known)):
        for k in range(known.shape[1]):
            known[row, k] = readable[row] and not np.isnan(interval[row, k])
    tachogram = interpolate_rows(beat_s[:, 1:], interval, known, time)
    for row in range(len(beat_s)):
        mean, rise = mean_and_sd(tachogram[row])[0], slope_of_row(tachogram[row], 1.0)
        for k in range(len(time)):
            trend = mean + rise * (k - (len(time) - 1) / 2)
            tachogram[row, k] = taper[k] * (tachogram[row, k] - trend)
    return tachogram


@compiled
def _power_between(spectrum: np.ndarray, first: int, end: int) -> np.ndarray:
    power = np.zeros(len(spectrum))
    for row in range(len(spectrum)):
        for k in range(first, end):
            power[row] += spectrum[row, k].real ** 2 + spectrum[row, k].imag ** 2
    return power


def pulse_amplitude(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Height of the pulse wave (or of the QRS complex), robust against bursts of movement.

    Parameters
    ----------
    values : ndarray, (window, time)
        Samples, NaN where missing.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    ndarray, (window,)
        Median over stretches of 2 s of the largest minus the smallest sample, in the unit of `values`; NaN where fewer
        than half of the stretches are complete.
    """
    return _pulse_amplitudes(np.ascontiguousarray(values), max(1, round(_BEAT_S * rate_hz)))


@compiled
def _pulse_amplitudes(values: np.ndarray, length: int) -> np.ndarray:
    stretches = values.shape[1] // length
    amplitude = np.full(len(values), np.nan)
    height = np.empty(stretches)
    for row in range(len(values)):
        complete = 0
        for stretch in range(stretches):
            height[complete] = _height(values[row, stretch * length : (stretch + 1) * length])
            complete += not np.isnan(height[complete])
        if complete >= max(1, stretches / 2):
            amplitude[row] = _median(height, complete)
    return amplitude


@compiled
def _height(values: np.ndarray) -> float:
    """Largest minus smallest sample, NaN where one is missing."""
    smallest = largest = values[0]
    missing = 0
    for value in values:
        smallest, largest = min(smallest, value), max(largest, value)
        missing += np.isnan(value)
    return np.nan if missing else np.float64(largest) - np.float64(smallest)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Heart rate, variability and pulse of every source of beats."""
    features = {}
    for source, beat_s in block.beat_s.items():
        found = describe(beat_s, block.window_s)
        if source in block.signal:
            found["pulse_amplitude"] = pulse_amplitude(block.signal[source], block.rate_hz)
        features |= {f"{source}_{name}": value for name, value in found.items()}
    return features
