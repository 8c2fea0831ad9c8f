"""A bundle of a model on features needs no torch; one of a network says in a sentence that it does."""

import subprocess
import sys

import minutes
import pytest

ABSENT = """
class Absent:
    def find_spec(self, name, *rest):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)
sys.meta_path.insert(0, Absent())
"""
SCRIPT = """
import sys
{before}
from wesadlib.bundle import load_bundle
from wesadlib.errors import InputError
try:
    bundle = load_bundle(sys.argv[1])
except InputError as error:
    print(error)
else:
    windows = bundle.example().windows(60, 60)
    print(bundle.classify(windows, [None, *[bundle.rest_values(windows)] * 3])[1].answer.status)
    print([name for name in ("torch", "ray", "fastapi", "openvino") if sys.modules.get(name)])
"""


def load(folder, before=""):
    command = [sys.executable, "-c", SCRIPT.format(before=before), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("before", ["", ABSENT], ids=["installed", "not installed"])
def test_a_model_on_features_answers_without_torch(tmp_path, before):
    folder = minutes.save_small_bundle("logistic", tmp_path / "bundle", people=3, rested=True)
    assert load(folder, before) == ["ok", "[]"]


def test_a_network_without_torch_is_one_sentence_with_the_command(tmp_path):
    folder = minutes.save_small_bundle("resnet", tmp_path / "bundle", people=3)
    (sentence,) = load(folder, ABSENT)
    assert "the model `resnet` needs torch, which is not installed: run `pip install" in sentence
    assert "[network]" in sentence
