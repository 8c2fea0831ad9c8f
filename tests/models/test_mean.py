"""The mean of models."""

import json
import shutil

import numpy as np
import pytest
from model_examples import of

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.models import predict
from wesadlib.models.mean import Mean
from wesadlib.models.resnet import ResNet
from wesadlib.models.tabular import Boosting, Forest, Logistic
from wesadlib.params import Params


@pytest.fixture(scope="module")
def split(examples):
    return of(examples, "S2", "S3", "S4"), of(examples, "S5"), of(examples, "S6", "S7")


def members():
    return {"logistic": Logistic(), "forest": Forest(trees=10)}


@pytest.fixture(scope="module")
def fitted(split):
    return Mean(members()).fit(*split[:2], seed=4)


class Validating(Logistic):
    """Keeps what it is asked."""

    name = "validating"
    validates = True

    def fit(self, *arguments, **keywords):
        self.call = (*arguments, keywords)
        return self


def test_it_is_the_mean_of_its_members_each_fitted_by_itself(split, fitted):
    alone = [predict(member.fit(*split[:2], seed=4), split[2]) for member in members().values()]
    np.testing.assert_allclose(predict(fitted, split[2]), (alone[0] + alone[1]) / 2, rtol=0, atol=1e-12)
    assert abs(alone[0] - alone[1]).max() > 0.01


def test_rest_of_its_members_stands_one_after_the_other(examples, split):
    rest, rest_of_tested = (of(examples, *people, rest=True) for people in (("S2", "S3", "S4", "S5"), ("S6", "S7")))
    members = {"resnet": ResNet(width=2, epochs=1), "logistic": Logistic()}
    mean = Mean(members).fit(*split[:2], rest=rest, seed=4)
    assert mean.rest_size_ == sum(member.rest_size_ for member in mean.members.values()) > 0
    alone = [predict(member, split[2], rest_of_tested) for member in mean.members.values()]
    np.testing.assert_allclose(predict(mean, split[2], rest_of_tested), (alone[0] + alone[1]) / 2, atol=1e-12)


def test_every_member_is_given_all_that_the_mean_is_given(split):
    member = Validating()
    Mean({"validating": member}).fit(split[0], split[1], rest=split[2], seed=5, progress=print)
    train, validation, keywords = member.call
    assert train is split[0] and validation is split[1]
    assert keywords == {"rest": split[2], "seed": 5, "progress": print}


def test_it_validates_when_a_member_does():
    assert Mean({"logistic": Logistic(), "validating": Validating()}).validates is True
    assert Mean({"logistic": Logistic(), "boosting": Boosting()}).validates is False


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
        ([], "no models"),
    ],
)
def test_names_that_make_no_mean_are_refused(names, sentence):
    with pytest.raises(InputError, match=sentence):
        Mean.from_params(Params.model_construct(mean_of=names, classes=["baseline", "stress"]))


def test_members_of_other_states_are_refused():
    with pytest.raises(InputError, match="`forest` tells baseline, amusement apart and `logistic` baseline, stress"):
        Mean({"logistic": Logistic(), "forest": Forest(["baseline", "amusement"])})


def test_a_missing_or_exchanged_member_is_named(split, fitted, tmp_path):
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forest", "logistic", "model.json"]
    alone = models.load(tmp_path / "forest")
    np.testing.assert_array_equal(predict(alone, split[2]), predict(fitted.members["forest"], split[2]))
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
