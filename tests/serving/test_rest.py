"""A person's rest: a signed value, which calibrates later calls of whoever brings it, and no others."""

import minutes
import numpy as np
import pytest
from bodies import FORMS, RATES, names, post
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from services import make_service
from starlette.exceptions import HTTPException

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app
from wesadlib.serving.service import RestSigner
from wesadlib.serving.wire import read, write, write_window, write_windows

REST = [(minutes.wrist_signals(seed=seed, arousal=0.01 * seed), RATES) for seed in (11, 12)]
FLAT = (REST[0][0] | {"wrist_eda": np.zeros(240)}, RATES)
LATER = (minutes.wrist_signals(seed=11, arousal=1.0), RATES)


def ask_rest(client, windows=REST, form="binary"):
    return post(client, "/rest", write_windows(windows, form), form)


def predict(client, token, form="binary"):
    return post(client, "/predict", write_window(*LATER, form), form, **{"wesad-rest": token})


@pytest.mark.parametrize("form", FORMS)
def test_who_brings_a_rest_is_answered_by_it(client, bundle, form):
    response = ask_rest(client, [*REST, FLAT], form)
    assert response.headers["cache-control"] == "no-store"
    answer = read(response.content, form)
    assert (answer["windows"], answer["model_version"]) == (2, bundle.version)
    expected = bundle.predict_window(*LATER, rest=bundle.rest_values(REST))
    for _ in range(2):
        found = read(predict(client, answer["token"], form).content, form)
        assert found["protocol"] == expected.protocol == "rest_calibrated"
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    batch = post(client, "/predict/batch", write_windows([LATER], form), form, **{"wesad-rest": answer["token"]})
    assert read(batch.content, form)["results"] == [found]
    assert expected.probabilities != bundle.predict_window(*LATER).probabilities


def test_too_few_good_windows_are_refused_with_their_reasons(client):
    response = ask_rest(client, [REST[0], FLAT, ({}, {})])
    assert names(response) == ["windows.1", "windows.2"]
    details = [item["detail"] for item in response.json()["errors"]]
    assert "wrist_eda: flat line" in details[0] and "missing channel" in details[1]
    assert "at least 2 are needed" in response.json()["detail"]
    assert names(post(client, "/rest", write({"windows": []}, "json"), "json")) == []


def test_a_bundle_without_rest_says_so(tmp_path):
    cold = load_bundle(minutes.save_small_bundle("logistic", tmp_path / "cold"))
    with TestClient(make_app(make_service(cold))) as client:
        response = ask_rest(client)
        assert names(response, 409) == [] and "does not use a person's rest" in response.json()["detail"]


def test_all_that_have_the_key_read_it_and_nobody_else(bundle):
    clients = [TestClient(make_app(make_service(bundle, key))) for key in ("k" * 32, "k" * 32, "other" * 8, None)]
    token = read(ask_rest(clients[0]).content, "binary")["token"]
    assert [predict(client, token).status_code for client in clients] == [200, 200, 401, 401]
    assert "was not signed by this server" in predict(clients[2], token).json()["detail"]


def test_a_rest_of_another_model_is_refused(client, bundle, tmp_path):
    other = load_bundle(minutes.save_small_bundle("logistic", tmp_path / "other", people=5, rested=True))
    token = RestSigner("k" * 32).sign(other.rest_values(REST), other.version)
    response = predict(TestClient(make_app(make_service(bundle, "k" * 32))), token)
    assert names(response, 409) == [] and "another model version" in response.json()["detail"]


def refusal(signer, token):
    with pytest.raises(HTTPException) as error:
        signer.read(token, "v")
    return error.value.status_code, error.value.detail


def test_a_rest_that_is_too_old_is_refused_and_told_so():
    token = RestSigner("k" * 32).sign(np.ones(3), "v")
    assert RestSigner("k" * 32, age_h=1.0).read(token, "v").tolist() == [1, 1, 1]
    assert refusal(RestSigner("k" * 32, age_h=-1.0), token) == (
        401,
        "This rest is older than -1 h; send the minutes at rest again.",
    )


@given(values=st.lists(st.floats(width=32), max_size=300), place=st.integers(0), letter=st.sampled_from("Ab0-_.é"))
def test_what_was_signed_is_read_and_what_was_altered_is_not(values, place, letter):
    signer = RestSigner()
    token = signer.sign(np.array(values), "v")
    np.testing.assert_array_equal(signer.read(token, "v"), np.array(values, np.float32))
    place %= len(token)
    altered = token[:place] + letter + token[place + 1 :]
    # The last letter of a part holds bits that stand for nothing.
    if altered != token and token[place + 1 : place + 2] not in ("", "."):
        assert refusal(signer, altered)[0] == 401
    for cut in (token[:-1], token[1:], token + "A", "", ".", "x" * 9000):
        assert refusal(signer, cut)[0] == 401
