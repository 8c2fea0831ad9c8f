import json
import shutil

import numpy as np
import pytest
import xarray as xr
from wesadlib.models.boosting import Boosting
from wesadlib.models.forest import Forest
from wesadlib.models.logistic import Logistic

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models.mean import Mean
from wesadlib.params import Params


@pytest.fixture(scope="module")
def split(_toy_windows):
    windows = extract_features(_toy_windows)
    person = windows["subject"].values
    return tuple(windows.isel(window=np.isin(person, people)) for people in (["S2", "S3", "S4"], ["S5"], ["S6", "S7"]))


def members():
    return {"logistic": Logistic(), "forest": Forest(trees=10)}


@pytest.fixture(scope="module")
def fitted(split):
    return Mean(members()).fit(*split[:2], seed=4)


class Validating:
    """Keeps what it is asked."""

    name = "validating"
    classes = ("baseline", "stress")

    def __init__(self, validates=True):
        self.validates, self.calls, self.classes = validates, [], ["baseline", "stress"]

    def fit(self, train, validation=None, **keywords):
        self.calls.append((train, validation, keywords))
        return self

    def predict_proba(self, windows, *, rest=None):
        self.calls.append((windows, rest))
        return Logistic().fit(windows, seed=0).predict_proba(windows).transpose("state", "window")


def test_it_is_the_mean_of_its_members_each_fitted_by_itself(split, fitted):
    alone = [member.fit(*split[:2], seed=4).predict_proba(split[2]) for member in members().values()]
    probability = fitted.predict_proba(split[2])
    np.testing.assert_allclose(probability, (alone[0] + alone[1]) / 2, rtol=0, atol=1e-12)
    assert float(abs(alone[0] - alone[1]).max()) > 0.01
    assert probability.dims == ("window", "state")


def test_members_that_learn_from_everybody_are_the_same_beside_one_that_validates(split, fitted):
    # The runner gives validation people apart when any member needs them, and joined when none does.
    joined = xr.concat([split[1], split[0]], dim="window", data_vars="minimal")
    together = Mean(members()).fit(joined, None, seed=4).predict_proba(split[2])
    np.testing.assert_array_equal(together, fitted.predict_proba(split[2]))


def test_every_member_is_given_all_that_the_mean_is_given(split):
    member, report = Validating(), print
    mean = Mean({"validating": member}).fit(split[0], split[1], rest=split[2], seed=5, progress=report)
    probability = mean.predict_proba(split[2], rest=split[1])
    (train, validation, keywords), (windows, rest) = member.calls
    assert (train is split[0], validation is split[1], windows is split[2], rest is split[1]) == (True,) * 4
    assert keywords["rest"] is split[2]
    assert (keywords["seed"], keywords["progress"]) == (5, report)
    assert probability.dims == ("window", "state")


def test_it_validates_when_a_member_does():
    assert Mean({"logistic": Logistic(), "validating": Validating()}).validates is True
    assert Mean({"logistic": Logistic(), "validating": Validating(validates=False)}).validates is False


def test_it_is_made_of_params():
    mean = models.create("mean", Params(mean_of=["boosting", "logistic"], classes=["baseline", "amusement"]))
    assert list(mean.members) == ["boosting", "logistic"]
    assert isinstance(mean.members["boosting"], Boosting)
    assert mean.classes == mean.members["logistic"].classes == ["baseline", "amusement"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["logistic", "mean"], "`mean_of`: a mean of itself; a mean may be of logistic, forest"),
        (["logistic", "oracle"], "`mean_of`: unknown model `oracle`; a mean may be of logistic, forest"),
        (["logistic", "forest", "logistic"], "`mean_of`: `logistic` twice"),
    ],
)
def test_names_that_make_no_mean_are_refused(names, sentence):
    with pytest.raises(InputError, match=sentence):
        Mean.from_params(Params.model_construct(mean_of=names, classes=["baseline", "stress"]))


def test_members_of_other_states_and_no_members_are_refused():
    with pytest.raises(InputError, match="`forest` tells baseline, amusement apart and `logistic` baseline, stress"):
        Mean({"logistic": Logistic(), "forest": Forest(["baseline", "amusement"])})
    with pytest.raises(InputError, match="no models"):
        Mean({})


def test_it_is_saved_as_a_folder_of_members(split, fitted, tmp_path):
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forest", "logistic", "model.json"]
    loaded = models.load(tmp_path)
    assert list(loaded.members) == ["logistic", "forest"]
    np.testing.assert_array_equal(loaded.predict_proba(split[2]), fitted.predict_proba(split[2]))
    alone = models.load(tmp_path / "forest")
    np.testing.assert_array_equal(alone.predict_proba(split[2]), fitted.members["forest"].predict_proba(split[2]))


def test_a_missing_or_exchanged_member_is_named(fitted, tmp_path):
    fitted.save(tmp_path)
    shutil.rmtree(tmp_path / "forest")
    with pytest.raises(InputError, match=r"forest: this member of a saved mean is missing; save the model again\.$"):
        Mean.load(tmp_path)
    shutil.copytree(tmp_path / "logistic", tmp_path / "forest")
    with pytest.raises(InputError, match="forest: holds the model `logistic`"):
        Mean.load(tmp_path)


@pytest.mark.parametrize("members", [["../elsewhere"], ["mean"], [3], "logistic", None])
def test_a_damaged_description_is_refused(fitted, tmp_path, members):
    fitted.save(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"model": "mean", "members": members}))
    with pytest.raises(InputError, match=r"model\.json"):
        Mean.load(tmp_path)
