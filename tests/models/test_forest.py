import numpy as np
import pytest
from wesadlib.models.forest import Forest

from wesadlib.features import extract_features


@pytest.fixture(scope="module")
def windows(_toy_windows):
    return extract_features(_toy_windows)


@pytest.fixture(scope="module")
def split(windows):
    new = windows["subject"].isin(["S6", "S7"]).values
    return windows.isel(window=~new), windows.isel(window=new)


def test_people_who_were_not_seen_are_recognised(split):
    probability = Forest(trees=100).fit(split[0], seed=0).predict_proba(split[1])
    chosen = probability["state"].values[probability.argmax("state").values]
    assert (chosen == split[1]["label"].values).mean() >= 0.9


def test_it_has_as_many_trees_as_asked_and_no_leaf_of_fewer_windows(split):
    forest = Forest(trees=7, leaf=5).fit(split[0], seed=0).pipeline_[-1]
    assert len(forest.estimators_) == 7
    for tree in forest.estimators_:
        leaves = tree.tree_.children_left == -1
        assert len(leaves) > 1
        assert tree.tree_.n_node_samples[leaves].min() >= 5


def test_states_count_alike_however_often_they_occur(split):
    train, test = split
    stress = np.flatnonzero(train["label"].values == "stress")
    more = train.isel(window=np.concatenate([np.arange(train.sizes["window"]), *[stress] * 5]))
    # In leaves of a quarter of the windows there are both states, so that it matters how much each window counts.
    few, many = (Forest(trees=100, leaf=part.sizes["window"] // 4).fit(part, seed=0) for part in (train, more))
    difference = many.predict_proba(test) - few.predict_proba(test)
    assert abs(float(difference.sel(state="stress").mean())) < 0.1


def test_a_monotone_change_of_scale_is_of_no_consequence_without_rest(split):
    train, test = split
    changed = [part.assign(feature=np.sign(part["feature"]) * abs(part["feature"]) ** 3) for part in split]
    first = Forest(trees=100).fit(train, seed=0).predict_proba(test)
    second = Forest(trees=100).fit(changed[0], seed=0).predict_proba(changed[1])
    # Thresholds lie half-way between neighbours, on either scale.
    assert float(abs(first - second).mean()) < 0.03
