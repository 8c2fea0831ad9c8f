"""Heart rate and its variability from the beats found in a window (Task Force 1996)."""

import numpy as np

from wesadlib.features.block import Block, Description

#: Intervals outside these are not between neighbouring beats, ms (30 to 200 beats per minute).
PLAUSIBLE_MS = (300.0, 2000.0)
#: Largest deviation from the median of the neighbouring intervals, as a share of it.
MAX_DEVIATION = 0.25
NEIGHBOURS = 9
#: Least share of the window that the plausible intervals must cover: for the rate, and for its variability.
MIN_COVERED_RATE, MIN_COVERED_VARIABILITY = 0.3, 0.6

_TASK_FORCE = "Task Force 1996"
DESCRIPTIONS = (
    Description(
        "cardiac", "beats", "heart_rate", "1/min", "60 s over the mean interval between neighbouring beats", _TASK_FORCE
    ),
    Description("cardiac", "beats", "sdnn", "ms", "standard deviation of the intervals", _TASK_FORCE),
    Description(
        "cardiac", "beats", "rmssd", "ms", "root mean square of successive differences of intervals", _TASK_FORCE
    ),
    Description("cardiac", "beats", "pnn50", "", "share of successive differences above 50 ms", _TASK_FORCE),
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
        Intervals in ms; NaN where one is implausible by itself or among its neighbours.
    """
    interval = 1000 * np.diff(beat_s, axis=-1)
    with np.errstate(invalid="ignore"):
        interval[(interval < PLAUSIBLE_MS[0]) | (interval > PLAUSIBLE_MS[1])] = np.nan
    local = _local_median(interval)
    with np.errstate(invalid="ignore"):
        interval[~(np.abs(interval - local) <= MAX_DEVIATION * local)] = np.nan
    return interval


def _local_median(interval: np.ndarray) -> np.ndarray:
    half = NEIGHBOURS // 2
    padded = np.pad(interval, ((0, 0), (half, half)), constant_values=np.nan)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS, axis=-1), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    pair = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=-1)
    return np.take_along_axis(ordered, np.minimum(pair, NEIGHBOURS - 1), axis=-1).mean(axis=-1)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Heart rate and variability of every source of beats."""
    features = {}
    for source, beat_s in block.beat_s.items():
        features |= {f"{source}_{name}": value for name, value in describe(beat_s, block.window_s).items()}
    return features


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
        NaN where the plausible intervals cover too little of the window.

    Examples
    --------
    >>> import numpy as np
    >>> found = describe(np.arange(0, 60, 60 / 72)[None], window_s=60)
    >>> float(found["heart_rate"][0].round(6))
    72.0
    """
    interval = normal_intervals(beat_s)
    covered = np.nansum(interval, axis=-1) / 1000 / window_s
    mean = _mean(interval)
    difference = np.diff(interval, axis=-1)
    found = {
        "heart_rate": 60_000 / mean,
        "sdnn": np.sqrt(_mean((interval - mean[:, None]) ** 2)),
        "rmssd": np.sqrt(_mean(difference**2)),
        "pnn50": _mean(np.where(np.isnan(difference), np.nan, np.abs(difference) > 50)),
    }
    return {
        name: np.where(
            covered >= (MIN_COVERED_RATE if name == "heart_rate" else MIN_COVERED_VARIABILITY), value, np.nan
        )
        for name, value in found.items()
    }


def _mean(values: np.ndarray) -> np.ndarray:
    count = np.isfinite(values).sum(axis=-1)
    return np.nansum(values, axis=-1) / np.where(count > 0, count, np.nan)
