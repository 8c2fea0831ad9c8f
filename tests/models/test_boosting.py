import numpy as np
import pytest
from wesadlib.models.boosting import Boosting

from wesadlib.features import extract_features


@pytest.fixture(scope="module")
def split(make_windows_of_toys):
    windows = extract_features(make_windows_of_toys(per_subject=24, window_s=24.0))
    new = windows["subject"].isin(["S6", "S7"]).values
    return windows.isel(window=~new), windows.isel(window=new)


def test_people_who_were_not_seen_are_recognised(split):
    probability = Boosting().fit(split[0], seed=0).predict_proba(split[1])
    chosen = probability["state"].values[probability.argmax("state").values]
    assert (chosen == split[1]["label"].values).mean() >= 0.9


def test_all_rounds_are_run_and_no_window_is_kept_back_to_stop_them(split):
    boosting = Boosting(rounds=30).fit(split[0], seed=0).pipeline_[-1]
    assert boosting.n_iter_ == 30
    assert len(boosting.validation_score_) == 0


def test_states_count_alike_however_often_they_occur(split):
    train, test = split
    stress = np.flatnonzero(train["label"].values == "stress")
    more = train.isel(window=np.concatenate([np.arange(train.sizes["window"]), *[stress] * 5]))
    few, many = (Boosting(rounds=20).fit(part, seed=0).predict_proba(test) for part in (train, more))
    logit = np.log(many / (1 - many)) - np.log(few / (1 - few))
    # The shift that unbalanced windows would cause is log 6, as far as twenty rounds go.
    assert abs(float(logit.sel(state="stress").mean())) < 0.6
