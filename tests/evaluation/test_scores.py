import numpy as np
import pandas as pd
import pytest
from known_predictions import make_predictions
from sklearn import metrics

from wesadlib.errors import InputError
from wesadlib.evaluation.folds import task_name
from wesadlib.evaluation.predictions import decide
from wesadlib.evaluation.scores import METRICS, confidence_bin, confusion, roc_curves, score, score_intervals

SUMMARY = "task model protocol seeds windows n_windows coverage accuracy accuracy_low accuracy_high"


def test_a_row_says_what_was_scored(predictions):
    (row,) = score(predictions).to_dict("records")
    assert list(row) == [*SUMMARY.split(), *list(METRICS)[1:]]
    assert row["seeds"] == [0] and row["n_windows"] == 6 and row["coverage"] == 1
    assert row["accuracy"] == pytest.approx(4 / 6)
    # Of nine pairs, 0.9 and 0.8 win all three each, 0.2 wins against 0.1 alone.
    assert row["roc_auc"] == pytest.approx(7 / 9)


@pytest.mark.filterwarnings("error")
def test_scores_of_one_person_have_no_interval_and_no_rank_without_both_states(predictions):
    table = score(predictions, by="subject").set_index("subject")
    assert table.columns.tolist() == score(predictions).columns.tolist()
    assert table["accuracy"].to_dict() == {"S2": 0.75, "S3": 0.5}
    assert table["roc_auc"].to_dict() == {"S2": 1.0, "S3": 0.0}
    assert table[["accuracy_low", "accuracy_high"]].isna().all(axis=None)
    calm = score(predictions[predictions["label"] == "baseline"], by="subject").set_index("subject")
    assert calm["accuracy"].to_dict() == {"S2": 0.5, "S3": 1.0}
    assert calm[["roc_auc", "balanced_accuracy", "macro_f1"]].isna().all(axis=None)


def test_accepted_windows_and_their_coverage(predictions):
    predictions["accepted"] = [True, False, True, True, False, False]
    (row,) = score(predictions, windows="accepted").to_dict("records")
    assert (row["n_windows"], row["coverage"], row["accuracy"], row["windows"]) == (3, 0.5, 1.0, "accepted")
    with pytest.raises(InputError, match="cold_start: quality accepted no window, so none can be scored"):
        score(predictions.assign(accepted=False), windows="accepted")
    by_subject = score(predictions, by="subject", windows="accepted").set_index("subject")
    assert by_subject.loc["S3", "n_windows"] == 0 and by_subject.loc["S3", "coverage"] == 0
    assert by_subject.loc["S3", list(METRICS)].isna().all()


def test_seeds_are_scored_apart_and_averaged(predictions):
    other = predictions.assign(seed=4, p_stress=1 - predictions["p_stress"], p_baseline=predictions["p_stress"])
    both, *alone = (score(table).iloc[0] for table in (pd.concat([other, predictions]), predictions, other))
    assert both["seeds"] == [0, 4] and both["n_windows"] == 6
    mean = pd.concat(alone, axis=1).T[list(METRICS)].mean()
    assert both[list(METRICS)].tolist() == pytest.approx(mean.tolist())
    with pytest.raises(InputError, match="stress-baseline, one, cold_start: its seeds cover different windows"):
        score(pd.concat([predictions, other.iloc[1:]]))


def test_calibration_error_of_known_cases():
    def error(confidence, correct):
        labels = np.where(correct, "stress", "baseline")
        return score(make_predictions(list(zip(["S2"] * len(labels), labels, confidence, strict=True))))["ece"].item()

    assert (error([1.0, 1.0], [True, True]), error([1.0, 1.0], [False, False])) == (0, 1)
    assert error([0.8] * 10, [True] * 9 + [False]) == pytest.approx(0.1)
    # Over-confident and under-confident windows cancel within a bin and not between bins.
    assert error([0.91, 0.91], [True, False]) == pytest.approx(0.41)
    assert error([0.6, 0.9], [True, False]) == pytest.approx((0.4 + 0.9) / 2)
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 200_000)
    assert error(confidence, generator.random(200_000) < confidence) < 0.01


def test_bins_are_closed_on_the_right():
    assert confidence_bin(np.array([0.0, 1 / 15, 1 / 15 + 1e-7, 0.5, 1.0])).tolist() == [0, 0, 1, 7, 14]


def test_scores_of_two_and_of_three_states_agree_with_scikit_learn():
    generator, tables, expected = np.random.default_rng(0), [], {}
    for names in (["stress", "baseline"], ["stress", "baseline", "amusement"]):
        label = generator.choice(names, 200)
        # Tenths, so that many are tied.
        probability = generator.multinomial(10, np.full(len(names), 1 / len(names)), 200) / 10
        table = make_predictions([("S2", name, 0.5) for name in label]).drop(columns=["p_baseline", "p_stress"])
        table[[f"p_{name}" for name in names]] = probability
        tables.append(table.assign(task=task_name(names)))
        predicted, order = np.array(names)[probability.argmax(axis=1)], np.argsort(names)
        area = probability[:, order[1]] if len(names) == 2 else probability[:, order]
        expected[task_name(names)] = {
            "accuracy": metrics.accuracy_score(label, predicted),
            "balanced_accuracy": metrics.balanced_accuracy_score(label, predicted),
            "macro_f1": metrics.f1_score(label, predicted, average="macro"),
            "roc_auc": metrics.roc_auc_score(label, area, multi_class="ovr"),
            "brier": metrics.brier_score_loss(label, probability[:, order], labels=sorted(names)),
        }
    # In one table, in which each has nothing of the other's states.
    scores = score(pd.concat(tables)).set_index("task")
    for task, values in expected.items():
        assert scores.loc[task, list(values)].to_dict() == pytest.approx(values)


def test_scores_do_not_care_for_the_order_of_rows(random_predictions):
    mixed = random_predictions.sample(frac=1, random_state=4)
    for tabulate, keys in ((score, ["model"]), (score_intervals, ["model", "metric"])):
        first, second = (tabulate(part).set_index(keys).sort_index() for part in (random_predictions, mixed))
        pd.testing.assert_frame_equal(first, second, rtol=1e-12)


def test_fast_intervals_agree_with_drawing_people_one_by_one(random_predictions):
    one = random_predictions.query("model == 'one' and seed == 3")
    people, draws = one["subject"].unique(), 60
    weights = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), size=draws)
    slow = []
    for weight in weights:
        drawn = [one[one["subject"] == who] for who, times in zip(people, weight, strict=True) for _ in range(times)]
        sample = pd.concat(drawn).assign(window=np.arange(sum(map(len, drawn))))
        slow.append(score(sample, bootstrap=100)[list(METRICS)].iloc[0])
    slow = pd.DataFrame(slow)
    for row in score_intervals(one, bootstrap=draws).itertuples():
        assert (row.low, row.high) == pytest.approx(tuple(slow[row.metric].quantile([0.025, 0.975])))


@pytest.mark.parametrize("options", [{"by": "window"}, {"windows": "good"}])
def test_what_cannot_be_scored_is_one_sentence(predictions, options):
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=f"^{name}='{value}': "):
        score(predictions, **options)


def test_decisions_keep_the_order_and_index_of_the_rows(predictions):
    decided = decide(predictions.iloc[::-1])
    assert decided.index.tolist() == [5, 4, 3, 2, 1, 0]
    assert decided.loc[1, ["predicted", "confidence", "correct"]].tolist() == ["stress", 0.6, False]


def test_confusion_is_counted_by_label_as_a_mean_of_seeds(predictions):
    table = confusion(predictions.iloc[:5]).set_index(["label", "predicted"])
    assert table["n_windows"].unstack().to_numpy().tolist() == [[2, 1], [0, 2]]
    assert table.loc[("baseline", "stress"), "share"] == pytest.approx(1 / 3)
    wrong = predictions.assign(seed=1, p_stress=predictions["p_baseline"], p_baseline=predictions["p_stress"])
    assert confusion(pd.concat([predictions, wrong]))["n_windows"].tolist() == 4 * [1.5]


def test_the_area_under_the_curve_is_the_score(random_predictions):
    for by in (None, "subject"):
        keys = ["model", by] if by else ["model"]
        expected = score(random_predictions, by=by).set_index(keys)["roc_auc"]
        for key, part in roc_curves(random_predictions, by=by).groupby(keys):
            area = np.trapezoid(part["true_positive_rate"], part["false_positive_rate"])
            assert area == pytest.approx(expected.loc[key if by else key[0]], abs=0.02)


def test_a_perfect_ranking_rises_at_once_and_one_sided_people_have_no_curve(predictions):
    curves = roc_curves(predictions, by="subject").set_index("subject")
    assert curves.loc["S2", "true_positive_rate"].tolist() == [0.0] + [1.0] * 101
    one_sided = predictions[(predictions["subject"] == "S2") | (predictions["label"] == "stress")]
    assert set(roc_curves(one_sided, by="subject")["subject"]) == {"S2"}
