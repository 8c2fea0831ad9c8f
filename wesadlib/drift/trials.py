"""The alarm tried on healthy people: whether it holds its rate, and what a test that counts windows would do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wesadlib.drift.alarm import (
    choose_batches,
    compare_windows,
    null_of,
    quantile_of_null,
)
from wesadlib.drift.reference import make_grid, person_distributions

NESTED_SPLITS = 150


def naive_alarms(
    reference: pd.DataFrame,
    *,
    window_s: float,
    level: float = 0.05,
    least_distances: Sequence[float] = (0, 0.3, 0.5, 0.7),
) -> pd.DataFrame:
    """What a test that counts windows says of each healthy person, held against all the others.

    Only windows that do not overlap are used, so that nothing but their common wearer ties them together.

    Parameters
    ----------
    reference : DataFrame
        From :func:`~wesadlib.drift.make_reference`.
    window_s : float
        Length of a window.
    level : float
        Of the Kolmogorov-Smirnov test, after Holm's correction over the features.
    least_distances : sequence of float
        A feature counts when it is significant and its distance is larger than this.

    Returns
    -------
    DataFrame
        ``subject least_distance features alarm``: how many features count, and whether any does.
    """
    kept = apart(reference, window_s)
    rows = []
    for person in dict.fromkeys(kept["subject"]):
        inside = kept["subject"] == person
        if inside.all():
            continue
        table = compare_windows(kept[~inside], kept[inside])
        for least in least_distances:
            found = int(((table["p_holm"] < level) & (table["ks"] > least)).sum())
            rows.append((person, float(least), found, found > 0))
    return pd.DataFrame(rows, columns=["subject", "least_distance", "features", "alarm"])


def nulls_by_size(reference: pd.DataFrame, sizes: Sequence[int], *, splits: int = 300, seed: int = 0) -> pd.DataFrame:
    """How far healthy batches lie from the rest of the cohort, for batches of several sizes.

    Parameters
    ----------
    reference : DataFrame
        From :func:`~wesadlib.drift.make_reference`.
    sizes : sequence of int
        People in a batch.
    splits, seed : int
        At most so many batches of each size, and which.

    Returns
    -------
    DataFrame
        ``people distance``, a row a batch; none of a size whose batch the people left would not outnumber.
    """
    _, distributions = person_distributions(reference, make_grid(reference))
    generator = np.random.default_rng(seed)
    nulls = [(size, null_of(distributions, size, splits, generator)) for size in sizes]
    return pd.concat([pd.DataFrame({"people": size, "distance": null}) for size, null in nulls], ignore_index=True)


def apart(table: pd.DataFrame, window_s: float) -> pd.DataFrame:
    """Rows of windows that do not overlap, the earliest first, of each person."""
    kept, last = [], {}
    for row, (person, start) in enumerate(zip(table["subject"], table["start_s"], strict=True)):
        if start >= last.get(person, -np.inf) + window_s - 1e-6:
            kept.append(row)
            last[person] = start
    return table.iloc[kept].reset_index(drop=True)


def verify_rate(
    reference: pd.DataFrame,
    people: int,
    claimed: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    *,
    batches: int = 200,
    splits: int = NESTED_SPLITS,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether the alarm goes off on healthy batches as often as it claims to.

    Nested: a batch of people is left out, the threshold is found on the rest alone, and the batch is judged by it.

    Parameters
    ----------
    reference : DataFrame
        From :func:`~wesadlib.drift.make_reference`.
    people : int
        In a batch.
    claimed : sequence of float
        Rates of false alarms.
    batches, splits : int
        At most so many batches, and so many splits of the rest for each threshold.
    seed : int
        Which.

    Returns
    -------
    DataFrame
        ``claimed observed batches independent``; `observed` is NaN where the people that are left are too
        few for the rate; `independent` is how many of the batches have no person in common, and so how much the curve
        can be trusted.
    """
    _, distributions = person_distributions(reference, make_grid(reference))
    trials = leave_batches_out(distributions, people, batches, splits, np.random.default_rng(seed))
    rows = []
    for rate in claimed:
        limits = [quantile_of_null(null, rate) for _, null in trials]
        judged = [
            largest_distance(distributions[batch], distributions[~batch]) > limit
            for (batch, _), limit in zip(trials, limits, strict=True)
            if limit is not None
        ]
        observed = float(np.mean(judged)) if judged else np.nan
        rows.append((float(rate), observed, len(judged), len(distributions) // people))
    return pd.DataFrame(rows, columns=["claimed", "observed", "batches", "independent"])


def leave_batches_out(
    distributions: np.ndarray, people: int, batches: int, splits: int, generator: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches (person,), True for their people, each with the null distribution of the people that are left."""
    if len(distributions) <= people:
        return []
    chosen = choose_batches(len(distributions), people, batches, generator)
    return [(batch, null_of(distributions[~batch], people, splits, generator)) for batch in chosen]


def largest_distance(batch: np.ndarray, rest: np.ndarray) -> float:
    """The alarm's statistic between the distributions (person, feature, point) of a batch and of the rest."""
    return float(np.abs(batch.mean(axis=0) - rest.mean(axis=0)).max())
