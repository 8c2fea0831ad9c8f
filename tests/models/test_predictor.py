"""Plain arrays and a Dataset get the same answers, whichever engine computes them."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models import engines
from wesadlib.models.predictor import ENGINES, TOLERANCE, arrays_of, check_answers, features_of
from wesadlib.params import Params

NAMES = [name for name, home in models.MODELS.items() if home.startswith("wesadlib.")]
NETWORKS = ["resnet", "joint"]
PARAMS = Params(device="wrist", mean_of=["logistic", "joint"], width=2, epochs=2, batch_size=16)
every_model = pytest.mark.parametrize("name", NAMES)


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


@pytest.mark.parametrize("name", [*NETWORKS, "mean"])
@pytest.mark.parametrize("rested", [False, True], ids=["cold", "rested"])
def test_a_compiled_network_answers_as_the_network_does(name, rested, parts, fitted):
    answers = []
    for engine in ENGINES:
        predictor = predictor_of(fitted(name, rested), parts[0], engine=engine, threads=2)
        given = profiles(predictor, parts[1], parts[0]) if rested else None
        answers.append(predictor(*arrays_of(parts[0])[:2], given))
        alone = predictor(*(part[:1] for part in arrays_of(parts[0])[:2]), given if given is None else given[:1])
        np.testing.assert_allclose(alone, answers[-1][:1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=TOLERANCE)


def test_what_is_missing_is_missing_in_a_compiled_network_too(parts, fitted):
    network = fitted("resnet", False).network_
    signal = arrays_of(parts[0]).signal[:3].copy()
    signal[0, :3] = np.nan
    signal[1] = np.nan
    shape = signal.shape[1:]
    with torch.no_grad():
        eager, compiled = (
            engines.make_reader(network, shape, name)(torch.from_numpy(signal)) for name in ENGINES
        )
    np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-5, atol=1e-6)
    # To the last bit: a level of 33 degC whose sum loses digits comes out as another one.
    np.testing.assert_array_equal(compiled[1], eager[1])
    assert eager[1][1].isnan().all()


def test_callers_beside_each_other_do_not_mix_their_answers(parts, fitted):
    predictor = predictor_of(fitted("resnet", False), parts[0], engine="openvino")
    signal = arrays_of(parts[0]).signal
    expected = predictor(signal, None)
    with ThreadPoolExecutor(4) as pool:
        rows = [slice(k % 40, k % 40 + 1 + k % 7) for k in range(200)]
        found = list(pool.map(lambda row: predictor(signal[row], None), rows))
    for row, answers in zip(rows, found, strict=True):
        np.testing.assert_allclose(answers, expected[row], rtol=0, atol=1e-6)


def test_compiling_tells_nobody(parts, fitted, monkeypatch):
    import openvino_telemetry

    monkeypatch.setattr(openvino_telemetry.Telemetry, "send_event", lambda *given: pytest.fail(f"sent {given}"))
    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", lambda *given, **more: pytest.fail("set up"))
    predictor_of(fitted("resnet", False), parts[2], engine="openvino")


def test_eager_torch_keeps_the_callers_threads(parts, fitted, monkeypatch):
    model, seen = fitted("resnet", False), []
    read = model.network_.read
    monkeypatch.setattr(
        model.network_, "read", lambda signals: (seen.append(torch.get_num_threads()), read(signals))[1]
    )
    before = torch.get_num_threads()
    for threads in (1, 3):
        predictor_of(model, parts[2], threads=threads)(*arrays_of(parts[2])[:2])
    assert (seen, torch.get_num_threads()) == ([1, 3], before)


def test_eager_needs_no_other_engine(parts, fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    predictor_of(fitted("resnet", False), parts[2])(*arrays_of(parts[2])[:2])
    with pytest.raises(ImportError):
        predictor_of(fitted("resnet", False), parts[2], engine="openvino")


@every_model
def test_an_unknown_engine_is_refused(name, parts, fitted):
    with pytest.raises(InputError, match="unknown engine `tensor`; the engines are eager, openvino"):
        predictor_of(fitted(name, False), parts[2], engine="tensor")


@pytest.mark.parametrize("rested", [False, True], ids=["cold", "rested"])
def test_an_engine_that_answers_differently_is_not_used(rested, parts, fitted):
    model = fitted("joint", rested)
    eager, other = predictor_of(model, parts[2]), predictor_of(model, parts[2], engine="openvino")
    signal, feature = (part[:3] for part in arrays_of(parts[2])[:2])
    check_answers(other, eager, signal, feature, "openvino")

    class Wrong:
        profile_size, profile, off = other.profile_size, other.profile, 0.0

        def __call__(self, *given):
            answers = other(*given)
            # Wrong where a channel is missing only.
            answers[np.isnan(given[0][:, 2]).all(axis=1)] += self.off
            return answers

    wrong = Wrong()
    for wrong.off in (2e-5, np.nan):
        with pytest.raises(
            InputError, match=r"engine `openvino`: probabilities differ .*; choose the engine `eager`\.$"
        ):
            check_answers(wrong, eager, signal, feature, "openvino")


def test_windows_without_features_have_none(parts):
    with pytest.raises(InputError, match="no features"):
        features_of(parts[0].drop_vars("feature"))
