"""Heart rate and its variability from the beats found in a window, and the strength of the pulse (Task Force 1996)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import rfft, rfftfreq
from scipy.signal import detrend

from wesadlib.features.block import Block, Group, stretches
from wesadlib.signals.filters import mean_of_present, median_of_present

#: Intervals outside these are not between neighbouring beats, ms (30 to 200 beats per minute).
PLAUSIBLE_MS = (300.0, 2000.0)
#: Largest deviation from the median of the intervals around, as a share of it: the usual 20 % rule.
MAX_DEVIATION = 0.2
NEIGHBOURS = 9
#: Least share of the window that plausible intervals must cover, for the rate and for its variability.
MIN_COVERED_RATE, MIN_COVERED_VARIABILITY = 0.3, 0.6
#: Band in Hz, and the shortest window in s that holds enough of its cycles (Task Force 1996).
HF_BAND_HZ, HF_SHORTEST_S = (0.15, 0.4), 60.0
# Above twice the highest frequency asked for.
_TACHOGRAM_HZ = 4.0
#: Stretch of signal that holds at least one beat, s.
_BEAT_S = 2.0


@dataclass(frozen=True)
class Heart:
    """Beats (window, beat) in s, plausible intervals in ms and the share that they cover, and the signal."""

    beat_s: np.ndarray
    interval: np.ndarray
    covered: np.ndarray
    window_s: float
    samples: np.ndarray | None
    rate_hz: float

    def variability(self, value: np.ndarray) -> np.ndarray:
        """A value (window,) where intervals cover enough for it, else NaN."""
        return np.where(self.covered >= MIN_COVERED_VARIABILITY, value, np.nan)

    @property
    def difference(self) -> np.ndarray:
        """Of two intervals, where they share a beat, that is, where neither was an artefact."""
        return np.diff(self.interval, axis=-1)


def normal_intervals(beat_s: np.ndarray) -> np.ndarray:
    """Intervals (window, beat - 1) in ms between neighbouring beats (window, beat), without missed and invented ones.

    NaN where one is implausible by itself or deviates by more than a fifth from the median of the nine around it.
    """
    interval = 1000 * np.diff(beat_s, axis=-1)
    if not interval.size:
        return interval
    interval[(interval < PLAUSIBLE_MS[0]) | (interval > PLAUSIBLE_MS[1])] = np.nan
    half = NEIGHBOURS // 2
    padded = np.pad(interval, ((0, 0), (half, half)), constant_values=np.nan)
    local = median_of_present(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS, axis=-1))
    return np.where(np.abs(interval - local) <= MAX_DEVIATION * local, interval, np.nan)


def _read(block: Block) -> Iterator[tuple[tuple[str], Heart]]:
    for source, beat_s in block.beat_s.items():
        count = (~np.isnan(beat_s)).sum(axis=-1)
        beat_s = beat_s[:, : max(count.max(initial=0), 1)]
        interval = normal_intervals(beat_s)
        covered = np.where(count > 0, np.nansum(interval, axis=-1) / 1000 / block.window_s, np.nan)
        yield (source,), Heart(beat_s, interval, covered, block.window_s, block.signal.get(source), block.rate_hz)


_TASK_FORCE = "Task Force 1996"
CARDIAC = Group("cardiac", "beats of wrist_bvp, chest_ecg", _read)


@CARDIAC.feature("1/min", _TASK_FORCE)
def heart_rate(heart: Heart) -> np.ndarray:
    """60 s over the mean interval between neighbouring beats."""
    return np.where(heart.covered >= MIN_COVERED_RATE, 60_000 / mean_of_present(heart.interval), np.nan)


@CARDIAC.feature("ms", _TASK_FORCE)
def sdnn(heart: Heart) -> np.ndarray:
    """Standard deviation of the intervals."""
    away = heart.interval - mean_of_present(heart.interval)[:, None]
    return heart.variability(np.sqrt(mean_of_present(away**2)))


@CARDIAC.feature("ms", _TASK_FORCE)
def rmssd(heart: Heart) -> np.ndarray:
    """Root mean square of successive differences of intervals."""
    return heart.variability(np.sqrt(mean_of_present(heart.difference**2)))


@CARDIAC.feature("", _TASK_FORCE)
def pnn50(heart: Heart) -> np.ndarray:
    """Share of successive differences above 50 ms."""
    large = np.where(np.isnan(heart.difference), np.nan, np.abs(heart.difference) > 50)
    return heart.variability(mean_of_present(large))


@CARDIAC.feature("ms²", _TASK_FORCE)
def hf_power(heart: Heart) -> np.ndarray | None:
    """Power of the intervals from 0.15 to 0.4 Hz; windows of 60 s and more."""
    if heart.window_s < HF_SHORTEST_S:
        return None
    time = np.arange(0, heart.window_s, 1 / _TACHOGRAM_HZ)
    tachogram = np.full((len(heart.interval), len(time)), np.nan)
    for row in np.flatnonzero(heart.covered >= MIN_COVERED_VARIABILITY):
        present = ~np.isnan(heart.interval[row])
        # Each interval belongs to the beat that ends it.
        tachogram[row] = np.interp(time, heart.beat_s[row, 1:][present], heart.interval[row, present])
    return (np.abs(tachogram @ _band_spectrum(len(time))) ** 2).sum(axis=-1)


@lru_cache(maxsize=8)
def _band_spectrum(samples: int) -> np.ndarray:
    """Matrix (time, frequency) from tachograms to their tapered spectrum within the band, without trend."""
    taper, frequency = np.hanning(samples), rfftfreq(samples, 1 / _TACHOGRAM_HZ)
    inside = (frequency >= HF_BAND_HZ[0]) & (frequency <= HF_BAND_HZ[1])
    # By Parseval: twice the one-sided sum, over the taper's own power, is the variance that lies in the band.
    return rfft(taper * detrend(np.eye(samples)))[:, inside] * np.sqrt(2 / samples / (taper**2).sum())


@CARDIAC.feature("", "Malik 1989")
def regular_share(heart: Heart) -> np.ndarray:
    """Share of the window covered by plausible intervals; movement lowers it."""
    return heart.covered


@CARDIAC.feature("{unit}")
def pulse_amplitude(heart: Heart) -> np.ndarray | None:
    """Median over stretches of 2 s of the signal's largest minus smallest sample."""
    if heart.samples is None:
        return None
    stretch = stretches(heart.samples, max(1, round(_BEAT_S * heart.rate_hz)))
    height = stretch.max(axis=-1).astype(np.float64) - stretch.min(axis=-1)
    complete = (~np.isnan(height)).sum(axis=-1)
    return np.where(complete >= max(1, height.shape[-1] / 2), median_of_present(height), np.nan)
