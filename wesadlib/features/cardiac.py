"""Heart rate and its variability from the beats found in a window, and the strength of the pulse (Task Force 1996)."""

import numpy as np

from wesadlib.features.block import Block, Description, slope, stretches
from wesadlib.features.interpolation import interpolate_rows
from wesadlib.signals.present import mean_of_present, median_of_present

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
    interval = 1000 * np.diff(beat_s, axis=-1)
    interval[(interval < PLAUSIBLE_MS[0]) | (interval > PLAUSIBLE_MS[1])] = np.nan
    half = NEIGHBOURS // 2
    padded = np.pad(interval, ((0, 0), (half, half)), constant_values=np.nan)
    local = median_of_present(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS, axis=-1))
    return np.where(np.abs(interval - local) <= MAX_DEVIATION * local, interval, np.nan)


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
    interval = normal_intervals(beat_s)
    covered = np.nansum(interval, axis=-1) / 1000 / window_s
    mean = mean_of_present(interval)
    # The difference of two intervals counts only where they share a beat, that is, where neither was an artefact.
    difference = np.diff(interval, axis=-1)
    variability = {
        "sdnn": np.sqrt(mean_of_present((interval - mean[:, None]) ** 2)),
        "rmssd": np.sqrt(mean_of_present(difference**2)),
        "pnn50": mean_of_present(np.where(np.isnan(difference), np.nan, np.abs(difference) > 50)),
    }
    readable = covered >= MIN_COVERED_VARIABILITY
    tachogram = _tachogram(beat_s, interval, readable, window_s)
    for name, (low, high, shortest_s) in BANDS.items():
        if window_s >= shortest_s:
            variability[name] = _band_power(tachogram, low, high)
    return {
        "heart_rate": np.where(covered >= MIN_COVERED_RATE, 60_000 / mean, np.nan),
        **{name: np.where(readable, value, np.nan) for name, value in variability.items()},
        "regular_share": np.where(np.isfinite(beat_s).any(axis=-1), covered, np.nan),
    }


def _tachogram(beat_s: np.ndarray, interval: np.ndarray, readable: np.ndarray, window_s: float) -> np.ndarray:
    # Each interval belongs to the beat that ends it; 4 Hz is above twice the highest frequency asked for.
    grid = np.arange(0, window_s, 1 / _TACHOGRAM_HZ)
    tachogram = np.full((len(beat_s), len(grid)), np.nan)
    known = np.isfinite(interval[readable])
    tachogram[readable] = interpolate_rows(beat_s[readable, 1:], interval[readable], known, grid)
    return tachogram


def _band_power(tachogram: np.ndarray, low: float, high: float) -> np.ndarray:
    samples = tachogram.shape[-1]
    centred_time = np.arange(samples) / _TACHOGRAM_HZ - (samples - 1) / (2 * _TACHOGRAM_HZ)
    trend = tachogram.mean(axis=-1, keepdims=True) + slope(tachogram, _TACHOGRAM_HZ)[:, None] * centred_time
    taper = np.hanning(samples)
    spectrum = np.abs(np.fft.rfft(taper * (tachogram - trend), axis=-1)) ** 2
    frequency = np.fft.rfftfreq(samples, 1 / _TACHOGRAM_HZ)
    inside = (frequency >= low) & (frequency <= high)
    # By Parseval: twice the one-sided sum, over the taper's own power, is the variance that lies in the band.
    return 2 * spectrum[:, inside].sum(axis=-1) / samples / (taper**2).sum()


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
    stretch = stretches(values, round(_BEAT_S * rate_hz))
    height = stretch.max(axis=-1) - stretch.min(axis=-1)
    enough = np.isfinite(height).mean(axis=-1) >= 0.5
    return np.where(enough, median_of_present(height), np.nan)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Heart rate, variability and pulse of every source of beats."""
    features = {}
    for source, beat_s in block.beat_s.items():
        found = describe(beat_s, block.window_s)
        if source in block.signal:
            found["pulse_amplitude"] = pulse_amplitude(block.signal[source], block.rate_hz)
        features |= {f"{source}_{name}": value for name, value in found.items()}
    return features
