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


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of values, by quantiles; NaN where a value is NaN."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class PairedTest(NamedTuple):
    """How two models compare on the same people.

    Attributes
    ----------
    people : int
        People with a score of both.
    difference, low, high : float
        Mean over people of second minus first, and its 95 % interval over draws of people.
    better, worse, equal : int
        People on whom the second scores higher, lower, the same.
    p_permutation : float
        Two-sided; exact up to 17 people: the share of assignments of signs to the differences whose mean is
        as far from zero.
    p_wilcoxon : float
        Wilcoxon's signed-rank test, two-sided; ties with zero by Pratt's rule.
    smallest_p : float
        The least `p_permutation` that so many people could give, ``2 / 2**people``.
    detectable : float
        Mean difference that a t test at 5 % would find in four of five such studies, given how much the
        differences vary between these people: ``(t(0.975) + t(0.8)) s / sqrt(people)``, t with people − 1
        degrees of freedom.
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


def paired_test(first: pd.Series, second: pd.Series, *, bootstrap: int = 1000, seed: int = 0) -> PairedTest:
    """Compare two models by their scores on the same people (Demšar 2006).

    People on whom either has no score (NaN) are left out.

    Parameters
    ----------
    first, second : Series of float
        A score a person, indexed by person.
    bootstrap : int, optional
        Draws of people for the interval.
    seed : int, optional
        Seed of these draws and, for more than 17 people, of the permutations.

    Raises
    ------
    InputError
        When the people differ, or fewer than two have both scores.

    Examples
    --------
    Six people, better on each: nothing smaller than 2 / 2⁶ can come out.

    >>> people = ["S2", "S3", "S4", "S5", "S6", "S7"]
    >>> first = pd.Series([0.70, 0.75, 0.80, 0.85, 0.90, 0.95], people)
    >>> test = paired_test(first, first + 0.02)
    >>> round(test.difference, 4), test.better, test.p_permutation == test.smallest_p == 2 / 2**6
    (0.02, 6, True)
    """
    if set(first.index) != set(second.index):
        raise InputError(f"scores of different people: {', '.join(sorted(set(first.index) ^ set(second.index)))}.")
    # Rounded, so that people on whom both do the same are ties rather than differences of 1e-17.
    difference = (second.reindex(first.index) - first).dropna().round(12).to_numpy()
    people = len(difference)
    if people < 2:
        raise InputError(f"{people} subject(s) with a score of both models: a paired test needs at least 2.")
    drawn = bootstrap_weights(people, bootstrap, seed) @ difference / people
    spread = difference.std(ddof=1)
    quantiles = stats.t.ppf([0.975, 0.8], people - 1)
    return PairedTest(
        people,
        float(difference.mean()),
        *interval(drawn),
        better=int((difference > 0).sum()),
        worse=int((difference < 0).sum()),
        equal=int((difference == 0).sum()),
        p_permutation=_sign_flips(difference, seed),
        p_wilcoxon=_wilcoxon(difference),
        smallest_p=2 / 2.0**people,
        detectable=float(quantiles.sum() * spread / np.sqrt(people)),
    )


def in_words(test: PairedTest, first: str, second: str, unit: str = "accuracy") -> str:
    """What a paired test shows and what it leaves open, in a sentence or two that are true of its numbers.

    >>> people = ["S2", "S3", "S4"]
    >>> test = paired_test(pd.Series([0.8, 0.9, 0.7], people), pd.Series([0.9, 0.9, 0.8], people))
    >>> in_words(test, "A", "B").split(". ")[0]
    'B does better than A on 2 of 3 people, worse on 0 and the same on 1'
    """
    people = f"{test.people} people"
    counts = f"{second} does better than {first} on {test.better} of {people}, worse on {test.worse} and the same"
    counts += f" on {test.equal}."
    p = round_p(test.p_permutation)
    chance = f"had the two been alike, a mean difference this large would arise by chance with probability {p}"
    if test.p_permutation < SIGNIFICANCE:
        direction = "higher" if test.difference > 0 else "lower"
        return f"{counts} H{chance[1:]}: these {people} show that {unit} is {direction} with {second}."
    if test.smallest_p >= SIGNIFICANCE:
        limit = f"nor could they: {people} never give a p below {test.smallest_p:.2g}."
    else:
        limit = f"only a mean difference of about {test.detectable:.3f} would be found in four of five such studies."
    return f"{counts} But {chance}, so these {people} do not show that {unit} differs; {limit}"


def round_p(p: float) -> str:
    """Write p to two decimals, or to its first digit where it is below 0.01.

    >>> round_p(0.0273), round_p(0.00195)
    ('0.03', '0.002')
    """
    return f"{p:.2f}" if p >= 0.01 else f"{p:.1g}"


def _sign_flips(difference: np.ndarray, seed: int) -> float:
    result = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _wilcoxon(difference: np.ndarray) -> float:
    if not difference.any():
        return 1.0
    with warnings.catch_warnings():
        # Few people and ties: scipy says that it falls back to the normal approximation.
        warnings.simplefilter("ignore", UserWarning)
        return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)
