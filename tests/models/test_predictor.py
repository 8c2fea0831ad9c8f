"""Plain arrays and a Dataset get the same answers, and an exported model gives its own."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models.exporting import export
from wesadlib.models.predictor import TOLERANCE, arrays_of, check_answers, features_of
from wesadlib.params import Params

NAMES = [name for name, home in models.MODELS.items() if home.startswith("wesadlib.")]
PARAMS = Params(device="wrist", mean_of=["logistic", "joint"], width=2, epochs=2, batch_size=16)
every_model = pytest.mark.parametrize("name", NAMES)
with_and_without_rest = pytest.mark.parametrize("rested", [False, True], ids=["cold", "rested"])


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Four people of 24 short windows; some samples and features are missing."""
    windows = extract_features(make_windows_of_toys(n_subjects=4, per_subject=24, window_s=24.0))
    windows["signal"][90, 1] = np.nan
    windows["signal"][80:84, :, 100:200] = np.nan
    windows["feature"][85, :9] = np.nan
    return windows


@pytest.fixture(scope="module")
def parts(windows):
    """Training people's windows and rest, another person's windows and rest."""
    last, rest = windows["subject"] == "S5", windows["start_s"] < 120
    return [
        windows.isel(window=np.flatnonzero(part)) for part in (~last & ~rest, ~last & rest, last & ~rest, last & rest)
    ]


@pytest.fixture(scope="module")
def fitted(parts):
    made = {}

    def give(name, rested):
        if (name, rested) not in made:
            model = models.create(name, PARAMS)
            made[name, rested] = model.fit(parts[0], None, rest=parts[1] if rested else None, seed=3)
        return made[name, rested]

    return give


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory):
    made = {}

    def give(name, rested):
        if (name, rested) not in made:
            folder = tmp_path_factory.mktemp("exported")
            export(fitted(name, rested), folder)
            made[name, rested] = models.load(folder)
        return made[name, rested]

    return give


def predictor_of(model, windows, **options):
    arrays = arrays_of(windows)
    return model.predictor(arrays.channels, arrays.feature_names, **options)


def profiles(predictor, rest, windows):
    profile = predictor.profile(*arrays_of(rest)[:2])
    return np.tile(profile, (windows.sizes["window"], 1))


@every_model
def test_arrays_are_answered_as_a_dataset_is(name, parts, fitted):
    expected = fitted(name, False).predict_proba(parts[2]).transpose("window", "state")
    predictor = predictor_of(fitted(name, False), parts[2])
    assert predictor.profile_size == 0
    np.testing.assert_allclose(predictor(*arrays_of(parts[2])[:2]), expected, rtol=0, atol=1e-6)


@every_model
def test_a_profile_stands_for_the_windows_at_rest(name, parts, fitted):
    model = fitted(name, True)
    expected = model.predict_proba(parts[2], rest=parts[3]).transpose("window", "state")
    predictor = predictor_of(model, parts[2])
    profile = profiles(predictor, parts[3], parts[2])
    assert (profile.dtype, profile.shape[1]) == (np.float32, predictor.profile_size)
    answers = predictor(*arrays_of(parts[2])[:2], profile)
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-6)
    others = predictor(*arrays_of(parts[2])[:2], profiles(predictor, parts[1], parts[2]))
    assert np.abs(answers - others).max() > 1e-4


@every_model
def test_a_profile_is_of_all_windows_whichever_came_first_and_smaller_than_one_of_them(name, parts, fitted):
    predictor = predictor_of(fitted(name, True), parts[2])
    signal, feature = arrays_of(parts[1])[:2]
    profile = predictor.profile(signal, feature)
    order = np.random.default_rng(0).permutation(len(signal))
    np.testing.assert_allclose(predictor.profile(signal[order], feature[order]), profile, rtol=1e-4, atol=1e-5)
    twice = predictor.profile(np.concatenate([signal, signal]), np.concatenate([feature, feature]))
    np.testing.assert_allclose(twice, profile, rtol=1e-4, atol=1e-5)
    assert profile.size < signal[0].size / 10


@every_model
def test_columns_are_found_by_name(name, parts, fitted):
    model, windows = fitted(name, False), parts[2]
    turned = windows.isel(channel=[3, 0, 5, 2, 1, 4], feature_name=slice(None, None, -1))
    np.testing.assert_allclose(
        predictor_of(model, turned)(*arrays_of(turned)[:2]),
        predictor_of(model, windows)(*arrays_of(windows)[:2]),
        rtol=0,
        atol=1e-6,
    )


@every_model
def test_profiles_that_do_not_belong_are_refused(name, parts, fitted):
    signal, feature = arrays_of(parts[2])[:2]
    cold, rested = (predictor_of(fitted(name, given), parts[2]) for given in (False, True))
    profile = profiles(rested, parts[3], parts[2])
    with pytest.raises(InputError, match="was fitted without"):
        cold(signal, feature, profile)
    with pytest.raises(InputError, match="was fitted with people's windows at rest"):
        rested(signal, feature)
    for wrong in (profile[:, 1:], profile[1:], profile[0]):
        with pytest.raises(InputError, match=rf"`{name}` takes 20 of {rested.profile_size} values"):
            rested(signal, feature, wrong)


def test_eager_torch_keeps_the_callers_threads(parts, fitted, monkeypatch):
    model, seen = fitted("resnet", False), []
    answer = model.network_.answer
    monkeypatch.setattr(
        model.network_, "answer", lambda *given: (seen.append(torch.get_num_threads()), answer(*given))[1]
    )
    before = torch.get_num_threads()
    for threads in (1, 3):
        predictor_of(model, parts[2], threads=threads)(*arrays_of(parts[2])[:2])
    assert (list(dict.fromkeys(seen)), torch.get_num_threads()) == ([1, 3], before)


def test_torch_needs_no_other_engine(parts, fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    predictor_of(fitted("resnet", False), parts[2])(*arrays_of(parts[2])[:2])


def incomplete(windows):
    """Arrays of the windows, and again with each channel missing in some, and with all; features likewise."""
    signal, feature = (np.concatenate([part, part]) for part in arrays_of(windows)[:2])
    for channel in range(signal.shape[1]):
        signal[len(windows["window"]) + channel :: 7, channel] = np.nan
    signal[-1], signal[-2, 0], signal[-3, :, :500] = np.nan, 0.7, np.nan
    feature[-8:-4, ::2], feature[-2] = np.nan, np.nan
    return signal, feature


@every_model
@with_and_without_rest
def test_an_exported_model_answers_as_the_model_does(name, rested, parts, fitted, exported):
    signal, feature = incomplete(parts[0])
    found = []
    for model in (fitted(name, rested), exported(name, rested)):
        assert (model.name, model.classes, model.rested_) == (name, ["baseline", "stress"], rested)
        predictor = predictor_of(model, parts[0], threads=2)
        given = [signal, feature, None]
        if rested:
            profile = predictor.profile(*incomplete(parts[1]))
            given[2] = np.tile(profile, (len(signal), 1))
            # Somebody of whom nothing is known.
            given[2][1::5] = np.nan
            assert (profile.dtype, profile.shape) == (np.float32, (predictor.profile_size,))
            found.append(profile)
        answers = predictor(*given)
        alone = predictor(*(part if part is None else part[:1] for part in given))
        np.testing.assert_allclose(alone, answers[:1], rtol=0, atol=1e-6)
        found.append(answers)
    for eager, other in zip(found[: len(found) // 2], found[len(found) // 2 :], strict=True):
        np.testing.assert_allclose(other, eager, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize("name", ["resnet", "joint"])
def test_a_network_is_exported_with_and_without_levels(name, levels, parts, tmp_path):
    model = models.create(name, PARAMS.model_copy(update={"levels": levels})).fit(parts[0], None, seed=3)
    export(model, tmp_path)
    given = incomplete(parts[2])
    answers = [predictor_of(one, parts[2])(*given) for one in (model, models.load(tmp_path))]
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=TOLERANCE)


def test_measures_are_the_same_to_the_last_bit(parts, fitted, exported):
    # Over a small spread the last digit of a level of 33 degC is told apart.
    rows = [predictor_of(give("joint", True), parts[0]) for give in (fitted, exported)]
    signal, feature = incomplete(parts[0])
    eager, other = (predictor.profile(signal, feature) for predictor in rows)
    measures = 2 * signal.shape[1] + feature.shape[1]
    np.testing.assert_array_equal(other[:measures], eager[:measures])


@every_model
def test_an_exported_model_refuses_what_the_model_does(name, parts, exported):
    windows, model = parts[2], exported(name, True)
    signal, feature = (part.copy() for part in arrays_of(windows)[:2])
    names = [str(value) for value in windows["feature_name"].values]
    predictor = predictor_of(model, windows)
    profile = profiles(predictor, parts[3], windows)
    with pytest.raises(InputError, match="was fitted with people's windows at rest"):
        predictor(signal, feature)
    with pytest.raises(InputError, match=rf"`{name}` takes 20 of {predictor.profile_size} values"):
        predictor(signal, feature, profile[:, 1:])
    if name != "resnet":
        with pytest.raises(InputError, match=f"the feature `{names[0]}` is missing"):
            model.predictor([str(channel) for channel in windows["channel"].values], names[1:])
        feature[3, 0] = np.inf
        with pytest.raises(InputError, match=f"the feature `{names[0]}` is infinite"):
            predictor(signal, feature, profile)
    if name in ("resnet", "joint"):
        with pytest.raises(InputError, match="channel `wrist_temp` is missing; the model takes wrist_bvp"):
            model.predictor(["wrist_bvp", "wrist_eda"], names)
        with pytest.raises(InputError, match="windows of 100 samples; the model takes 840"):
            predictor(signal[:, :, :100], feature, profile)
        signal[2, 1, 5] = np.inf
        with pytest.raises(InputError, match="channel `wrist_eda` holds an infinite value"):
            predictor(signal, feature, profile)


@pytest.mark.parametrize("name", ["resnet", "mean"])
def test_callers_beside_each_other_do_not_mix_their_answers(name, parts, exported):
    predictor = predictor_of(exported(name, False), parts[0])
    given = arrays_of(parts[0])[:2]
    expected = predictor(*given)
    with ThreadPoolExecutor(4) as pool:
        rows = [slice(k % 40, k % 40 + 1 + k % 7) for k in range(200)]
        found = list(pool.map(lambda row: predictor(*(part[row] for part in given)), rows))
    for row, answers in zip(rows, found, strict=True):
        np.testing.assert_allclose(answers, expected[row], rtol=0, atol=1e-6)


def test_exporting_tells_nobody(parts, fitted, monkeypatch, tmp_path):
    import openvino_telemetry

    monkeypatch.setattr(openvino_telemetry.Telemetry, "send_event", lambda *given: pytest.fail(f"sent {given}"))
    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", lambda *given, **more: pytest.fail("set up"))
    export(fitted("resnet", False), tmp_path)
    predictor_of(models.load(tmp_path), parts[2])


@pytest.mark.parametrize("damage", ["graph.xml", "graph.bin", "model.json", "description"])
def test_a_damaged_export_is_one_sentence(damage, fitted, tmp_path):
    export(fitted("resnet", False), tmp_path)
    if damage == "description":
        saved = json.loads((tmp_path / "model.json").read_text())
        (tmp_path / "model.json").write_text(json.dumps({"model": saved["model"]}))
    else:
        (tmp_path / damage).write_bytes(b"")
    with pytest.raises(InputError, match=r"not an exported network; export the|model\.json: not the description of"):
        models.load(tmp_path)


@with_and_without_rest
def test_an_engine_that_answers_differently_is_not_used(rested, parts, fitted, exported):
    eager, other = (predictor_of(give("joint", rested), parts[2]) for give in (fitted, exported))
    signal, feature = (part[:3] for part in arrays_of(parts[2])[:2])
    check_answers(other, eager, signal, feature, "openvino")

    class Wrong:
        profile_size, profile = other.profile_size, other.profile

        def __init__(self, where, off):
            self.where, self.off = where, off

        def __call__(self, *given):
            answers = other(*given)
            answers[self.where(given[0])] += self.off
            return answers

    # Where a channel is missing, in a lone window, and in a few.
    places = [
        lambda signal: np.isnan(signal[:, 2]).all(axis=1),
        *(lambda signal, n=n: np.full(len(signal), len(signal) == n) for n in (1, 2)),
    ]
    for wrong in (Wrong(where, off) for where in places for off in (2e-5, np.nan)):
        with pytest.raises(
            InputError, match=r"engine `openvino`: probabilities differ .*; choose the engine `eager`\.$"
        ):
            check_answers(wrong, eager, signal, feature, "openvino")


def test_windows_without_features_have_none(parts):
    with pytest.raises(InputError, match="no features"):
        features_of(parts[0].drop_vars("feature"))
