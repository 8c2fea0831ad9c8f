"""What a number of people can show: draws of people, intervals, and paired tests whose unit is the person."""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from wesadlib.errors import InputError

#: Up to this many assignments of signs a permutation test is exact: 17 people.
PERMUTATIONS = 2**17

#: Below this p, a difference counts as shown.
SIGNIFICANCE = 0.05


def bootstrap_weights(people: int, draws: int, seed: int = 0) -> np.ndarray:
    """How often each person is drawn, in draws of as many people with replacement; float (draw, person)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(people, np.full(people, 1 / people), size=draws).astype(float)


def interval(draws: np.ndarray) -> np.ndarray:
    """The middle 95 % ``(2, …)`` of draws, the first axis, without NaN; NaN where all are."""
    draws = np.asarray(draws, float)
    defined = np.isfinite(draws).any(axis=0)
    # Where nothing is defined numpy would warn.
    bounds = np.nanquantile(np.where(defined, draws, 0), [0.025, 0.975], axis=0) if len(draws) else np.nan
    return np.where(defined, bounds, np.full((2, *draws.shape[1:]), np.nan))


def ratio_interval(sums: np.ndarray, counts: np.ndarray, *, bootstrap: int = 1000) -> np.ndarray:
    """Interval ``(2, …)`` over draws of people of a ratio of totals, to whose sides each adds `sums` and `counts`.

    NaN where fewer than two people count: of one nothing follows for others.
    """
    sums, counts = np.asarray(sums, float), np.asarray(counts, float)
    several = (counts > 0).sum(axis=0) > 1
    if not several.any():
        return np.full((2, *several.shape), np.nan)
    weights = bootstrap_weights(len(sums), bootstrap)
    with np.errstate(invalid="ignore"):
        return np.where(several, interval((weights @ sums) / (weights @ counts)), np.nan)


class PairedTest(NamedTuple):
    """How two models compare on the same people, of whom `people` have a score of both.

    `difference`, with its 95 % interval `low` to `high` over draws of people, is the mean of second minus first;
    `better`, `worse` and `equal` count the people on whom the second scores so. `p_permutation` is two-sided, and exact
    up to 17 people: the share of assignments of signs to the differences whose mean is as far from zero; `smallest_p`
    is the least that so many people could give, ``2 / 2**people``. `p_wilcoxon` is of signed ranks, two-sided, ties
    with zero by Pratt's rule. `detectable` is the mean difference that a t test at 5 % would find in four of five such
    studies, ``(t(0.975) + t(0.8)) s / sqrt(people)`` with ``people - 1`` degrees of freedom. `rank_biserial` is the
    share of ranks of differences in favour of the second minus the share against it, differences of zero left out
    (Kerby 2014); `effect_size` the mean in standard deviations of the differences, d_z (Lakens 2013), times
    ``1 - 3 / (4 (n - 1) - 1)`` for few people (Hedges 1981). What is undefined is NaN.
    """

    people: int
    difference: float
    low: float
    high: float
    better: int
    worse: int
    equal: int
    p_permutation: float
    p_wilcoxon: float
    smallest_p: float
    detectable: float
    rank_biserial: float
    effect_size: float


def paired_test(first: pd.Series, second: pd.Series, *, bootstrap: int = 1000) -> PairedTest:
    """Compare two models by a score a person, on the same people (Demšar 2006); NaN of either are left out."""
    if set(first.index) != set(second.index):
        raise InputError(f"scores of different people: {', '.join(sorted(set(first.index) ^ set(second.index)))}.")
    # Rounded, so that people on whom both do the same are ties rather than differences of 1e-17.
    difference = (second.reindex(first.index) - first).dropna().round(12).to_numpy()
    people = len(difference)
    if people < 2:
        raise InputError(f"{people} subject(s) with a score of both models: a paired test needs at least 2.")
    low, high = ratio_interval(difference, np.ones(people), bootstrap=bootstrap)
    spread = difference.std(ddof=1)
    quantiles = stats.t.ppf([0.975, 0.8], people - 1)
    signs = {"permutation_type": "samples", "vectorized": True, "rng": np.random.default_rng(0)}
    flips = stats.permutation_test((difference,), np.mean, n_resamples=PERMUTATIONS, **signs)
    return PairedTest(
        people,
        float(difference.mean()),
        float(low),
        float(high),
        better=int((difference > 0).sum()),
        worse=int((difference < 0).sum()),
        equal=int((difference == 0).sum()),
        p_permutation=float(flips.pvalue),
        p_wilcoxon=_wilcoxon(difference),
        smallest_p=2 / 2.0**people,
        detectable=float(quantiles.sum() * spread / np.sqrt(people)),
        rank_biserial=_rank_biserial(difference),
        effect_size=float((1 - 3 / (4 * people - 5)) * difference.mean() / spread) if spread > 0 else np.nan,
    )


def _wilcoxon(difference: np.ndarray) -> float:
    if not difference.any():
        return 1.0
    with warnings.catch_warnings():
        # Few people and ties: scipy says that it falls back to the normal approximation.
        warnings.simplefilter("ignore", UserWarning)
        return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)


def _rank_biserial(difference: np.ndarray) -> float:
    difference = difference[difference != 0]
    ranks = stats.rankdata(np.abs(difference))
    return float((ranks * np.sign(difference)).sum() / ranks.sum()) if len(difference) else np.nan


def holm(p: np.ndarray | pd.Series) -> np.ndarray:
    """Adjust p for the number of tests by Holm's step-down method (1979); NaN is no test and stays NaN.

    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, float)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


class Friedman(NamedTuple):
    """Friedman's test of several models on the same people, who have a score of every one (Demšar 2006).

    `p` is of chi-squared with ``models - 1`` degrees of freedom, corrected for ties; it wants ten people or so and is
    NaN for fewer than three models, or where all do the same on everybody. `agreement` is Kendall's W, chi-squared over
    ``people (models - 1)``: 0, people rank the models in every order; 1, all alike. `mean_ranks`: 1 the best, ties
    shared; those that are `critical_difference` apart differ at 5 % by Nemenyi's test: ``q sqrt(k (k + 1) / (6 n))``,
    q the studentised range of k models and infinite degrees of freedom over the square root of two.
    """

    p: float
    agreement: float
    mean_ranks: pd.Series
    critical_difference: float


def friedman(scores: pd.DataFrame) -> Friedman:
    """Whether some model ranks higher than another by `scores` (person, model) of people who have every one."""
    complete = _complete(scores)
    people, models = complete.shape
    ranks = complete.rank(axis=1, ascending=False)
    statistic = p = np.nan
    # Where every rank is tied there is nothing to test, and scipy would divide by zero.
    if models > 2 and (ranks.nunique(axis=1) > 1).any():
        statistic, p = stats.friedmanchisquare(*complete.to_numpy().T)
    studentised = stats.studentized_range.ppf(1 - SIGNIFICANCE, models, np.inf) / np.sqrt(2)
    return Friedman(
        float(p),
        float(statistic / (people * (models - 1))),
        ranks.mean().rename("mean_rank"),
        float(studentised * np.sqrt(models * (models + 1) / (6 * people))),
    )


def nemenyi(scores: pd.DataFrame) -> pd.DataFrame:
    """Nemenyi's test: p (model, model), 1 on the diagonal, of every pair of models whose scores are (person, model)."""
    # Imported here, for it brings plotting libraries along.
    from scikit_posthocs import posthoc_nemenyi_friedman

    complete = _complete(scores)
    p = posthoc_nemenyi_friedman(complete.to_numpy())
    return pd.DataFrame(p.to_numpy(), index=list(complete), columns=list(complete))


def _complete(scores: pd.DataFrame) -> pd.DataFrame:
    complete = scores.dropna().round(12)
    if complete.shape[0] < 2 or complete.shape[1] < 2:
        raise InputError(
            f"{complete.shape[0]} people with a score of each of {scores.shape[1]} model(s): ranks need at least 2 of "
            "both; evaluate more."
        )
    return complete
