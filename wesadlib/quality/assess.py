"""Scores, verdicts and reasons of windows, for a whole run and for one window alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.quality.rules import RULES, read_thresholds, signal_of
from wesadlib.signals import Windows


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules say of windows, as plain arrays that :func:`assess_quality` describes."""

    rule_score: np.ndarray
    quality: np.ndarray
    verdict: np.ndarray
    reason: np.ndarray
    #: Every failed rule of every channel of each window: those that the verdict rests on, then others, worst first.
    reasons: list[list[str]]


def assess_quality(windows: xr.Dataset, thresholds: Any = None) -> xr.Dataset:
    """Score every window and channel by every rule, and give each window its verdict by its worst channel.

    Parameters
    ----------
    windows : Dataset
        With ``signal (window, channel, time)``, ``beat_s``, ``raw_statistics``; one window is enough.
    thresholds : Params, mapping or None
        What holds the cut-offs (:data:`THRESHOLDS`); None: the defaults.

    Returns
    -------
    Dataset
        `windows` and: ``rule_score (window, channel, rule)`` in [0, 1], 1 best, NaN where a rule is not asked of a
        channel or nothing can be read; ``quality (window, channel)``, the worst rule, rescaled so that 0.5 is every
        rule's cut-off; ``verdict (window)``, True where accepted, that is where no channel's quality is below
        0.5; ``reason (window)``, the worst channel and rule of a refused window, such as ``wrist_eda: flat line``,
        else "".
    """
    if "raw_statistics" not in windows:
        raise InputError("these windows hold no `raw_statistics`; windows are made by make_windows.")
    assessment = assess_arrays(Windows.from_dataset(windows), thresholds)
    return windows.assign(
        rule=[rule.name for rule in RULES],
        rule_score=(("window", "channel", "rule"), assessment.rule_score),
        quality=(("window", "channel"), assessment.quality),
        verdict=("window", assessment.verdict),
        reason=("window", assessment.reason),
    )


def assess_arrays(windows: Windows, thresholds: Any = None, channels: Sequence[str] | None = None) -> Assessment:
    """What :func:`assess_quality` finds, from and as plain arrays; the verdict rests on `channels`, by default all."""
    names = windows.channels
    if channels is not None and (absent := [name for name in channels if name not in names]):
        raise InputError(f"channel {absent[0]} is not in the windows, which hold {', '.join(names)}.")
    cutoffs = _cutoffs(names, tuple(read_thresholds(thresholds).items()), windows.window_s)
    rule_score = np.full((len(windows), *cutoffs.shape), np.nan, np.float32)
    for column, rule in enumerate(RULES):
        if asked := np.flatnonzero(~np.isnan(cutoffs[:, column])).tolist():
            chunks = [rule.score(chunk, [names[k] for k in asked]) for chunk in windows.chunks()]
            rule_score[:, asked, column] = np.concatenate(chunks)
    margin = _rescale(rule_score, cutoffs)
    modelled = range(len(names)) if channels is None else [names.index(name) for name in channels]
    decisive: list[list[str]] = [[] for _ in margin]
    others: list[list[str]] = [[] for _ in margin]
    failed = np.argwhere(margin < 0.5)
    # Worst first.
    for window, channel, rule in failed[np.argsort(margin[tuple(failed.T)], kind="stable")].tolist():
        (decisive if channel in modelled else others)[window].append(f"{names[channel]}: {RULES[rule].name}")
    return Assessment(
        rule_score,
        np.fmin.reduce(margin, axis=2).astype(np.float32),
        np.array([not reasons for reasons in decisive], dtype=bool),
        np.array([reasons[0] if reasons else "" for reasons in decisive], dtype=object),
        [first + then for first, then in zip(decisive, others, strict=True)],
    )


def quality_only(assessed: xr.Dataset) -> xr.Dataset:
    """Keep what ``quality.nc`` holds: scores, verdicts and reasons, with the windows' coordinates and attributes."""
    return assessed[["rule_score", "quality", "verdict", "reason"]]


@lru_cache(maxsize=8)
def _cutoffs(names: tuple[str, ...], thresholds: tuple[tuple[str, float], ...], window_s: float) -> np.ndarray:
    """Least accepted score (channel, rule); NaN where a rule is not asked."""
    limits = dict(thresholds)
    cutoffs = np.full((len(names), len(RULES)), np.nan)
    for row, name in enumerate(names):
        for column, rule in enumerate(RULES):
            parameter = rule.thresholds.get(signal_of(name), "")
            limit = limits.get(parameter, np.nan)
            if parameter.startswith("max_flat"):
                limit = 1 - min(limit / window_s, 1.0)
            elif parameter.startswith("max_"):
                limit = 1 - limit
            cutoffs[row, column] = limit
    return cutoffs


def _rescale(scores: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """Bring every rule to one scale, on which 0 stays 0, the cut-off is 0.5 and 1 stays 1; NaN where either is."""
    scores = scores.astype(np.float64)
    # Where a cut-off is 0 or 1, nothing lies on its one side.
    below = 0.5 * scores / np.where(cutoffs > 0, cutoffs, 1.0)
    above = 0.5 + 0.5 * np.where(cutoffs < 1, (scores - cutoffs) / np.where(cutoffs < 1, 1 - cutoffs, 1.0), 1.0)
    # Scores are kept as float32: a share that equals its cut-off must not fail by the last bit.
    passed = scores >= cutoffs - 1e-6
    scaled = np.where(passed, np.clip(above, 0.5, 1), np.clip(below, 0, 0.5 - 1e-6))
    return np.where(np.isnan(scores + cutoffs), np.nan, scaled)
