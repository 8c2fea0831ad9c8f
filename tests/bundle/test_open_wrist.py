"""The bundle that comes with the package: small, credited, light, and a threshold that follows the person."""

import subprocess
import sys

import minutes
import numpy as np
import pytest

from wesadlib.bundle import default_bundle, load_bundle, predict_recording, read_config


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(default_bundle())


def test_it_is_small_and_credits_whose_recordings_it_learnt_from(bundle):
    assert sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file()) <= 200_000
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    for words in ("MIT", "ODC-By 1.0", "Stress-Predict", "Hongn", "exercise"):
        assert words in card
    tests = {row["task"] for row in read_config(bundle.folder)["metrics"]}
    assert {task.rpartition(" to ")[2] for task in tests if " to " in task} == {"wesad", "stress-predict", "hongn"}
    assert "wesad/" not in (bundle.folder / "reference.csv").read_text()


def test_it_answers_without_torch_or_skops(bundle):
    code = (
        "import sys\n"
        "from wesadlib.bundle import load_bundle\n"
        f"bundle = load_bundle({str(bundle.folder)!r})\n"
        "print(bundle.predict_window(*bundle.example().windows(60, 60)[0]).status)\n"
        "print([name for name in ('torch', 'skops', 'ray', 'fastapi') if sys.modules.get(name)])"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() == ["ok", "[]"]


def test_a_pulse_of_any_scale_gets_the_same_answer(bundle):
    recording = minutes.wrist_recording(seed=3)
    channels = {name: minutes.cut(recording, 30.0)[name] for name in bundle.config["channels"]}
    rates = {name: facts["rate_hz"] for name, facts in bundle.config["channels"].items()}
    loud = channels | {"wrist_bvp": channels["wrist_bvp"] * np.float32(2)}
    one, other = (bundle.predict_window(each, rates) for each in (channels, loud))
    assert one.status == "ok"
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_over_a_recording_the_threshold_follows_the_person_and_never_looks_ahead(bundle):
    recording = minutes.wrist_recording(seed=3, duration_s=400.0)
    answers = predict_recording(bundle, recording, 10.0, rest=(0.0, 150.0))
    assert (answers.protocol, predict_recording(bundle, recording, 10.0).protocol) == (
        "running_reference",
        "running_cold",
    )
    begun = predict_recording(bundle, recording.between(0, 300), 10.0, rest=(0.0, 150.0)).windows
    assert np.allclose(begun["p_stress"], answers.windows["p_stress"][: len(begun)], equal_nan=True, atol=1e-6)
    # Of the first window nothing is known but itself: it is at its own reference, below the threshold.
    known = answers.windows["p_stress"].dropna()
    running = bundle.config["running"]["rested"]
    assert known.iloc[0] == pytest.approx(1 / (1 + np.exp(running["threshold"] / running["temperature"])))
