"""Bundles that answer wrists, and one made person's recording."""

from dataclasses import replace

import minutes
import numpy as np
import pytest

from wesadlib.data import make_signals
from wesadlib.data.e4 import write_e4
from wesadlib.drift import make_reference
from wesadlib.features import extract_features
from wesadlib.report.pages import RUN
from wesadlib.report.reference import read_reference

#: Features of a wrist that follow the scale of its pulse.
SCALED = r"wrist_bvp_(mean|sd|dynamic_range|interquartile_range|pulse_amplitude)"


@pytest.fixture(scope="session")
def people():
    """What is known of the training people's features."""
    return make_reference(extract_features(minutes.wrist_windows()))


@pytest.fixture(scope="session")
def own_bundle(tmp_path_factory, people):
    """The folder of a logistic bundle that can use rest, and was tested in two laboratories."""
    folder = tmp_path_factory.mktemp("own") / "bundle"
    score = {"protocol": "cold_start", "windows": "all", "accuracy_low": 0.7, "accuracy_high": 0.9}
    metrics = [score | {"task": f"lab {accuracy}", "accuracy": accuracy} for accuracy in (0.9, 0.8)]
    return minutes.save_small_bundle("logistic", folder, rested=True, metrics=metrics, drift_reference=people)


@pytest.fixture(scope="session")
def free_bundle(tmp_path_factory, people):
    """The folder of one that reads nothing of a temperature, and of a pulse nothing that follows its scale."""
    folder = tmp_path_factory.mktemp("free") / "bundle"
    return minutes.save_small_bundle("logistic", folder, without=f"wrist_temp_.*|{SCALED}", drift_reference=people)


@pytest.fixture(scope="session")
def kept_folder(repository):
    """The folder of the kept results of real people."""
    return repository / "outputs" / "reference" / RUN


@pytest.fixture(scope="session")
def reference(kept_folder):
    """These results."""
    return read_reference(kept_folder)


@pytest.fixture(scope="session")
def person():
    """Four minutes of somebody as an E4 can hold them, with two presses of the button."""
    recording = minutes.wrist_recording(3)
    steps = {"wrist_bvp": 0.01, "wrist_eda": 1e-6, "wrist_temp": 0.01}
    samples = {
        name: np.round(signal.values.astype(float) / steps.get(name, 1 / 64)) * steps.get(name, 1 / 64)
        for name, signal in recording.signals.items()
    }
    return replace(recording, signals=make_signals(samples), start=minutes.START, marks_s=(5.0, 110.0))


@pytest.fixture(scope="session")
def e4(person, tmp_path_factory):
    """The same as an export of an E4."""
    return write_e4(person, tmp_path_factory.mktemp("e4") / "anna.zip")
