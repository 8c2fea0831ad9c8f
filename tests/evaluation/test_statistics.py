import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from wesadlib.errors import InputError
from wesadlib.evaluation.sentences import describe_test
from wesadlib.evaluation.statistics import bootstrap_weights, holm, paired_test


def scores(values):
    return pd.Series(values, [f"S{k + 2}" for k in range(len(values))])


def test_each_draw_has_as_many_people_as_there_are_and_all_are_alike():
    weights = bootstrap_weights(15, 20_000, seed=1)
    assert (weights.sum(axis=1) == 15).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(15), abs=0.05)
    assert (weights == 0).mean() == pytest.approx((14 / 15) ** 15, abs=0.01)


def test_sign_flips_are_counted_exactly():
    # Differences 1, 2, 3, −1 sum to 5: how many of the 16 assignments of signs give a sum as far from zero?
    result = paired_test(scores([0.0, 0.0, 0.0, 0.0]), scores([1.0, 2.0, 3.0, -1.0]))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1).T
    assert result.p_permutation == pytest.approx((np.abs(signs @ np.array([1, 2, 3, 1])) >= 5).mean())
    assert (result.better, result.worse, result.equal, result.people) == (3, 1, 0, 4)
    assert result.difference == 1.25 and result.smallest_p == 2 / 16


def test_it_is_symmetric_and_people_are_matched_by_name():
    generator = np.random.default_rng(3)
    first, second = scores(generator.random(9)), scores(generator.random(9))
    forth, back = paired_test(first, second), paired_test(second, first.sample(frac=1, random_state=1))
    assert forth.p_permutation == back.p_permutation and forth.p_wilcoxon == pytest.approx(back.p_wilcoxon)
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.low < forth.difference < forth.high


def test_the_same_scores_show_nothing():
    result = paired_test(scores([0.5, 0.7, 0.9]), scores([0.5, 0.7, 0.9 + 1e-16]))
    assert (result.p_permutation, result.p_wilcoxon, result.equal, result.detectable) == (1, 1, 3, 0)


def test_the_detectable_difference_is_found_in_four_of_five_studies():
    difference = np.linspace(-1, 1, 15)
    detectable = paired_test(scores(0 * difference), scores(difference)).detectable
    studies = np.random.default_rng(0).normal(detectable, difference.std(ddof=1), size=(4000, 15))
    found = stats.ttest_1samp(studies, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_people_without_a_score_are_left_out_and_too_few_refused():
    first, second = scores([0.5, np.nan, 0.7, 0.9]), scores([0.6, 0.9, 0.9, np.nan])
    assert paired_test(first, second).people == 2
    with pytest.raises(InputError, match=r"1 subject\(s\) with a score of both"):
        paired_test(first.iloc[:2], second.iloc[:2])
    with pytest.raises(InputError, match="scores of different people: S5"):
        paired_test(first.iloc[:3], second)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ([0.6] * 8, "B does better than A on 8 of 8 people, worse on 0 and the same on 0."),
        ([0.6] * 8, "these 8 people show that accuracy is higher with B."),
        ([0.4] * 8, "these 8 people show that accuracy is lower with B."),
        ([0.6, 0.4] * 4, "do not show that accuracy differs; a mean difference must reach about"),
        ([0.6] * 4, "nor could they, since 4 people never give a p below 0.12."),
    ],
)
def test_the_words_follow_the_numbers(second, words):
    test = paired_test(scores([0.5] * len(second)), scores(second))
    assert words in describe_test(test, "A", "B")


def test_holm_agrees_with_statsmodels():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.9, 0.0001, 0.5])
    np.testing.assert_allclose(np.delete(holm(p), 1), multipletests(np.delete(p, 1), method="holm")[1])
    assert np.isnan(holm(p)[1])
