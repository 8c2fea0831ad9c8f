"""The alarm: its statistic, its threshold for a stated rate of false alarms, and the report on a batch.

People are the unit. Windows of one person resemble each other far more than those of two, so a test that counts
windows finds every healthy newcomer strange. Here each person weighs the same, and how far a healthy batch lies from
the cohort is learnt from the cohort itself, by leaving as many people out of it as a batch has.
"""

import itertools
from math import ceil, comb
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from wesadlib.drift.reference import feature_columns, make_grid, make_reference, person_distributions
from wesadlib.errors import InputError

STATISTIC = "largest Kolmogorov-Smirnov distance over the features, each person weighing the same"
SPLITS = 500


def distances(distributions: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance of each batch of people to all the others.

    Parameters
    ----------
    distributions : ndarray (person, feature, point)
        From :func:`~wesadlib.drift.reference.person_distributions`.
    batches : ndarray (batch, person)
        True for the people of the batch.

    Returns
    -------
    ndarray (batch, feature)
    """
    inside = batches / batches.sum(axis=1, keepdims=True)
    outside = ~batches / (~batches).sum(axis=1, keepdims=True)
    flat = distributions.reshape(len(distributions), -1)
    gap = np.abs((inside - outside) @ flat)
    return gap.reshape(len(batches), *distributions.shape[1:]).max(axis=2)


def choose_batches(n: int, people: int, most: int, generator: np.random.Generator) -> np.ndarray:
    """Batches of `people` out of `n`: all there are, or `most` at random.

    Returns
    -------
    ndarray (batch, person)
        True for the people of the batch.
    """
    if comb(n, people) <= most:
        chosen = np.array(list(itertools.combinations(range(n), people)), int).reshape(-1, people)
    else:
        draws = generator.random((4 * most, n)).argsort(axis=1)[:, :people]
        chosen = np.unique(np.sort(draws, axis=1), axis=0)
        chosen = chosen[generator.permutation(len(chosen))[:most]]
    batches = np.zeros((len(chosen), n), bool)
    np.put_along_axis(batches, chosen, True, axis=1)
    return batches


def people_for(people: int, false_alarm_rate: float) -> int:
    """How many people a cohort needs for a threshold on batches of `people`.

    The people left must outnumber the batch. With `k` healthy batches to learn from, the largest of them is exceeded by
    another with probability ``1 / (k + 1)``, and no smaller rate of false alarms can be claimed.
    """
    needed = 2 * people + 1
    while comb(needed, people) + 1 < 1 / false_alarm_rate - 1e-9:
        needed += 1
    return needed


def null_distribution(reference: pd.DataFrame, people: int, *, splits: int = SPLITS, seed: int = 0) -> np.ndarray:
    """The statistic of healthy batches: of people left out of the cohort, against the rest of it.

    Parameters
    ----------
    reference : DataFrame
        From :func:`~wesadlib.drift.make_reference`.
    people : int
        In a batch.
    splits : int
        At most so many batches; all where there are fewer.
    seed : int
        Which.

    Returns
    -------
    ndarray (batch,)
        Ascending; empty where the people left would not outnumber the batch.

    Raises
    ------
    InputError
        When a person has too few windows.
    """
    _, distributions = person_distributions(reference, make_grid(reference))
    return null_of(distributions, people, splits, np.random.default_rng(seed))


def null_of(distributions: np.ndarray, people: int, splits: int, generator: np.random.Generator) -> np.ndarray:
    """As :func:`null_distribution`, from the distributions (person, feature, point)."""
    if len(distributions) < 2 * people + 1:
        return np.empty(0)
    batches = choose_batches(len(distributions), people, splits, generator)
    return np.sort(distances(distributions, batches).max(axis=1))


def quantile_of_null(null: np.ndarray, false_alarm_rate: float) -> float | None:
    """The value that a further healthy batch exceeds at the stated rate; None where the batches are too few to tell."""
    rank = ceil((1 - false_alarm_rate) * (len(null) + 1) - 1e-9)
    return float(null[rank - 1]) if 1 <= rank <= len(null) else None


def find_threshold(
    reference: pd.DataFrame, *, people: int, false_alarm_rate: float, splits: int = SPLITS, seed: int = 0
) -> dict[str, Any]:
    """Find the statistic above which a batch of `people` raises the alarm.

    Parameters
    ----------
    reference : DataFrame
        From :func:`~wesadlib.drift.make_reference`.
    people : int
        The smallest batch that will be judged. A larger one is judged by the same threshold, and raises fewer false
        alarms.
    false_alarm_rate : float
        Share of healthy batches that may raise it, in (0, 1).
    splits, seed : int
        As in :func:`null_distribution`.

    Returns
    -------
    dict
        Plain values, fit for JSON: ``statistic people reference_people splits false_alarm_rate threshold features
        note``; `threshold` is None where the cohort has too few people for that rate, and `note` then says how many
        it takes.

    Raises
    ------
    InputError
        When a person has too few windows.
    """
    null = null_distribution(reference, people, splits=splits, seed=seed)
    threshold = quantile_of_null(null, false_alarm_rate)
    n = reference["subject"].nunique()
    note = ""
    if threshold is None:
        note = (
            f"The alarm is not available: {n} people are not enough to know what {100 * false_alarm_rate:g} % of "
            f"healthy batches of {people} exceed; it takes at least {people_for(people, false_alarm_rate)}."
        )
    return {
        "statistic": STATISTIC,
        "people": people,
        "reference_people": n,
        "splits": len(null),
        "false_alarm_rate": false_alarm_rate,
        "threshold": threshold,
        "features": feature_columns(reference),
        "note": note,
    }


def report(reference: pd.DataFrame, current: Any, threshold: dict[str, Any]) -> dict[str, Any]:
    """Judge a batch of new people against the reference.

    Parameters
    ----------
    reference : DataFrame
        From :func:`~wesadlib.drift.make_reference`.
    current : DataFrame or Dataset
        The batch, from the same function, or windows with features.
    threshold : dict
        From :func:`find_threshold`.

    Returns
    -------
    dict
        ``people``, of the batch; ``people_needed``; ``statistic``; ``threshold``; ``alarm``, a bool, or None where
        there is no threshold; ``note``, a sentence; ``table``, a row a feature, worst first: ``feature``,
        ``distance`` (person-weighted, whose largest is the statistic), ``ks`` and ``p`` of the two-sample test over
        windows, ``p_holm`` (which nothing rests on: windows are not independent), ``effect_size`` (difference of the
        people's medians, in SDs between people of the reference), ``missing_reference`` and ``missing_current`` (shares
        that could not be read).

    Raises
    ------
    InputError
        When the batch has fewer people than the threshold was made for, lacks a feature, or a person of it has too
        few windows.
    """
    features = feature_columns(reference)
    if not isinstance(current, pd.DataFrame):
        current = make_reference(current, features)
    if absent := [name for name in features if name not in current]:
        raise InputError(f"feature {absent[0]} of the drift reference is not in the batch.")
    current = current[list(reference.columns)]
    people = current["subject"].nunique()
    needed = int(threshold["people"])
    if people < needed:
        raise InputError(f"the batch has {people} people; this alarm is for batches of at least {needed}.")
    grid = make_grid(reference)
    _, of_reference = person_distributions(reference, grid)
    _, of_batch = person_distributions(current, grid)
    distance = np.abs(of_batch.mean(axis=0) - of_reference.mean(axis=0)).max(axis=1)
    statistic, limit = float(distance.max()), threshold["threshold"]
    alarm = None if limit is None else bool(statistic > limit)
    table = compare_windows(reference, current)
    table.insert(1, "distance", distance)
    table = table.sort_values("distance", ascending=False, ignore_index=True)
    return {
        "people": people,
        "people_needed": needed,
        "statistic": statistic,
        "threshold": limit,
        "alarm": alarm,
        "note": threshold["note"] or _sentence(table["feature"][0], statistic, limit, alarm, threshold),
        "table": table,
    }


def _sentence(feature: str, statistic: float, limit: float, alarm: bool, threshold: dict[str, Any]) -> str:
    found = "Drift" if alarm else "No drift"
    return (
        f"{found}: the largest distance, {statistic:.2f} ({feature}), is {'above' if alarm else 'not above'} "
        f"{limit:.2f}, which {100 * threshold['false_alarm_rate']:g} % of healthy batches of "
        f"{threshold['people']} people exceed."
    )


def compare_windows(reference: pd.DataFrame, current: pd.DataFrame) -> pd.DataFrame:
    """Compare the features of two sets of windows by the two-sample Kolmogorov-Smirnov test, with Holm's correction.

    Parameters
    ----------
    reference, current : DataFrame
        From :func:`~wesadlib.drift.make_reference`.

    Returns
    -------
    DataFrame
        A row a feature: ``feature ks p p_holm effect_size missing_reference missing_current``, as in :func:`report`;
        NaN where one side has no reading.
    """
    features = feature_columns(reference)
    of_people = reference.groupby("subject")[features].median()
    between = of_people.std().replace(0, np.nan)
    effect = (current.groupby("subject")[features].median().mean() - of_people.mean()) / between
    rows = []
    for name in features:
        here, there = current[name].dropna(), reference[name].dropna()
        # The asymptotic p: the exact one takes 40 times as long and differs where nothing is significant anyway.
        test = stats.ks_2samp(here, there, method="asymp") if len(here) and len(there) else None
        rows.append((name, test.statistic, test.pvalue) if test else (name, np.nan, np.nan))
    table = pd.DataFrame(rows, columns=["feature", "ks", "p"])
    table["p_holm"] = correct_by_holm(table["p"].to_numpy())
    table["effect_size"] = effect.to_numpy()
    table["missing_reference"] = reference[features].isna().mean().to_numpy()
    table["missing_current"] = current[features].isna().mean().to_numpy()
    return table


def correct_by_holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of p-values; NaN is no test and stays NaN.

    Written out because statsmodels' takes 0.2 s a call, most of it for collecting garbage.
    """
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return corrected
