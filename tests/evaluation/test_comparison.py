import re

import numpy as np
import pandas as pd
import pytest
from known_predictions import make_predictions
from scipy import stats

from wesadlib.errors import InputError
from wesadlib.evaluation.comparison import (
    against_cold_start,
    distinct,
    gains,
    leaderboard,
    pairwise,
    person_scores,
    published_figures,
    tabulate,
    tabulate_published,
)
from wesadlib.evaluation.predictions import main_predictions
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import describe_pairs
from wesadlib.evaluation.statistics import friedman, holm, nemenyi, paired_test

PEOPLE = [f"S{k}" for k in range(2, 10)]


@pytest.fixture
def both_protocols():
    """Cold start errs on the first window of each person only, which rest takes away from what is tested."""
    rows = []
    for person in PEOPLE[:4]:
        rows += [(person, "baseline", 0.9), *[(person, "baseline", 0.2)] * 3, *[(person, "stress", 0.8)] * 2]
    cold = make_predictions(rows, "one")
    rest = cold[cold["window"] % 6 > 0].assign(protocol="rest_calibrated")
    rest.loc[rest["window"].isin([1, 7]), ["p_baseline", "p_stress"]] = [0.4, 0.6]
    return pd.concat([cold, rest], ignore_index=True)


def test_rest_is_compared_with_the_cold_start_on_its_own_windows(both_protocols):
    cold, row = leaderboard(both_protocols, bootstrap=200).iloc
    assert row["n_windows"] == 20 and row["accuracy"] == 0.9
    assert row["accuracy_cold"] == 1, "5 of 6 only on windows that rest does not test"
    assert row["difference"] == pytest.approx(-0.1)
    assert row["difference_low"] <= row["difference"] <= row["difference_high"] <= 0
    assert row["p_permutation"] == 0.5, "two of four people differ: 2 of 4 distinct sums as far out"
    assert cold["accuracy"] == pytest.approx(5 / 6) and np.isnan([cold["accuracy_cold"], cold["difference"]]).all()


def test_gains_are_adjusted_for_the_number_of_models(both_protocols):
    table = leaderboard(pd.concat([both_protocols, both_protocols.assign(model="two")]), bootstrap=200)
    gained = gains(table, "stress-baseline", "rest_calibrated")
    assert gained["model"].tolist() == ["one", "two"] and gained["accuracy_cold"].tolist() == [1, 1]
    assert gained["p"].tolist() == [0.5, 0.5] and gained["p_holm"].tolist() == [1, 1]
    assert gains(table, "stress-baseline", "cold_start").empty
    read = tabulate(table).loc[("stress-baseline", "rest_calibrated", "yes", "one")]
    assert read["windows"] == 20 and read["accuracy"].startswith("0.900 [0.8")


def test_a_comparison_leaves_out_a_person_whom_one_protocol_lacks(both_protocols):
    lost = both_protocols[(both_protocols["protocol"] == "rest_calibrated") | (both_protocols["subject"] != "S3")]
    table = leaderboard(lost, bootstrap=200).set_index("protocol")
    assert table.loc["cold_start", ["people", "missing"]].tolist() == [3, "S3"]
    assert table.loc["rest_calibrated", ["people", "missing", "people_cold"]].tolist() == [4, "", 3]
    assert table.loc["rest_calibrated", "difference"] == pytest.approx(-0.2 / 3)


def test_the_leaderboard_is_the_scores_with_who_could_use_it(random_predictions):
    upper = random_predictions[random_predictions["model"] == "one"].assign(protocol="whole_recording")
    table = leaderboard(pd.concat([upper, random_predictions]), bootstrap=200)
    assert table["protocol"].tolist() == ["whole_recording", "cold_start", "cold_start"]
    assert table["model"].tolist() == ["one", "one", "two"] and table["deployable"].tolist() == [False, True, True]
    scores = score(random_predictions, bootstrap=200)
    same = table[table["protocol"] == "cold_start"].reset_index(drop=True)
    pd.testing.assert_frame_equal(same[list(scores)], scores)
    assert table["difference"].tolist()[0] == 0 and table["people"].tolist() == [8] * 3
    accepted = leaderboard(random_predictions, windows="accepted", bootstrap=200)
    assert (accepted["coverage"] < 1).all()


def test_a_fold_that_failed_under_one_seed_costs_its_person_and_no_other(random_predictions):
    kept = random_predictions.query("not (subject == 'S4' and seed == 5 and model == 'two')")
    table = leaderboard(kept, bootstrap=200).set_index("model")
    assert table["missing"].to_dict() == {"one": "", "two": "S4"} and table["people"].to_dict() == {"one": 8, "two": 7}
    without = random_predictions.query("subject != 'S4' and model == 'two'")
    assert table.loc["two", "accuracy"] == pytest.approx(score(without, bootstrap=200)["accuracy"][0])
    assert np.isnan(person_scores(kept, "stress-baseline", "cold_start").loc["S4", "two"])
    counts = score(main_predictions(kept), bootstrap=200).set_index("model")["n_windows"]
    assert counts.to_dict() == {"one": 8 * 14, "two": 7 * 14}


def test_tasks_stand_apart_on_the_leaderboard(random_predictions):
    one = random_predictions[random_predictions["model"] == "one"]
    other = one[one["subject"] != "S2"].rename(columns={"p_baseline": "p_non-stress"})
    other = other.assign(task="stress-non-stress", label=other["label"].replace("baseline", "non-stress"))
    table = leaderboard(pd.concat([one, other]), bootstrap=200).set_index("task")
    assert table["people"].to_dict() == {"stress-baseline": 8, "stress-non-stress": 7}
    assert table["missing"].tolist() == ["", ""], "nobody of the other task is missed here"
    alone = score(other, bootstrap=200).iloc[0]
    assert table.loc["stress-non-stress", "accuracy"] == alone["accuracy"] and table["difference"].isna().all()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda p: pd.concat([p, p.head(1).assign(model="x", deployable=False, shortcut="s")]), "the shortcut `s`"),
        (lambda p: p.assign(protocol="warm"), "unknown protocol `warm`; the protocols are cold_start, "),
        (lambda p: pd.concat([p, p.head(1)]), "cold_start, one, seed 0: two predictions of window 0"),
        (lambda p: p.iloc[:0], "no predictions to score"),
    ],
)
def test_what_is_no_honest_score_is_refused(predictions, spoil, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        leaderboard(spoil(predictions))


def test_scores_by_person_keep_people_that_a_model_lacks(predictions):
    second = predictions[predictions["subject"] == "S2"].assign(model="two")
    table = person_scores(pd.concat([predictions, second]), "stress-baseline", "cold_start")
    assert table.columns.tolist() == ["one", "two"] and table.index.tolist() == ["S2", "S3"]
    assert table.to_numpy().ravel().tolist() == pytest.approx([0.75, 0.75, 0.5, np.nan], nan_ok=True)
    with pytest.raises(InputError, match="no predictions of `stress-baseline` under `other`; there are those of "):
        person_scores(predictions, "stress-baseline", "other")


@pytest.fixture
def accuracy():
    """Eight people; `good` beats `poor` on all, `same` equals `poor`."""
    poor = pd.Series([0.70, 0.72, 0.75, 0.78, 0.80, 0.83, 0.85, 0.88], PEOPLE)
    gain = np.array([0.05, 0.08, 0.04, 0.10, 0.06, 0.07, 0.03, 0.09])
    return pd.DataFrame({"poor": poor, "same": poor, "good": poor + gain})


def test_friedman_agrees_with_scipy_ranks_the_best_first_and_leaves_out_incomplete_people(accuracy):
    test = friedman(accuracy)
    assert test.mean_ranks.to_dict() == {"poor": 2.5, "same": 2.5, "good": 1.0}
    assert test.p == stats.friedmanchisquare(*accuracy.to_numpy().T).pvalue
    assert test.agreement == pytest.approx(1), "all rank alike, and the statistic is corrected for ties"
    # Demšar's table 5a: q = 2.343 for three models at 5 %.
    assert test.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 8)), abs=2e-3)
    alike = friedman(pd.DataFrame({name: accuracy["poor"] for name in "abc"}))
    assert np.isnan(alike.p) and alike.mean_ranks.tolist() == [2, 2, 2]
    assert np.isnan(friedman(accuracy[["poor", "good"]]).p)
    accuracy.loc["S2", "good"] = np.nan
    assert friedman(accuracy).p == friedman(accuracy.drop(index="S2")).p
    with pytest.raises(InputError, match="1 people with a score of each of 3"):
        friedman(accuracy.iloc[:2])


def test_nemenyi_calls_different_what_is_further_apart_than_the_critical_difference():
    generator = np.random.default_rng(0)
    scores = pd.DataFrame(generator.normal([0, 0.3, 0.6, 2], 0.5, (12, 4)), columns=list("abcd"))
    test, p = friedman(scores), nemenyi(scores)
    apart = np.abs(test.mean_ranks.to_numpy()[:, None] - test.mean_ranks.to_numpy()) > test.critical_difference
    assert ((p.to_numpy() < 0.05) == apart).all() and apart.any() and not apart[0, 1]
    assert p.index.tolist() == p.columns.tolist() == list("abcd")


def test_every_pair_is_tested_exactly_and_adjusted_for_all_pairs(accuracy):
    accuracy["better"] = accuracy["good"] + [0.01, -0.02, 0.03, 0.01, 0.02, 0.01, 0.02, 0.01]
    table = pairwise(accuracy, bootstrap=200)
    assert len(table) == 6
    row = table.set_index(["first", "second"]).loc[("poor", "good")]
    assert (row["better"], row["worse"], row["p"]) == (8, 0, 2 / 2**8)
    assert row["difference"] == pytest.approx(0.065) and row["low"] < 0.065 < row["high"]
    assert row["rank_biserial"] == 1
    assert table["p_holm"].tolist() == holm(table["p"]).tolist() and table["p"].is_monotonic_increasing
    tied = table.set_index(["first", "second"]).loc[("poor", "same")]
    assert tied["p"] == 1 and np.isnan([tied["rank_biserial"], tied["effect_size"]]).all()
    with pytest.raises(InputError, match=r"1 model\(s\): to compare needs at least 2"):
        pairwise(accuracy[["poor"]])
    assert distinct(accuracy.assign(chosen=accuracy["good"] + 1e-15)).columns.tolist() == ["poor", "good", "better"]


def test_effect_sizes():
    difference = pd.Series([0.04, -0.01, 0.02, 0.0, 0.03])
    for sign in (1, -1):
        test = paired_test(0 * difference, sign * difference)
        assert (test.better, test.worse, test.equal) == ((3, 1, 1) if sign == 1 else (1, 3, 1))
        # Ranks of the four that differ: 4, 1, 2, 3; favourable 9, unfavourable 1.
        assert sign * test.rank_biserial == pytest.approx(0.8)
        assert sign * test.effect_size == pytest.approx(difference.mean() / difference.std() * (1 - 3 / 15))
    assert np.isnan(paired_test(0 * difference, 0 * difference + 0.1).effect_size)


def test_what_is_shown_is_said_with_its_direction(accuracy):
    text = describe_pairs(pairwise(accuracy, bootstrap=200))
    assert text.startswith("3 pairs of models were compared on 8 people. They show that accuracy differs for 2, ")
    assert "good over poor (6.5, p 0.023), same (6.5, p 0.023)." in text
    turned = describe_pairs(pairwise(1 - accuracy, bootstrap=200))
    assert "poor over good (6.5, p 0.023); same over good" in turned


def test_what_is_not_shown_is_not_claimed(accuracy):
    few = describe_pairs(pairwise(accuracy.iloc[:5], bootstrap=200))
    assert "So few people cannot show that any pair differs, whatever their scores" in few and "0.19" in few
    noise = pd.DataFrame(np.random.default_rng(1).normal(0.8, 0.05, (8, 3)), PEOPLE, columns=list("abc"))
    pairs = pairwise(noise, bootstrap=200)
    text, detectable = describe_pairs(pairs), 100 * pairs["detectable"]
    assert "They show no difference in accuracy for any pair" in text and "over" not in text
    assert f"is {detectable.min():.1f} to {detectable.max():.1f} points, depending on the pair;" in text


def test_published_figures_are_cited_with_their_protocol(repository):
    figures = published_figures()
    keys = set(re.findall(r"^@\w+\{(\w+),", (repository / "book" / "references.bib").read_text(), re.MULTILINE))
    assert set(figures["key"]) <= keys
    assert figures["value"].between(0, 1).all() and figures["protocol"].str.len().gt(0).all()
    table = tabulate_published(figures)
    row = next(line for line in table.splitlines() if "ResNet-1D" in line)
    assert "{cite}`matteucci2026biomarker`" in row and "the left-out person chooses epoch" in row
    assert "accuracy 96.1 %, area under ROC 0.991, calibration error (ECE) 0.06 |" in row


def test_a_protocol_without_a_cold_start_has_nothing_to_be_compared_with(both_protocols):
    alone = both_protocols[both_protocols["protocol"] == "rest_calibrated"]
    assert against_cold_start(alone).empty and leaderboard(alone, bootstrap=200)["accuracy_cold"].isna().all()
    row = against_cold_start(both_protocols[both_protocols["subject"] == "S2"]).iloc[0]
    assert row["accuracy_cold"] == 1 and np.isnan(row["difference"])
