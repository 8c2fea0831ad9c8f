"""Trying the rules: faults put into good minutes of a cohort, and how often each is caught."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.quality.assess import assess_quality
from wesadlib.quality.faults import FAULTS, inject_fault, sensors_of
from wesadlib.signals.arrays import window_arrays

STRENGTHS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def choose_minutes(assessed: xr.Dataset, n: int, *, people: int = 4, seed: int = 0) -> np.ndarray:
    """Positions of accepted windows to try faults on, in turn from each of the people who have most of them.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    n : int
        How many; fewer where there are fewer.
    people : int
        At most so many, because each one's recording has to be loaded.
    seed : int
        Which windows of a person.
    """
    good = np.flatnonzero(assessed["verdict"].values)
    subjects = assessed["subject"].values[good]
    names, counts = np.unique(subjects, return_counts=True)
    chosen = names[np.argsort(-counts, kind="stable")][:people]
    generator = np.random.default_rng(seed)
    queues = [list(generator.permutation(good[subjects == name])) for name in chosen]
    turns = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    return np.sort(np.array(turns[:n], int))


def cut_minutes(cohort: Any, windows: xr.Dataset) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Cut the native samples of windows out of the recordings they come from.

    Parameters
    ----------
    cohort : Cohort
        The recordings.
    windows : Dataset
        The windows wanted, as :func:`~wesadlib.signals.make_windows` made them.

    Returns
    -------
    channels : dict of str to ndarray (window, time)
    rates_hz : dict of str to float
    """
    window_s = float(windows.attrs["window_s"])
    names = [str(name) for name in windows["channel"].values]
    pieces: dict[str, list[np.ndarray]] = {name: [None] * windows.sizes["window"] for name in names}
    rates: dict[str, float] = {}
    for subject in dict.fromkeys(windows["subject"].values):
        recording = cohort[str(subject)]
        for position in np.flatnonzero(windows["subject"].values == subject):
            for name in names:
                signal = recording.signals[name]
                rates[name] = float(signal.attrs["rate_hz"])
                first = int(np.rint(windows["start_s"].values[position] * rates[name]))
                pieces[name][position] = signal.values[first : first + round(window_s * rates[name])]
    return {name: np.stack(values) for name, values in pieces.items()}, rates


def try_faults(
    channels: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float],
    *,
    rate_hz: float,
    window_s: float,
    thresholds: Any = None,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> pd.DataFrame:
    """Befall good minutes with every fault, on every sensor, at every strength, and ask the rules.

    Parameters
    ----------
    channels : mapping of str to ndarray (window, time)
        Native samples of good minutes, from :func:`cut_minutes`.
    rates_hz : mapping of str to float
        Their rates.
    rate_hz, window_s : float
        Of the windows that are made of them.
    thresholds : Params, mapping or None
        As in :func:`~wesadlib.quality.assess_quality`.
    strengths : sequence of float
        In [0, 1].
    seed : int
        Where and how the faults strike.

    Returns
    -------
    DataFrame
        A row a fault, sensor, strength and window: ``fault sensor strength window caught reason change``; `change` is
        how far the harmonised signal moved, RMS in SDs of the good minute, the largest of the sensor's channels, NaN
        where nothing of a channel is left.
    """
    good = window_arrays(channels, rates_hz, rate_hz, window_s).to_dataset()
    generator = np.random.default_rng(seed)
    tables = []
    for fault in FAULTS:
        for sensor, befallen in sensors_of(fault, list(channels)).items():
            for strength in strengths:
                changed = inject_fault(fault, {n: channels[n] for n in befallen}, rates_hz, strength, generator)
                bad = _replace(good, window_arrays(changed, rates_hz, rate_hz, window_s).to_dataset())
                assessed = assess_quality(bad, thresholds)
                tables.append(
                    pd.DataFrame(
                        {
                            "fault": fault,
                            "sensor": sensor,
                            "strength": float(strength),
                            "window": np.arange(bad.sizes["window"]),
                            "caught": ~assessed["verdict"].values,
                            "reason": assessed["reason"].values,
                            "change": _change(good, bad, befallen),
                        }
                    )
                )
    return pd.concat(tables, ignore_index=True)


def summarise_faults(trials: pd.DataFrame) -> pd.DataFrame:
    """Share caught and median change: a row a fault, sensor and strength.

    Parameters
    ----------
    trials : DataFrame
        From :func:`try_faults`.

    Returns
    -------
    DataFrame
        Columns ``fault sensor strength caught change``.
    """
    groups = trials.groupby(["fault", "sensor", "strength"], sort=False)
    return groups.agg(caught=("caught", "mean"), change=("change", "median")).reset_index()


def _replace(good: xr.Dataset, changed: xr.Dataset) -> xr.Dataset:
    bad = good.copy(deep=True)
    at = {"channel": changed["channel"].values}
    bad["signal"].loc[at] = changed["signal"].values
    bad["raw_statistics"].loc[at] = changed["raw_statistics"].values
    bad["beat_s"].loc[{"beat_source": changed["beat_source"].values}] = changed["beat_s"].values
    return bad


def _change(good: xr.Dataset, bad: xr.Dataset, channels: Sequence[str]) -> np.ndarray:
    before, after = (windows["signal"].sel(channel=list(channels)) for windows in (good, bad))
    moved = np.sqrt(((after - before) ** 2).mean("time")) / before.std("time")
    return moved.max("channel").values
