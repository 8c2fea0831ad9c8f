"""Which of several models does better over the same people: ranks, every pair, effect sizes, and what that shows."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from wesadlib.errors import InputError
from wesadlib.evaluation.statistics import SIGNIFICANCE, paired_test


class Friedman(NamedTuple):
    """Friedman's test of several models on the same people (Demšar 2006).

    Attributes
    ----------
    people, models : int
        People with a score of every model, and models.
    statistic, p : float
        Chi-squared with ``models − 1`` degrees of freedom, corrected for ties, and its p: an approximation that wants
        about ten people; NaN for fewer than three models, or where all models do the same on everybody.
    agreement : float
        Kendall's W, ``statistic / (people (models − 1))``: 0, people rank the models in every order; 1, all alike.
    mean_ranks : Series of float
        Mean rank of each model, 1 the best, ties shared.
    critical_difference : float
        Mean ranks that are this far apart differ at 5 % by Nemenyi's test: ``q sqrt(k (k + 1) / (6 n))``, q the
        studentised range of k models and infinite degrees of freedom over the square root of two.
    """

    people: int
    models: int
    statistic: float
    p: float
    agreement: float
    mean_ranks: pd.Series
    critical_difference: float


def friedman(scores: pd.DataFrame) -> Friedman:
    """Whether some model ranks higher than another over people.

    Parameters
    ----------
    scores : DataFrame of float, (person, model)
        Scores of which more is better; people without a score of every model are left out.

    Raises
    ------
    InputError
        When fewer than two people have a score of every model, or there are fewer than two models.

    Examples
    --------
    Four people who all rank three models alike:

    >>> scores = pd.DataFrame({"A": [0.7, 0.8, 0.6, 0.9], "B": [0.8, 0.9, 0.7, 0.95], "C": [0.9, 0.95, 0.8, 1.0]})
    >>> test = friedman(scores)
    >>> test.mean_ranks.to_dict(), round(test.agreement, 6)
    ({'A': 3.0, 'B': 2.0, 'C': 1.0}, 1.0)
    """
    complete = _complete(scores)
    people, models = complete.shape
    ranks = complete.rank(axis=1, ascending=False)
    statistic = p = np.nan
    # Where every rank is tied there is nothing to test, and scipy would divide by zero.
    if models > 2 and (ranks.nunique(axis=1) > 1).any():
        statistic, p = stats.friedmanchisquare(*complete.to_numpy().T)
    studentised = stats.studentized_range.ppf(1 - SIGNIFICANCE, models, np.inf) / np.sqrt(2)
    return Friedman(
        people,
        models,
        float(statistic),
        float(p),
        float(statistic / (people * (models - 1))),
        ranks.mean().rename("mean_rank"),
        float(studentised * np.sqrt(models * (models + 1) / (6 * people))),
    )


def nemenyi(scores: pd.DataFrame) -> pd.DataFrame:
    """Nemenyi's test: p of every pair of models on the same people, ``(model, model)``, 1 on the diagonal.

    Parameters
    ----------
    scores : DataFrame of float, (person, model)
        As for :func:`friedman`.
    """
    # Imported here, for it brings plotting libraries along.
    from scikit_posthocs import posthoc_nemenyi_friedman

    complete = _complete(scores)
    p = posthoc_nemenyi_friedman(complete.to_numpy())
    return pd.DataFrame(p.to_numpy(), index=list(complete), columns=list(complete))


def pairwise(scores: pd.DataFrame, *, bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Compare every two models by their scores on the same people.

    Parameters
    ----------
    scores : DataFrame of float, (person, model)
        Scores of which more is better; a person without a score of both models is left out of that pair.
    bootstrap : int, optional
        Draws of people for the intervals.
    seed : int, optional
        Seed of these draws.

    Returns
    -------
    DataFrame
        ``first second people difference low high better worse equal p p_holm rank_biserial effect_size smallest_p
        detectable``, a row a pair, smallest p first. `difference` is the mean over people of second minus first, and
        `p` that of the exact sign-flip test (:class:`~wesadlib.evaluation.statistics.PairedTest`); `p_holm` is
        adjusted for the number of pairs in the table (Holm 1979); `rank_biserial` and `effect_size` are those of
        :func:`rank_biserial` and :func:`standardised_difference`.

    Raises
    ------
    InputError
        When there are fewer than two models, or fewer than two people have a score of both.
    """
    if scores.shape[1] < 2:
        raise InputError(f"{scores.shape[1]} model(s): to compare needs at least 2; evaluate another.")
    rows = []
    for first, second in combinations(scores, 2):
        test = paired_test(scores[first], scores[second], bootstrap=bootstrap, seed=seed)
        difference = (scores[second] - scores[first]).dropna().round(12).to_numpy()
        rows.append(
            {
                "first": first,
                "second": second,
                **test._asdict(),
                "rank_biserial": rank_biserial(difference),
                "effect_size": standardised_difference(difference),
            }
        )
    table = pd.DataFrame(rows).rename(columns={"p_permutation": "p"})
    table["p_holm"] = holm(table["p"])
    columns = ["first", "second", "people", "difference", "low", "high", "better", "worse", "equal", "p", "p_holm"]
    columns += ["rank_biserial", "effect_size", "smallest_p", "detectable"]
    return table[columns].sort_values("p", kind="stable", ignore_index=True)


def holm(p: pd.Series) -> np.ndarray:
    """Adjust p for the number of tests, by Holm's step-down method.

    References
    ----------
    Holm, S.: A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    # Imported here, for few of those who compare models need it.
    from statsmodels.stats.multitest import multipletests

    return multipletests(p, method="holm")[1] if len(p) else np.empty(0)


def rank_biserial(difference: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation: share of favourable minus share of unfavourable ranks (Kerby 2014).

    Differences are ranked by size, those of zero left out; NaN where nothing is left.

    References
    ----------
    Kerby, D. S.: The simple difference formula. Comprehensive Psychology 3, 2014.

    Examples
    --------
    Ranks 1 and 3 rise, rank 2 falls:

    >>> round(rank_biserial(np.array([0.01, -0.02, 0.03])), 6)
    0.333333
    """
    difference = np.asarray(difference, float)
    difference = difference[difference != 0]
    if not len(difference):
        return float("nan")
    ranks = stats.rankdata(np.abs(difference))
    return float((ranks * np.sign(difference)).sum() / ranks.sum())


def standardised_difference(difference: np.ndarray) -> float:
    """Mean of differences over their standard deviation, d_z (Lakens 2013), with Hedges' correction for few people.

    The correction is ``1 − 3 / (4 (n − 1) − 1)`` (Hedges 1981); NaN where the differences do not vary.

    References
    ----------
    Lakens, D.: Calculating and reporting effect sizes to facilitate cumulative science. Frontiers in Psychology 4,
    2013. Hedges, L. V.: Distribution theory for Glass's estimator of effect size and related estimators. Journal of
    Educational Statistics 6, 1981.

    Examples
    --------
    >>> round(standardised_difference(np.array([1.0, 2.0, 3.0])), 6)
    1.142857
    """
    difference = np.asarray(difference, float)
    spread = difference.std(ddof=1) if len(difference) > 1 else 0.0
    if not spread > 0:
        return float("nan")
    correction = 1 - 3 / (4 * (len(difference) - 1) - 1)
    return float(correction * difference.mean() / spread)


def what_is_shown(pairs: pd.DataFrame, unit: str = "accuracy") -> str:
    """What the people of a table of pairs can and cannot show, in sentences that are true of its numbers.

    Parameters
    ----------
    pairs : DataFrame
        As :func:`pairwise` returns.
    unit : str, optional
        What a reader calls the score; differences are given in points (hundredths) of it.
    """
    number, people = len(pairs), int(pairs["people"].max())
    shown = pairs[pairs["p_holm"] < SIGNIFICANCE]
    alone = pairs[(pairs["p"] < SIGNIFICANCE) & (pairs["p_holm"] >= SIGNIFICANCE)]
    compared = "One pair of models was" if number == 1 else f"{number} pairs of models were"
    text = [f"{compared} compared on {people} people."]
    least = number * pairs["smallest_p"].min()
    if least >= SIGNIFICANCE:
        text.append(
            "So few people cannot show that any pair differs, whatever their scores: the smallest p that they can "
            f"give is {min(least, 1):.2g} once it is adjusted for the number of pairs."
        )
    elif shown.empty:
        text.append(f"For none do they show that {unit} differs (adjusted p at least {pairs['p_holm'].min():.2g}).")
    else:
        text.append(f"They show that {unit} differs for {len(shown)}, in points: {_shown(shown)}.")
    if len(alone):
        names = "; ".join(f"{row.first} and {row.second}" for row in alone.itertuples())
        names = names if len(alone) < 4 else f"{len(alone)} {'others' if len(shown) else 'pairs'}"
        text.append(
            f"Looked at alone, p falls below {SIGNIFICANCE:g} for {names}{' as well' if len(shown) else ''}; among "
            f"{number} pairs chance alone may do that."
        )
    low, high = (f"{100 * value:.1f}" for value in (pairs["detectable"].min(), pairs["detectable"].max()))
    span = f"{low} points" if low == high else f"{low} to {high} points, depending on the pair"
    text.append(
        f"The smallest true mean difference that a single test would notice in four of five such studies is {span}; of "
        "less these people say little, and a difference that is not shown is not shown to be absent."
    )
    return " ".join(text)


def _shown(shown: pd.DataFrame) -> str:
    # By the better model, whom it beats and by how much.
    beaten: dict[str, list[str]] = {}
    for row in shown.itertuples():
        better, worse = (row.second, row.first) if row.difference > 0 else (row.first, row.second)
        beaten.setdefault(better, []).append(f"{worse} ({100 * abs(row.difference):.1f}, p {row.p_holm:.2g})")
    return "; ".join(f"{better} over {', '.join(others)}" for better, others in beaten.items())


def _complete(scores: pd.DataFrame) -> pd.DataFrame:
    complete = scores.dropna().round(12)
    if complete.shape[0] < 2 or complete.shape[1] < 2:
        raise InputError(
            f"{complete.shape[0]} people with a score of each of {scores.shape[1]} model(s): ranks need at least 2 of "
            "both; evaluate more."
        )
    return complete
