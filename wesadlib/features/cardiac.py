"""Heart rate and its variability from the beats found in a window, and the strength of the pulse (Task Force 1996)."""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft, rfftfreq
from scipy.linalg.lapack import dgtsv
from scipy.signal import detrend

from wesadlib.features.block import Block, Feature, Group, Values, stretches
from wesadlib.signals.filters import mean_of_present, median_of_present

#: Intervals outside these are not between neighbouring beats, ms (30 to 240 beats per minute).
PLAUSIBLE_MS = (250.0, 2000.0)
#: Largest deviation from the median of the intervals around, as a share of it: the usual 20 % rule.
MAX_DEVIATION = 0.2
NEIGHBOURS = 9
#: Least share of the window that plausible intervals must cover, for the rate and its variability, and for a spectrum.
#: Where a rate was read from less, neighbouring minutes of the same wrist contradicted each other by a harmonic.
MIN_COVERED, MIN_COVERED_SPECTRUM = 0.6, 0.9
#: Band in Hz, and the shortest window in s that holds enough of its cycles (Task Force 1996).
HF_BAND_HZ, HF_SHORTEST_S = (0.15, 0.4), 60.0
# Above twice the highest frequency asked for.
_TACHOGRAM_HZ = 4.0
#: Stretch of signal that holds at least one beat, s.
_BEAT_S = 2.0


def normal_intervals(beat_s: np.ndarray) -> np.ndarray:
    """Intervals (window, beat - 1) in ms between neighbouring beats (window, beat), without missed and invented ones.

    NaN where one is implausible by itself or deviates by more than a fifth from the median of the nine around it.
    """
    interval = 1000 * np.diff(beat_s, axis=-1)
    if not interval.size:
        return interval
    interval[(interval < PLAUSIBLE_MS[0]) | (interval > PLAUSIBLE_MS[1])] = np.nan
    padded = np.pad(interval, ((0, 0), (NEIGHBOURS // 2,) * 2), constant_values=np.nan)
    local = median_of_present(sliding_window_view(padded, NEIGHBOURS, axis=-1))
    return np.where(np.abs(interval - local) <= MAX_DEVIATION * local, interval, np.nan)


def _read(block: Block) -> dict[str, Values]:
    values = {}
    for source, beat_s in block.beat_s.items():
        count = (~np.isnan(beat_s)).sum(axis=-1)
        beat_s = beat_s[:, : max(count.max(initial=0), 1)]
        values[source] = _variability(beat_s, count, block.window_s)
        if source in block.signal:
            values[source]["pulse_amplitude"] = _amplitude(block.signal[source], block.rate_hz)
    return values


def _variability(beat_s: np.ndarray, count: np.ndarray, window_s: float) -> Values:
    """Rate and variability of beats (window, beat), padded with NaN."""
    interval = normal_intervals(beat_s)
    # Of two intervals that share a beat: neither was an artefact.
    difference = np.diff(interval, axis=-1)
    present = ~np.isnan(interval)
    covered = np.where(present, interval, 0).sum(axis=-1) / 1000 / window_s
    mean = mean_of_present(interval)
    values = {
        "heart_rate": 60_000 / mean,
        "sdnn": np.sqrt(mean_of_present((interval - mean[:, None]) ** 2)),
        "rmssd": np.sqrt(mean_of_present(difference**2)),
        "pnn50": mean_of_present(np.where(np.isnan(difference), np.nan, np.abs(difference) > 50)),
    }
    if window_s >= HF_SHORTEST_S:
        values["hf_power"] = _hf_power(beat_s, interval, covered >= MIN_COVERED_SPECTRUM, window_s)
    values = {name: np.where(covered >= MIN_COVERED, value, np.nan) for name, value in values.items()}
    return values | {"regular_share": np.where(count > 0, covered, np.nan)}


def _hf_power(beat_s: np.ndarray, interval: np.ndarray, enough: np.ndarray, window_s: float) -> np.ndarray:
    """Power (window,) of the heart's period through time, where there are `enough` of the intervals between beats.

    The period is the slope of time over the count of beats (heart timing: Mateo and Laguna 2003), which goes on across
    a beat that was missed: unlike intervals, which it spoils on both its sides.
    """
    time = np.arange(0, window_s, 1 / _TACHOGRAM_HZ)
    period = np.full((len(interval), len(time)), np.nan)
    for row in np.flatnonzero(enough):
        normal = ~np.isnan(interval[row])
        beats = beat_s[row, np.append(normal, False) | np.append(False, normal)]
        local = np.interp(beats[1:], beat_s[row, 1:][normal], interval[row, normal] / 1000)
        count = np.append(0, np.maximum(np.rint(np.diff(beats) / local), 1)).cumsum()
        period[row] = 1000 / _spline_slope(beats, count, np.clip(time, beats[0], beats[-1]))
    return (np.abs(period @ _band_spectrum(len(time))) ** 2).sum(axis=-1)


def _spline_slope(knots: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Slope at some places of the natural cubic spline: :class:`scipy.interpolate.CubicSpline` takes three times it."""
    width, height = np.diff(knots), np.diff(values)
    rise, ends = height / width, 3 * height[[0, -1]]
    inner = 3 * (width[1:] * rise[:-1] + width[:-1] * rise[1:])
    diagonal = 2 * np.concatenate([width[:1], width[:-1] + width[1:], width[-1:]])
    below, above = np.append(width[1:], width[-1]), np.append(width[0], width[:-1])
    *_, slope, _ = dgtsv(below, diagonal, above, np.concatenate([ends[:1], inner, ends[1:]]))
    bend = (slope[:-1] + slope[1:] - 2 * rise) / width
    k = np.minimum(np.searchsorted(knots, at, side="right"), len(width)) - 1
    away = at - knots[k]
    return slope[k] + ((rise - slope[:-1]) / width - bend)[k] * away * 2 + (bend / width)[k] * (away * away) * 3


@lru_cache(maxsize=8)
def _band_spectrum(samples: int) -> np.ndarray:
    """Matrix (time, frequency) from tachograms to their tapered spectrum within the band, without trend."""
    taper, frequency = np.hanning(samples), rfftfreq(samples, 1 / _TACHOGRAM_HZ)
    inside = (frequency >= HF_BAND_HZ[0]) & (frequency <= HF_BAND_HZ[1])
    # By Parseval: twice the one-sided sum, over the taper's own power, is the variance that lies in the band.
    return rfft(taper * detrend(np.eye(samples)))[:, inside] * np.sqrt(2 / samples / (taper**2).sum())


def _amplitude(samples: np.ndarray, rate_hz: float) -> np.ndarray:
    """Median height (window,) of stretches of samples (window, time); NaN where half of them have a gap."""
    stretch = stretches(samples, max(1, round(_BEAT_S * rate_hz)))
    height = stretch.max(axis=-1).astype(np.float64) - stretch.min(axis=-1)
    complete = (~np.isnan(height)).sum(axis=-1)
    return np.where(complete >= max(1, height.shape[-1] / 2), median_of_present(height), np.nan)


_TASK_FORCE = "Task Force 1996"
CARDIAC = Group(
    "cardiac",
    "beats of wrist_bvp, chest_ecg",
    (
        Feature("heart_rate", "1/min", "60 s over the mean interval between neighbouring beats", _TASK_FORCE),
        Feature("sdnn", "ms", "standard deviation of the intervals", _TASK_FORCE),
        Feature("rmssd", "ms", "root mean square of successive differences of intervals", _TASK_FORCE),
        Feature("pnn50", "", "share of successive differences above 50 ms", _TASK_FORCE),
        Feature(
            "hf_power", "ms²", "power of the heart's period from 0.15 to 0.4 Hz; windows of 60 s and more", "Mateo 2003"
        ),
        Feature(
            "regular_share", "", "share of the window covered by plausible intervals; movement lowers it", "Malik 1989"
        ),
        Feature(
            "pulse_amplitude", "{unit}", "median over stretches of 2 s of the signal's largest minus smallest sample"
        ),
    ),
    _read,
)
