"""One path from a window to an answer, whether it was cut from a recording or arrives by itself."""

import minutes
import numpy as np
import pytest

from wesadlib import models
from wesadlib.bundle import Answer, load_bundle
from wesadlib.errors import InputError
from wesadlib.models.calibration import apply_temperature


@pytest.fixture(scope="session")
def bundle(saved_bundle):
    return load_bundle(saved_bundle)


@pytest.mark.parametrize("name", [name for name, home in models.MODELS.items() if home.startswith("wesadlib.")])
def test_every_model_answers_from_a_bundle_as_before_it_was_saved(name, tmp_path, windows, monkeypatch):
    fitted = []
    home = models.MODELS[name].split(":")
    save = getattr(__import__(home[0], fromlist=[home[1]]), home[1]).save
    monkeypatch.setattr(f"{home[0]}.{home[1]}.save", lambda model, to: (fitted.append(model), save(model, to)))
    loaded = load_bundle(minutes.save_small_bundle(name, tmp_path / "bundle"))
    answers = loaded.predict(windows)
    expected = models.predict(fitted[0], models.Examples.from_dataset(minutes.extract_features(windows)))
    assert [answer.status for answer in answers] == ["ok"] * len(expected)
    np.testing.assert_allclose([list(answer.probabilities.values()) for answer in answers], expected, atol=1e-6)


def test_an_answer_agrees_with_itself(bundle, windows):
    for answer in bundle.predict(windows):
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.state == max(answer.probabilities, key=answer.probabilities.get)
        assert answer.confidence == answer.probabilities[answer.state]
        assert answer.abstained == (answer.confidence < 0.7)
        assert answer.model_version == bundle.version
        assert set(answer.quality) == set(minutes.RATES_HZ)


def test_the_model_abstains_where_it_is_not_sure(bundle, windows):
    answers = bundle.predict(windows)
    surest = max(answer.confidence for answer in answers)
    strict = type(bundle)(bundle.folder, bundle.config | {"min_confidence": surest}, bundle.model)
    abstained = [answer.abstained for answer in strict.predict(windows)]
    assert abstained == [answer.confidence < surest for answer in answers]
    assert 0 < sum(abstained) < len(abstained)


def test_a_refused_window_is_no_guess_and_spoils_no_other(bundle, windows):
    whole = bundle.predict(windows)
    eda = list(windows["channel"].values).index("wrist_eda")
    windows["signal"][3, eda] = 0.0
    answers = bundle.predict(windows)
    refused = answers[3]
    assert (refused.status, refused.state, refused.probabilities, refused.confidence) == ("rejected", None, None, None)
    assert not refused.abstained
    assert any(reason.startswith("wrist_eda: ") for reason in refused.reasons)
    assert refused.quality["wrist_eda"] < 0.5 <= refused.quality["wrist_bvp"]
    for k in (2, 4):
        assert answers[k].probabilities == pytest.approx(whole[k].probabilities, abs=1e-9)
        assert answers[k].reasons == []


@pytest.mark.parametrize("name", ["logistic", "forest", "resnet"])
def test_a_bad_channel_costs_a_model_of_features_what_it_reads_of_it_and_not_the_window(name, tmp_path, windows):
    bundle = load_bundle(minutes.save_small_bundle(name, tmp_path / "bundle", rested=name == "logistic"))
    minute = minutes.wrist_signals(seed=3)
    cold = minute | {"wrist_temp": minute["wrist_temp"] - 8}
    worse = cold | {"wrist_eda": np.zeros(240)}
    answered, refused = (one.answer for one in bundle.classify([(one, minutes.RATES_HZ) for one in (cold, worse)]))
    assert refused.status == "rejected"
    if name != "logistic":
        assert (answered.status, bundle.spare) == ("rejected", ())
        return
    assert (answered.status, answered.reasons) == ("ok", ["wrist_temp: physiological range"])
    assert refused.reasons[0].startswith("wrist_eda") and refused.reasons[-1] == answered.reasons[0]
    (features,) = (one.features for one in bundle.classify([(cold, minutes.RATES_HZ)]))
    absent = {name for name, value in zip(bundle.feature_names, features, strict=True) if np.isnan(value)}
    assert absent == {name for name in bundle.feature_names if name.startswith("wrist_temp_")}
    # How cold it is makes no difference.
    colder = cold | {"wrist_temp": cold["wrist_temp"] - 5}
    assert bundle.predict_window(colder, minutes.RATES_HZ).probabilities == answered.probabilities
    assert np.isnan(bundle.rest_values([(one, minutes.RATES_HZ) for one in (cold, colder)])).sum() == len(absent)


def test_thresholds_are_the_bundles_and_not_the_defaults(bundle, windows):
    restless = windows.isel(window=[0])
    restless["signal"][0, 3:, ::40] += 3.0
    answers = {}
    for least in (0.0, 1.0):
        config = bundle.config | {"quality": bundle.config["quality"] | {"min_motion_score": least}}
        (answers[least],) = type(bundle)(bundle.folder, config, bundle.model).predict(restless)
    assert answers[0.0].status == "ok"
    assert answers[1.0].status == "rejected"
    assert "wrist_bvp: motion" in answers[1.0].reasons


def test_a_recording_without_a_channel_cannot_be_cut(bundle):
    recording = minutes.wrist_recording(3)
    del recording.signals["wrist_temp"]
    with pytest.raises(InputError, match="S5: the recording has no channel wrist_temp"):
        bundle.cut(recording, 0.0)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"wrist_hum": np.zeros(60)}, "wrist_hum: unknown channel, this model uses wrist_bvp, wrist_eda"),
        ({"wrist_eda": np.ones(239)}, "wrist_eda: 60 s at 4 Hz are 240 samples, not 239"),
        ({"wrist_eda": np.ones(0)}, "wrist_eda: 60 s at 4 Hz are 240 samples, not 0"),
    ],
)
def test_an_unusable_window_is_refused_by_name(bundle, change, problem):
    with pytest.raises(InputError, match=problem):
        bundle.predict_window(minutes.wrist_signals() | change, minutes.RATES_HZ | {"wrist_hum": 1.0})


def test_windows_of_another_cut_are_refused(bundle, windows):
    with pytest.raises(InputError, match="have the channels wrist_bvp, wrist_eda; the bundle needs wrist_bvp"):
        bundle.predict(windows.isel(channel=[0, 1]))
    with pytest.raises(InputError, match=r"have 1050 samples; the bundle needs 2100, that is 60 s at 35 Hz"):
        bundle.predict(windows.isel(time=slice(0, 1050)))


def test_many_windows_are_answered_as_one_by_one_in_their_order(bundle):
    sent = [(minutes.wrist_signals(seed=seed, arousal=seed % 2), minutes.RATES_HZ) for seed in range(5)]
    sent[1] = (sent[1][0] | {"wrist_eda": np.zeros(240)}, minutes.RATES_HZ)
    sent[3] = (sent[3][0] | {"wrist_bvp": sent[3][0]["wrist_bvp"][::2]}, minutes.RATES_HZ | {"wrist_bvp": 32})
    sent[4] = tuple({name: part[name] for name in reversed(part)} for part in sent[4])
    alone = [bundle.predict_window(*window) for window in sent]
    assert bundle.predict_window(minutes.wrist_signals(seed=4), minutes.RATES_HZ) == alone[4]
    together = bundle.predict_windows(sent)
    assert [answer.status for answer in together] == ["ok", "rejected", "ok", "ok", "ok"]
    assert len({answer.confidence for answer in alone}) == 5
    for one, other in zip(alone, together, strict=True):
        assert (one.status, one.state, one.reasons) == (other.status, other.state, other.reasons)
        assert one.quality == pytest.approx(other.quality, abs=1e-6)
        if one.status == "ok":
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    assert bundle.predict_windows([]) == []


def test_a_window_that_cannot_be_used_spoils_no_other(bundle):
    good = (minutes.wrist_signals(), minutes.RATES_HZ)
    bad = {
        "missing": {name: values for name, values in good[0].items() if name != "wrist_temp"},
        "infinite": good[0] | {"wrist_temp": np.full(240, np.inf)},
        "ragged": good[0] | {"wrist_temp": [[1.0], [1.0, 2.0]]},
        "text": good[0] | {"wrist_temp": ["33"] * 240},
        "square": good[0] | {"wrist_temp": np.zeros((240, 240))},
    }
    sent = [good, *((channels, minutes.RATES_HZ) for channels in bad.values()), good]
    first, *between, last = bundle.predict_windows(sent)
    alone = bundle.predict_window(*good)
    for answer in (first, last):
        assert answer.status == alone.status == "ok"
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
    assert dict(zip(bad, between, strict=True)) == {
        "missing": {"wrist_temp": "missing channel"},
        "infinite": {"wrist_temp": "a sample is infinite; a missing one is NaN"},
        "ragged": {"wrist_temp": "samples must be one row of numbers"},
        "text": {"wrist_temp": "samples must be one row of numbers"},
        "square": {"wrist_temp": "samples must be one row of numbers"},
    }
    assert not isinstance(bundle.predict_windows(sent[1:2])[0], Answer)
    slow = bundle.predict_windows([(good[0] | {"wrist_temp": [33.0]}, minutes.RATES_HZ | {"wrist_temp": 1 / 60})])
    assert slow == [{"wrist_temp": "60 s at 0.0166667 Hz are 1 samples; at least 2 are needed"}]


@pytest.mark.parametrize("name", ["logistic", "mean"])
def test_answers_are_given_with_the_temperatures_of_the_bundle(name, tmp_path, windows):
    kept = {"logistic": 2.0, "forest": 0.5, "resnet": 1.5, "mean": 0.7}
    temperature = {"cold_start": kept, "other": {}}
    plain, calibrated = (
        load_bundle(minutes.save_small_bundle(name, tmp_path / str(k), temperature=given))
        for k, given in enumerate((None, temperature))
    )
    assert "temperature" not in plain.config and calibrated.config["temperature"] == temperature
    signal, feature = models.base.select_inputs(
        plain.model, models.Examples.from_dataset(minutes.extract_features(windows))
    )
    members = getattr(plain.model, "members", {name: plain.model})
    given = [apply_temperature(model.predict_proba(signal, feature), kept[key]) for key, model in members.items()]
    expected = given[0] if name == "logistic" else apply_temperature(np.mean(given, axis=0), kept["mean"])
    answers = calibrated.predict(windows)
    np.testing.assert_allclose([list(answer.probabilities.values()) for answer in answers], expected, atol=1e-6)
    assert [answer.abstained for answer in answers] == (expected.max(axis=1) < 0.7).tolist()
