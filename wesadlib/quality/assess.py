"""Scores, verdicts and reasons of windows: one function for a whole run and for the one window that a server got."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.quality.rules import NOISE_FLOORS, RAILS, RANGES, RULES, SPEEDS, read_thresholds, signal_of
from wesadlib.quality.scores import beat_plausibility, in_range, longest_quiet_s, off_rail, stillness
from wesadlib.signals.arrays import WindowArrays


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules say of windows, as plain arrays.

    Attributes
    ----------
    rule_score : ndarray (window, channel, rule), float32
    quality : ndarray (window, channel), float32
    verdict : ndarray (window,), bool
    reason : ndarray (window,) of str
        As :func:`assess_quality` describes them.
    reasons : list of list of str
        As :func:`list_reasons` gives them.
    """

    rule_score: np.ndarray
    quality: np.ndarray
    verdict: np.ndarray
    reason: np.ndarray
    reasons: list[list[str]]


def assess_quality(windows: xr.Dataset, thresholds: Any = None, *, channels: Sequence[str] | None = None) -> xr.Dataset:
    """Score every window and channel by every rule, and give each window its verdict by its worst modelled channel.

    Parameters
    ----------
    windows : Dataset
        With ``signal (window, channel, time)``, ``beat_s``, ``native``; one window is enough.
    thresholds : Params, mapping or None
        What holds the cut-offs (:data:`THRESHOLDS`); None: the defaults.
    channels : sequence of str, optional
        The channels that the verdict rests on; default: all. The others are scored and do not matter.

    Returns
    -------
    Dataset
        `windows` and: ``rule_score (window, channel, rule)`` in [0, 1], 1 best, NaN where a rule is not asked of a
        channel or nothing can be read; ``quality (window, channel)``, the worst rule, rescaled so that 0.5 is every
        rule's cut-off; ``verdict (window)``, True where accepted, that is where no modelled channel's quality is below
        0.5; ``reason (window)``, the worst channel and rule of a refused window, such as ``wrist_eda: flat line``,
        else "".

    Raises
    ------
    InputError
        When a channel is of an unknown signal, a modelled channel is not there, or `native` is not.
    """
    if "native" not in windows:
        raise InputError("these windows hold no `native`; windows are made by make_windows or window_from_channels.")
    found = assess_arrays(WindowArrays.from_dataset(windows), thresholds, channels)
    return windows.assign(
        rule=[rule.name for rule in RULES],
        rule_score=(("window", "channel", "rule"), found.rule_score),
        quality=(("window", "channel"), found.quality),
        verdict=("window", found.verdict),
        reason=("window", found.reason),
    )


def assess_arrays(windows: WindowArrays, thresholds: Any = None, channels: Sequence[str] | None = None) -> Assessment:
    """What :func:`assess_quality` finds, from plain arrays and as plain arrays.

    Parameters
    ----------
    windows : WindowArrays
    thresholds, channels
        As there.

    Returns
    -------
    Assessment

    Raises
    ------
    InputError
        As there.
    """
    names = windows.channels
    modelled = np.isin(names, names if channels is None else list(channels))
    if channels is not None and (absent := [name for name in channels if name not in names]):
        raise InputError(f"channel {absent[0]} is not in the windows, which hold {', '.join(names)}.")
    cutoffs = _cutoffs(names, read_thresholds(thresholds), windows.window_s)
    rule_score = np.where(np.isnan(cutoffs), np.nan, _scores(windows)).astype(np.float32)
    margin = _rescale(rule_score, cutoffs)
    quality = np.fmin.reduce(margin, axis=2)
    return Assessment(
        rule_score,
        quality.astype(np.float32),
        ~(quality[:, modelled] < 0.5).any(axis=1),
        _reasons(np.where(modelled[:, None], margin, np.nan), names),
        _every_reason(margin, names),
    )


def quality_only(assessed: xr.Dataset) -> xr.Dataset:
    """Keep what ``quality.nc`` holds: scores, verdicts and reasons, with the windows' coordinates and attributes."""
    return assessed[["rule_score", "quality", "verdict", "reason"]]


def list_reasons(assessed: xr.Dataset, thresholds: Any = None) -> list[list[str]]:
    """Name every failed rule of every channel, worst first, a list a window: what a server tells whoever sent it.

    Parameters
    ----------
    assessed : Dataset
        From :func:`assess_quality`, with the same `thresholds`.
    thresholds : Params, mapping or None
        As there.
    """
    names = [str(name) for name in assessed["channel"].values]
    cutoffs = _cutoffs(names, read_thresholds(thresholds), float(assessed.attrs["window_s"]))
    return _every_reason(_rescale(assessed["rule_score"].values, cutoffs), names)


def _every_reason(margin: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    found = []
    for window in margin:
        failed = sorted(zip(*np.nonzero(window < 0.5), strict=True), key=lambda pair: window[pair])
        found.append([f"{names[channel]}: {RULES[rule].name}" for channel, rule in failed])
    return found


def _cutoffs(names: Sequence[str], thresholds: Mapping[str, float], window_s: float) -> np.ndarray:
    """Least accepted score (channel, rule); NaN where a rule is not asked."""
    return _make_cutoffs(tuple(names), tuple(thresholds.items()), window_s)


# They are the same for every window of a server.
@lru_cache(maxsize=8)
def _make_cutoffs(names: tuple[str, ...], thresholds: tuple[tuple[str, float], ...], window_s: float) -> np.ndarray:
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


def _rescale(scores: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """Bring every rule to one scale, on which 0 stays 0, the cut-off is 0.5 and 1 stays 1."""
    scores, cutoffs = scores.astype(np.float64), np.broadcast_to(cutoffs, scores.shape)
    # Scores are kept as float32: a share that equals its cut-off must not fail by the last bit.
    passed = scores >= cutoffs - 1e-6
    with np.errstate(divide="ignore", invalid="ignore"):
        above = 0.5 + 0.5 * np.where(cutoffs < 1, (scores - cutoffs) / (1 - cutoffs), 1.0)
        below = 0.5 * scores / cutoffs
    scaled = np.where(passed, np.clip(above, 0.5, 1), np.clip(below, 0, 0.5 - 1e-6))
    return np.where(np.isnan(scores) | np.isnan(cutoffs), np.nan, scaled)


def _reasons(margin: np.ndarray, names: Sequence[str]) -> np.ndarray:
    flat = np.where(np.isnan(margin), np.inf, margin).reshape(len(margin), -1)
    worst = flat.argmin(axis=1)
    reasons = []
    for value, position in zip(flat[np.arange(len(flat)), worst], worst, strict=True):
        channel, rule = divmod(int(position), len(RULES))
        reasons.append(f"{names[channel]}: {RULES[rule].name}" if value < 0.5 else "")
    return np.array(reasons, dtype=object)


def _scores(windows: WindowArrays) -> np.ndarray:
    """Scores (window, channel, rule), asked for or not; NaN where a rule has nothing to read."""
    values, names = windows.signal, windows.channels
    window_s, rate_hz = windows.window_s, windows.rate_hz
    missing, flat_s, rail = np.moveaxis(windows.native.astype(float), -1, 0)
    scores = np.full((len(values), len(names), len(RULES)), np.nan)
    scores[..., 0] = 1 - missing
    scores[..., 1] = np.clip(1 - _flat_by_sensor(flat_s, names) / window_s, 0, 1)
    still = _stillness_by_device(values, names, rate_hz)
    for channel, name in enumerate(names):
        signal, x = signal_of(name), values[:, channel]
        if signal in NOISE_FLOORS:
            quiet = 1 - longest_quiet_s(x, rate_hz, NOISE_FLOORS[signal]) / window_s
            scores[:, channel, 1] = np.fmin(scores[:, channel, 1], np.clip(quiet, 0, 1))
        if signal in RANGES:
            speed, over_s = SPEEDS.get(signal, (np.inf, 1.0))
            scores[:, channel, 2] = in_range(x, *RANGES[signal], speed * over_s, max(round(over_s * rate_hz), 1))
        if signal in RAILS:
            scores[:, channel, 3] = off_rail(rail[:, channel], x, RAILS[signal])
        if (device := name.split("_")[0]) in still:
            scores[:, channel, 4] = still[device]
    for source, name in enumerate(windows.beat_sources):
        if name in names:
            channel = names.index(name)
            scores[:, channel, 5] = beat_plausibility(windows.beat_s[:, source], values[:, channel], rate_hz, window_s)
    return scores


def _axes(names: Sequence[str]) -> dict[str, list[int]]:
    """Positions of each device's axes of acceleration."""
    axes: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        if signal_of(name) == "acc":
            axes.setdefault(name.split("_")[0], []).append(position)
    return axes


def _flat_by_sensor(flat_s: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The three axes of an accelerometer are one sensor: a hand at rest leaves one of them unchanged for a minute."""
    flat_s = flat_s.copy()
    for positions in _axes(names).values():
        flat_s[:, positions] = np.fmin.reduce(flat_s[:, positions], axis=1)[:, None]
    return flat_s


def _stillness_by_device(values: np.ndarray, names: Sequence[str], rate_hz: float) -> dict[str, np.ndarray]:
    return {device: stillness(values[:, positions], rate_hz) for device, positions in _axes(names).items()}
