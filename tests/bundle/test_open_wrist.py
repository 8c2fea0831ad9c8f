"""The bundle that comes with the package: small, credited, light, and a threshold that follows the person."""

from dataclasses import replace

import minutes
import numpy as np
import pytest
from light import run_without

from wesadlib.bundle import default_bundle, load_bundle, predict_recording, read_config
from wesadlib.models.exertion import CHANNELS


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


def test_it_answers_without_torch_or_skops():
    code = (
        "from wesadlib.bundle import default_bundle, load_bundle\n"
        "bundle = load_bundle(default_bundle())\n"
        "print(bundle.predict_window(*bundle.example().windows(60, 60)[0]).status)"
    )
    assert run_without(("torch", "skops", "ray", "fastapi"), code).stdout == "ok\n"


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


def pedal(recording, start_s):
    """The same with a hand that lies, and from then on shakes throughout, as made wrists do and cyclists'."""
    signals = dict(recording.signals)
    for name in CHANNELS:
        values = signals[name].values - signals[name].values.mean()
        values = 0.5 + np.where(np.arange(len(values)) / 32 >= start_s, 1.0, 0.1) * values
        signals[name] = signals[name].copy(data=values.astype(np.float32))
    return replace(recording, signals=signals)


def test_it_abstains_from_a_wrist_that_pedals_and_says_why_and_without_acceleration_says_it_cannot(bundle):
    recording = minutes.wrist_recording(seed=3)
    still = predict_recording(bundle, pedal(recording, np.inf), 30.0).windows
    assert not still["reasons"].str.contains("exertion").any()
    answers = predict_recording(bundle, pedal(recording, 120.0), 30.0).windows
    moving = answers["start_s"] >= 120
    judged = moving & (answers["status"] != "rejected")
    assert judged.any() and (answers.loc[judged, ["status", "reasons"]] == ["abstained", "exertion"]).all(axis=None)
    assert not answers.loc[answers["start_s"] <= 60, "reasons"].str.contains("exertion").any()
    blind = replace(recording, signals={name: recording.signals[name] for name in ("wrist_bvp", "wrist_eda")})
    seen = predict_recording(bundle, blind, 30.0)
    assert "exercise cannot be distinguished from stress" in " ".join(seen.notes)
    assert (seen.windows["status"] != "rejected").any()


def test_rest_is_taken_from_windows_in_which_somebody_wore_the_device(bundle):
    recording = minutes.wrist_recording(seed=3)
    # Cold and still for two minutes, in which the bundle's own channels look well.
    off = {"wrist_temp": 24.0, **dict.fromkeys(CHANNELS, 0.577)}
    signals = {
        name: signal.where(signal["time"] >= 120, off[name]) if name in off else signal
        for name, signal in recording.signals.items()
    }
    answers = predict_recording(bundle, replace(recording, signals=signals), 30.0, rest=(0.0, 240.0))
    assert answers.rest == {"start_s": 0.0, "end_s": 240.0, "windows": 4}


def test_bad_acceleration_costs_no_answer(bundle):
    recording = minutes.wrist_recording(seed=3)
    dead = {name: recording.signals[name] * np.float32("nan") for name in CHANNELS}
    dead = {name: signal.assign_attrs(recording.signals[name].attrs) for name, signal in dead.items()}
    answer = bundle.predict_window(*bundle.cut(replace(recording, signals={**recording.signals, **dead}), 30.0))
    assert answer.status == "ok" and "exertion" not in answer.reasons
    assert any(reason.startswith("wrist_acc_x") for reason in answer.reasons)


def test_a_heart_rate_that_cannot_be_read_is_that_of_shortly_before(bundle):
    follower = bundle.follow(None)
    (window,) = bundle.classify([bundle.cut(minutes.wrist_recording(seed=3), 30.0)])
    heart = bundle.feature_names.index("wrist_bvp_heart_rate")
    blind = window._replace(features=np.where(np.arange(len(window.features)) == heart, np.nan, window.features))
    first = follower(window, 0.0)
    assert follower(blind, 120.0).score == pytest.approx(first.score, abs=1e-6)
    even = window.answer.model_copy(update={"probabilities": {"baseline": 0.5, "stress": 0.5}})
    assert follower(blind._replace(answer=even), 130.0).score == 0
