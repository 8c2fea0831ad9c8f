"""Scores, verdicts and reasons of windows, for a whole run and for one window alike, and what a gate by them costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.quality.rules import RULES, Channel, read_thresholds, signal_of
from wesadlib.signals import Windows


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
        Every failed rule of every channel of each window, worst first: what a server tells whoever sent it.
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
    """
    if "raw_statistics" not in windows:
        raise InputError("these windows hold no `raw_statistics`; windows are made by make_windows.")
    assessment = assess_arrays(Windows.from_dataset(windows), thresholds, channels)
    return windows.assign(
        rule=[rule.name for rule in RULES],
        rule_score=(("window", "channel", "rule"), assessment.rule_score),
        quality=(("window", "channel"), assessment.quality),
        verdict=("window", assessment.verdict),
        reason=("window", assessment.reason),
    )


def assess_arrays(windows: Windows, thresholds: Any = None, channels: Sequence[str] | None = None) -> Assessment:
    """What :func:`assess_quality` finds, from plain arrays and as plain arrays."""
    names = windows.channels
    if channels is not None and (absent := [name for name in channels if name not in names]):
        raise InputError(f"channel {absent[0]} is not in the windows, which hold {', '.join(names)}.")
    cutoffs = _cutoffs(names, tuple(read_thresholds(thresholds).items()), windows.window_s)
    rule_score = np.concatenate([_scores(chunk) for chunk in windows.chunks()])
    margin = _rescale(rule_score, cutoffs)
    failures = _failures(margin)
    modelled = range(len(names)) if channels is None else [names.index(name) for name in channels]
    decisive = [[_reason(names, *pair) for pair in failed if pair[0] in modelled] for failed in failures]
    return Assessment(
        rule_score,
        np.fmin.reduce(margin, axis=2).astype(np.float32),
        np.array([not reasons for reasons in decisive], dtype=bool),
        np.array([reasons[0] if reasons else "" for reasons in decisive], dtype=object),
        [[_reason(names, *pair) for pair in failed] for failed in failures],
    )


def quality_only(assessed: xr.Dataset) -> xr.Dataset:
    """Keep what ``quality.nc`` holds: scores, verdicts and reasons, with the windows' coordinates and attributes."""
    return assessed[["rule_score", "quality", "verdict", "reason"]]


def _scores(windows: Windows) -> np.ndarray:
    """Scores (window, channel, rule), NaN where a rule is not asked of a channel or has nothing to read."""
    rule_score = np.full((len(windows), len(windows.channels), len(RULES)), np.nan, np.float32)
    for position in range(len(windows.channels)):
        channel = Channel(windows, position)
        for column, rule in enumerate(RULES):
            if channel.signal in rule.thresholds:
                rule_score[:, position, column] = rule.score(channel)
    return rule_score


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


def count_accepted(assessed: xr.Dataset, by: str) -> pd.DataFrame:
    """Count the windows accepted, a row a value of `by`.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    by : str
        A coordinate of windows, such as ``label`` or ``subject``.

    Returns
    -------
    DataFrame
        Columns `by`, ``windows accepted coverage``; `coverage` is the share accepted.
    """
    table = pd.DataFrame({by: assessed[by].values, "accepted": assessed["verdict"].values})
    counts = table.groupby(by, sort=False)["accepted"].agg(["size", "sum"]).reset_index()
    counts.columns = [by, "windows", "accepted"]
    return counts.assign(coverage=counts["accepted"] / counts["windows"])


def count_reasons(assessed: xr.Dataset) -> pd.DataFrame:
    """Count why windows were refused, the most frequent reason first.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.

    Returns
    -------
    DataFrame
        Columns ``reason windows people``; no row where nothing was refused.
    """
    refused = assessed["reason"].values != ""
    table = pd.DataFrame({"reason": assessed["reason"].values[refused], "subject": assessed["subject"].values[refused]})
    counts = table.groupby("reason").agg(windows=("subject", "size"), people=("subject", "nunique")).reset_index()
    return counts.sort_values("windows", ascending=False, kind="stable", ignore_index=True)


def sweep_cutoff(assessed: xr.Dataset, channel: str, rule: str, points: int = 101) -> pd.DataFrame:
    """Share of windows that one rule alone would refuse, in each state, as its cut-off rises.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    channel, rule : str
        Such as ``wrist_bvp`` and ``beat plausibility``.
    points : int
        How many cut-offs between 0 and 1.

    Returns
    -------
    DataFrame
        Columns ``label cutoff refused``.
    """
    score = assessed["rule_score"].sel(channel=channel, rule=rule).values
    cutoffs = np.linspace(0, 1, points)
    tables = []
    for label in dict.fromkeys(assessed["label"].values):
        below = score[assessed["label"].values == label][:, None] < cutoffs
        tables.append(pd.DataFrame({"label": label, "cutoff": cutoffs, "refused": below.mean(axis=0)}))
    return pd.concat(tables, ignore_index=True)


def describe_coverage(assessed: xr.Dataset) -> dict[str, float | str]:
    """What a gate costs, in numbers and words: how many windows and people, the state refused most, and the reasons."""
    by_state, by_person = count_accepted(assessed, "label"), count_accepted(assessed, "subject")
    least = by_state.loc[by_state["coverage"].idxmin()]
    windows, accepted = int(by_state["windows"].sum()), int(by_state["accepted"].sum())
    reasons = [f"{row.reason} ({row.windows})" for row in count_reasons(assessed).itertuples()]
    return {
        "windows": windows,
        "accepted": accepted,
        "refused": windows - accepted,
        "coverage": 100 * accepted / windows,
        "least_state": str(least["label"]),
        "least_coverage": 100 * least["coverage"],
        "people_refused": int((by_person["coverage"] < 1).sum()),
        "people": len(by_person),
        "reasons": ", ".join(reasons) or "none, because no window was refused",
    }


def widest_gap(sweep: pd.DataFrame) -> dict[str, float | str]:
    """Cut-off of :func:`sweep_cutoff` at which the states differ most, and what it refuses of either, in %."""
    refused = sweep.pivot(index="cutoff", columns="label", values="refused")
    cutoff = (refused.max(axis=1) - refused.min(axis=1)).idxmax()
    share = 100 * refused.loc[cutoff]
    return {
        "widest": cutoff,
        "widest_most": str(share.idxmax()),
        "widest_most_refused": share.max(),
        "widest_least": str(share.idxmin()),
        "widest_least_refused": share.min(),
    }


def pick_examples(assessed: xr.Dataset, most: int = 3) -> pd.DataFrame:
    """Pick windows to look at: of each reason the worst, each beside the best window of the same person and channel.

    Where fewer reasons than `most` occurred, the lowest windows of further people follow, whether refused or not.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    most : int
        How many.

    Returns
    -------
    DataFrame
        Columns ``window best channel rule score accepted``; `window` and `best` are positions.
    """
    quality = np.nan_to_num(assessed["quality"].values, nan=1.0)
    lowest = quality.min(axis=1)
    reasons, subjects = assessed["reason"].values, assessed["subject"].values
    refused = np.flatnonzero(~assessed["verdict"].values)
    chosen: list[int] = []
    for reason in dict.fromkeys(reasons[refused]):
        chosen.append(min(refused[reasons[refused] == reason], key=lambda k: lowest[k]))
    for k in np.argsort(lowest, kind="stable"):
        if subjects[k] not in subjects[chosen]:
            chosen.append(int(k))
    rows = []
    for k in chosen[:most]:
        if reasons[k]:
            name, rule = reasons[k].split(": ")
        else:
            name = str(assessed["channel"].values[quality[k].argmin()])
            of_channel = assessed["rule_score"].sel(channel=name)[k]
            rule = str(assessed["rule"].values[int(np.nanargmin(of_channel.values))])
        of_name = assessed["rule_score"].sel(channel=name, rule=rule).values
        same = np.flatnonzero(subjects == subjects[k])
        best = same[np.lexsort((-lowest[same], -of_name[same]))[0]]
        rows.append((int(k), int(best), name, rule, float(of_name[k]), bool(assessed["verdict"].values[k])))
    return pd.DataFrame(rows, columns=["window", "best", "channel", "rule", "score", "accepted"])
