import re

import numpy as np
import pandas as pd
import pytest

from wesadlib.errors import InputError
from wesadlib.evaluation.learning import learning_curve, learning_folds, rise, score_curve
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.sentences import describe_rise
from wesadlib.params import Params


def curve(windows, sizes, names=("plain",), seeds=(0,), **options):
    return learning_curve(names, windows, sizes, seeds=seeds, params=Params(), progress=False, **options)


def people(windows, positions):
    return set(windows["subject"].values[positions])


def test_a_group_is_drawn_from_the_others_and_holds_the_smaller_ones(small_windows):
    groups = {}
    for size in (1, 2, 3, 4):
        for fold in learning_folds(small_windows, size, validation_subjects=1, seed=0):
            train, validation = people(small_windows, fold.train), people(small_windows, fold.validation)
            assert people(small_windows, fold.test) == {fold.held_out}
            assert not train & validation and fold.held_out not in train | validation
            assert len(train | validation) == size and len(validation) == min(1, size - 1)
            groups[fold.held_out, size] = train | validation
    for (held_out, size), group in groups.items():
        assert group <= groups.get((held_out, size + 1), group)
    draws = [
        [people(small_windows, fold.train) for fold in learning_folds(small_windows, 2, validation_subjects=0, seed=s)]
        for s in (0, 1)
    ]
    assert draws[0] != draws[1]


def test_with_everybody_it_is_a_cold_start_whose_folds_are_kept(small_windows, tmp_path):
    models, options = ["centroid", "plain"], {"seeds": [3], "folds": tmp_path}
    cold = evaluate(models, small_windows, progress=False, **options)
    whole = curve(small_windows, [4], models, **options)
    assert (whole["protocol"] == "learning_4").all() and (whole["size"] == 4).all()
    pd.testing.assert_frame_equal(whole.drop(columns="size").assign(protocol="cold_start"), cold)
    assert len(list(tmp_path.iterdir())) == 2 * 5


def test_more_people_than_there_are_is_one_sentence(small_windows):
    with pytest.raises(InputError, match=r"a learning curve of 5 subject\(s\) has no size 5; sizes are 1 to 4"):
        curve(small_windows, [2, 5])


def test_scores_carry_the_size(small_windows):
    predictions = curve(small_windows, [3, 2], ["plain", "centroid"], seeds=[0, 1])
    pooled, by_subject = score_curve(predictions, bootstrap=200), score_curve(predictions, "subject")
    assert pooled["model"].tolist() == 2 * ["plain"] + 2 * ["centroid"] and pooled["size"].tolist() == [2, 3, 2, 3]
    assert len(by_subject) == 4 * 5 and pooled["seeds"].tolist() == [[0, 1]] * 4
    one = predictions[(predictions["model"] == "plain") & (predictions["size"] == 3)]
    right = (one["p_stress"] > 0.5) == (one["label"] == "stress")
    assert pooled["accuracy"].iloc[1] == pytest.approx(right.mean())


def scores(per_doubling, noise, number=10):
    """Ten people whose accuracy rises by so much with each doubling, more or less."""
    generator = np.random.default_rng(0)
    rows = []
    for k in range(number):
        own = per_doubling + noise * generator.normal()
        # The first size is far off the line, and not among the last three.
        rows += [("plain", f"S{k}", 1, 0.1)]
        rows += [("plain", f"S{k}", size, 0.6 + own * np.log2(size)) for size in (2, 4, 8)]
    return pd.DataFrame(rows, columns=["model", "subject", "size", "accuracy"])


def test_the_rise_is_that_of_the_last_sizes_over_people():
    row = rise(scores(0.02, 0.01), bootstrap=500).iloc[0]
    slopes = scores(0.02, 0.01).query("size > 1").groupby("subject")["accuracy"].agg(lambda a: (a.max() - a.min()) / 2)
    assert row["rise"] == pytest.approx(slopes.mean(), abs=1e-3)
    assert (row["smallest"], row["largest"], row["people"]) == (2, 8, 10)
    assert row["low"] < row["rise"] < row["high"] and row["p"] < 0.05
    assert rise(scores(0.02, 0.01).query("size == 2")).empty and rise(scores(0.02, 0.01, number=1)).empty


@pytest.mark.parametrize(
    ("value", "noise", "words"),
    [
        (0.03, 0.01, "So more people helped; .* 16 people would add about as much again"),
        (0.0, 0.03, "neither a rise nor a plateau is shown"),
        (-0.03, 0.01, "more people made it worse"),
    ],
)
def test_a_rise_that_is_not_shown_is_not_promised(value, noise, words):
    assert re.search(words, describe_rise(rise(scores(value, noise)).iloc[0]))
