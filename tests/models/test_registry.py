"""The registry: names, homes, folders; and nothing imported before it is asked for."""

import json
import subprocess
import sys

import pytest

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.params import Params
from wesadlib.plots import MODEL_COLORS

PARAMS = Params()
NAMES = ["logistic", "forest", "boosting", "resnet", "joint", "mean", "physiology"]


def test_models_are_registered_in_the_order_in_which_they_are_compared():
    ours = [name for name, home in models.MODELS.items() if home.startswith("wesadlib.")]
    assert ours == NAMES
    assert list(MODEL_COLORS)[: len(ours)] == ours


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_made_of_params(name):
    model = models.create(name, Params(classes=["amusement", "baseline"]))
    assert (model.name, model.classes) == (name, ["amusement", "baseline"])


def test_a_folder_without_a_model_is_refused_by_its_path(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path / "model.json")):
        models.load(tmp_path)
    for text in ("{", "[]", "{}"):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(InputError, match="not the description of a saved model"):
            models.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"model": "oracle"}))
    with pytest.raises(InputError, match=f"unknown model `oracle`; the models are {', '.join(NAMES)}"):
        models.load(tmp_path)


def test_a_name_is_given_once(monkeypatch):
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    models.register("mine", "json:JSONDecoder")
    models.register("mine", "json:JSONDecoder")
    with pytest.raises(InputError, match="`mine` is taken by json:JSONDecoder"):
        models.register("mine", "json:JSONEncoder")


def test_the_registry_imports_no_package_of_a_model():
    code = (
        "import sys; from wesadlib import models; print(*models.MODELS); "
        "print([name for name in ('torch', 'sklearn', 'skops', 'xarray') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == [" ".join(NAMES), "[]"]
