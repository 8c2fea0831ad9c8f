"""Scores, verdicts and reasons of windows: one function for a whole run and for the one window that a server got."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.quality.loops import rescale
from wesadlib.quality.plan import (
    BEATS,
    COMPLETENESS,
    FLAT_LINE,
    MOTION,
    RANGE,
    SATURATION,
    Plan,
    make_cutoffs,
    make_plan,
)
from wesadlib.quality.rules import RULES, read_thresholds
from wesadlib.quality.scores import beat_plausibility, in_range, longest_quiet_s, off_rail, stillness
from wesadlib.signals.arrays import Windows


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
        With ``signal (window, channel, time)``, ``beat_s``, ``raw_statistics``; one window is enough.
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
        When a channel is of an unknown signal, a modelled channel is not there, or `raw_statistics` is not.
    """
    if "raw_statistics" not in windows:
        raise InputError(
            "these windows hold no `raw_statistics`; windows are made by make_windows or window_from_channels."
        )
    found = assess_arrays(Windows.from_dataset(windows), thresholds, channels)
    return windows.assign(
        rule=[rule.name for rule in RULES],
        rule_score=(("window", "channel", "rule"), found.rule_score),
        quality=(("window", "channel"), found.quality),
        verdict=("window", found.verdict),
        reason=("window", found.reason),
    )


def assess_arrays(windows: Windows, thresholds: Any = None, channels: Sequence[str] | None = None) -> Assessment:
    """What :func:`assess_quality` finds, from plain arrays and as plain arrays.

    Parameters
    ----------
    windows : Windows
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
    if channels is not None and (absent := [name for name in channels if name not in names]):
        raise InputError(f"channel {absent[0]} is not in the windows, which hold {', '.join(names)}.")
    cutoffs = make_cutoffs(names, tuple(read_thresholds(thresholds).items()), windows.window_s)
    rule_score = _scores(windows, make_plan(names, windows.beat_sources, windows.rate_hz))
    margin, quality = rescale(rule_score, cutoffs)
    failures = _failures(margin)
    reasons = [[_reason(names, *failure) for failure in failed] for failed in failures]
    modelled = range(len(names)) if channels is None else [names.index(name) for name in channels]
    decisive = [[failure for failure in failed if failure[0] in modelled] for failed in failures]
    return Assessment(
        rule_score,
        quality,
        np.array([not failed for failed in decisive], dtype=bool),
        np.array([_reason(names, *failed[0]) if failed else "" for failed in decisive], dtype=object),
        reasons,
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
    names = tuple(str(name) for name in assessed["channel"].values)
    cutoffs = make_cutoffs(names, tuple(read_thresholds(thresholds).items()), float(assessed.attrs["window_s"]))
    margin, _ = rescale(np.ascontiguousarray(assessed["rule_score"].values), cutoffs)
    return [[_reason(names, *failure) for failure in failed] for failed in _failures(margin)]


def _failures(margin: np.ndarray) -> list[list[tuple[int, int]]]:
    """Failed channel and rule of each window, worst first."""
    failures: list[list[tuple[int, int]]] = [[] for _ in margin]
    failed = np.argwhere(margin < 0.5)
    order = np.argsort(margin[tuple(failed.T)], kind="stable")
    for window, channel, rule in failed[order].tolist():
        failures[window].append((channel, rule))
    return failures


def _reason(names: Sequence[str], channel: int, rule: int) -> str:
    return f"{names[channel]}: {RULES[rule].name}"


def _scores(windows: Windows, plan: Plan) -> np.ndarray:
    """Scores (window, channel, rule), NaN where a rule is not asked of a channel or has nothing to read."""
    signal, rate_hz, window_s = np.ascontiguousarray(windows.signal), windows.rate_hz, windows.window_s
    missing, flat_s, rail_share = windows.raw_statistics.astype(np.float64).transpose(2, 0, 1)
    for axes, _ in plan.devices:
        # The three axes are one sensor: a hand at rest leaves one of them unchanged for a minute.
        flat_s[:, axes] = np.fmin.reduce(flat_s[:, axes], axis=1, keepdims=True)
    flat_s = np.fmax(flat_s, longest_quiet_s(signal, rate_hz, plan.noise_floor))
    scores = np.full((*signal.shape[:2], len(RULES)), np.nan, np.float32)
    scores[..., COMPLETENESS] = 1 - missing
    scores[..., FLAT_LINE] = 1 - np.minimum(flat_s / window_s, 1)
    scores[..., RANGE] = in_range(signal, plan.low, plan.high, plan.fastest, plan.lag)
    scores[..., SATURATION] = off_rail(rail_share, signal, plan.rail)
    for axes, moved in plan.devices:
        scores[:, moved, MOTION] = stillness(signal.take(axes, axis=1), rate_hz)[:, None]
    for source, channel in plan.beats:
        beat_s = windows.beat_s[:, source]
        scores[:, channel, BEATS] = beat_plausibility(beat_s, signal[:, channel], rate_hz, window_s)
    return scores
