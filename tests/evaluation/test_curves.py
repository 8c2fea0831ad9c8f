import numpy as np
import pytest

from wesadlib.evaluation.scores import confusion, roc_curves, score


def test_confusion_is_counted_by_label(predictions):
    table = confusion(predictions).set_index(["label", "predicted"])
    assert table["n_windows"].to_dict() == {
        ("baseline", "baseline"): 2,
        ("baseline", "stress"): 1,
        ("stress", "baseline"): 1,
        ("stress", "stress"): 2,
    }
    assert table.loc[("stress", "stress"), "share"] == pytest.approx(2 / 3)


def test_confusion_gives_the_accuracy_of_the_mean_seed(random_predictions):
    table = confusion(random_predictions, "accepted")
    right = table[table["label"] == table["predicted"]].groupby("model")["n_windows"].sum()
    share = right / table.groupby("model")["n_windows"].sum()
    expected = score(random_predictions, windows="accepted").set_index("model")["accuracy"]
    assert share.to_dict() == pytest.approx(expected.to_dict())


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
