"""Which rule reads which channel, and what it takes to pass: the same for every window of a run or of a server."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wesadlib.quality.rules import NOISE_FLOORS, RAILS, RANGES, RULES, SPEEDS, signal_of

COMPLETENESS, FLAT_LINE, RANGE, SATURATION, MOTION, BEATS = range(len(RULES))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of which channel, as arrays (channel,) of limits that are NaN where a rule does not read it.

    Attributes
    ----------
    noise_floor, low, high, fastest, rail : ndarray (channel,)
        In the channel's unit: see :data:`~wesadlib.quality.rules.NOISE_FLOORS`,
        :data:`~wesadlib.quality.rules.RANGES`, :data:`~wesadlib.quality.rules.SPEEDS` (as the largest change over
        `lag` samples) and :data:`~wesadlib.quality.rules.RAILS`.
    lag : ndarray (channel,) of int
        In samples.
    devices : tuple of (axes, channels)
        For each device that has an accelerometer, positions of its axes, and of the channels that motion is asked of.
    beats : tuple of (source, channel)
        Positions of a source of beats and of the channel in which they were found.
    """

    noise_floor: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fastest: np.ndarray
    rail: np.ndarray
    lag: np.ndarray
    devices: tuple[tuple[list[int], list[int]], ...]
    beats: tuple[tuple[int, int], ...]


@lru_cache(maxsize=8)
def make_plan(names: tuple[str, ...], beat_sources: tuple[str, ...], rate_hz: float) -> Plan:
    """Plan the measurements of windows of these channels, at this rate.

    Raises
    ------
    InputError
        When a channel is of an unknown signal.
    """
    signals = [signal_of(name) for name in names]
    nothing = (np.nan, np.nan)
    low, high = np.array([RANGES.get(signal, nothing) for signal in signals]).T.copy()
    speed, over_s = np.array([SPEEDS.get(signal, (np.inf, 1.0)) for signal in signals]).T
    devices, beats = [], []
    for device in dict.fromkeys(name.split("_")[0] for name in names):
        own = [k for k, name in enumerate(names) if name.split("_")[0] == device]
        if axes := [k for k in own if signals[k] == "acc"]:
            devices.append((axes, [k for k in own if signals[k] in RULES[MOTION].thresholds]))
    for source, name in enumerate(beat_sources):
        if name in names and signal_of(name) in RULES[BEATS].thresholds:
            beats.append((source, names.index(name)))
    return Plan(
        noise_floor=np.array([NOISE_FLOORS.get(signal, np.nan) for signal in signals]),
        low=low,
        high=high,
        fastest=speed * over_s,
        rail=np.array([RAILS.get(signal, np.nan) for signal in signals]),
        lag=np.maximum(np.round(over_s * rate_hz), 1).astype(np.int64),
        devices=tuple(devices),
        beats=tuple(beats),
    )


@lru_cache(maxsize=8)
def make_cutoffs(names: tuple[str, ...], thresholds: tuple[tuple[str, float], ...], window_s: float) -> np.ndarray:
    """Least accepted score (channel, rule) under these pairs of parameter and value; NaN where a rule is not asked.

    Raises
    ------
    InputError
        When a channel is of an unknown signal.
    """
    limits = dict(thresholds)
    cutoffs = np.full((len(names), len(RULES)), np.nan)
    for row, name in enumerate(names):
        for column, rule in enumerate(RULES):
            parameter = rule.thresholds.get(signal_of(name))
            if parameter is not None:
                limit = limits[parameter]
                if parameter.startswith("max_flat"):
                    limit = 1 - min(limit / window_s, 1.0)
                elif parameter.startswith("max_"):
                    limit = 1 - limit
                cutoffs[row, column] = limit
    cutoffs.setflags(write=False)
    return cutoffs
