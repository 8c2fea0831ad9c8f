"""A bundle whose networks another process exports: the same answers, without torch."""

import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import minutes
import numpy as np
import pytest

from wesadlib import models
from wesadlib.bundle import load_bundle, loading
from wesadlib.errors import InputError
from wesadlib.models.exported import ExportedNetwork
from wesadlib.models.resnet import ResNet

# What a server's replica does, and what it must not have loaded then.
ANSWER = """
import sys
import wesadlib.serving.app, wesadlib.serving.deployment, wesadlib.serving.service
from wesadlib.bundle import load_bundle
bundle = load_bundle(sys.argv[1], engine="openvino")
windows = bundle.example().windows(60, 60)
profile = bundle.rest_profile(windows[:2])
print(*(answer.status for answer in bundle.predict_windows(windows, [None, profile, None, profile])))
print("torch" in sys.modules, "sklearn" in sys.modules)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def give(name):
        if name not in made:
            made[name] = minutes.save_small_bundle(name, tmp_path_factory.mktemp(name) / "bundle", rested=True)
        return made[name]

    return give


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


@pytest.mark.parametrize(("name", "with_sklearn"), [("resnet", False), ("joint", False), ("mean", True)])
def test_who_answers_by_openvino_loads_no_torch(name, with_sklearn, folders):
    run = subprocess.run(
        [sys.executable, "-c", ANSWER, folders(name)], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.splitlines() == ["ok ok ok ok", f"False {with_sklearn}"]


@pytest.mark.parametrize("name", ["joint", "mean"])
def test_answers_and_profiles_are_those_of_the_model_also_to_two_at_once(name, folders):
    eager, other = (load_bundle(folders(name), engine) for engine in ("eager", "openvino"))
    windows = eager.example().windows(60, 30)
    profiles = [bundle.rest_profile(windows[:3]) for bundle in (eager, other)]
    np.testing.assert_allclose(profiles[1], profiles[0], rtol=0, atol=1e-6)
    given = [None, profiles[0]] * (len(windows) // 2) + [None] * (len(windows) % 2)
    expected = [answer.probabilities for answer in eager.predict_windows(windows, given)]
    with ThreadPoolExecutor(2) as pool:
        for answers in pool.map(lambda _: other.predict_windows(windows, given), range(20)):
            for answer, probabilities in zip(answers, expected, strict=True):
                assert answer.probabilities == pytest.approx(probabilities, abs=1e-6)


def test_the_models_themselves_are_there_when_they_are_asked_for(folders):
    bundle = load_bundle(folders("resnet"), "openvino")
    assert isinstance(bundle.answering, ExportedNetwork) and isinstance(bundle.answering_rested, ExportedNetwork)
    assert isinstance(bundle.model, ResNet) and not bundle.model.rested_
    assert isinstance(bundle.rested, ResNet) and bundle.rested.rested_
    plain = load_bundle(folders("resnet"))
    assert plain.model is plain.answering and plain.rested is plain.answering_rested


def test_nothing_is_left_behind_and_nothing_said(folders, temporary, capfd):
    bundle = load_bundle(folders("resnet"), "openvino")
    assert list(temporary.iterdir()) == []
    assert [answer.status for answer in bundle.predict_windows(bundle.example().windows(60, 60))] == ["ok"] * 4
    assert capfd.readouterr() == ("", "")


def test_an_export_that_answers_differently_is_refused(tmp_path, temporary, monkeypatch, capfd):
    monkeypatch.setitem(models.MODELS, "untraceable", "untraceable:Untraceable")
    folder = minutes.save_small_bundle("untraceable", tmp_path / "bundle", rested=True)
    with pytest.raises(
        InputError,
        match=r"^engine `openvino`: probabilities differ from those of the model itself by \S+, more than 1e-06; "
        r"choose the engine `eager`\.$",
    ):
        load_bundle(folder, "openvino")
    assert list(temporary.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert load_bundle(folder).predict_windows([]) == []


def test_a_process_that_fails_or_hangs_is_one_sentence(folders, temporary, monkeypatch):
    failed = re.escape(f"{folders('resnet')}: its networks could not be exported for the engine `openvino` ")
    with monkeypatch.context() as patch:
        patch.setattr(loading, "EXPORT_S", 0.01)
        with pytest.raises(InputError, match=rf"^{failed}within 0\.01 s; choose the engine `eager`\.$"):
            load_bundle(folders("resnet"), "openvino")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", shutil.which("false"))
        with pytest.raises(InputError, match=rf"^{failed}\(exit status 1\); choose the engine `eager`\.$"):
            load_bundle(folders("resnet"), "openvino")
    assert list(temporary.iterdir()) == []


def test_nothing_is_started_for_an_unknown_engine_or_a_changed_file(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **more: pytest.fail("started"))
    with pytest.raises(InputError, match="unknown engine `tensor`; the engines are eager, openvino"):
        load_bundle(folders("resnet"), "tensor")
    copied = shutil.copytree(folders("resnet"), tmp_path / "bundle")
    (copied / "model" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"weights\.safetensors: changed since the bundle was saved"):
        load_bundle(copied, "openvino")
