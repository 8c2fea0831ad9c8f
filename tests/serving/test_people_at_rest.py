"""A person at rest: minutes in, a handle out, and nothing of them left when forgotten."""

import logging

import minutes
import numpy as np
import pytest
from bodies import names, post
from fastapi.testclient import TestClient
from services import make_service

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app
from wesadlib.serving.wire import write_window, write_windows

RATES = minutes.RATES_HZ
REST = [(minutes.wrist_signals(seed=3), RATES), (minutes.wrist_signals(60.0, 3, 0.05), RATES)]
LATER = (minutes.wrist_signals(seed=3, arousal=1.0), RATES)
FLAT = (REST[0][0] | {"wrist_eda": np.zeros(240)}, RATES)


@pytest.fixture(scope="module")
def rested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "bundle"
    return load_bundle(minutes.save_small_bundle("logistic", folder, rested=True))


@pytest.fixture
def asked(rested):
    with TestClient(make_app(make_service(rested, max_people=2)), raise_server_exceptions=False) as client:
        yield client


def keep(client, person="ann", windows=REST, form="binary"):
    return post(client, f"/people/{person}/rest", write_windows(windows, form), form)


def predict(client, rest, **parameters):
    given = "&".join(f"{name}={value}" for name, value in {"rest": rest, **parameters}.items())
    return post(client, f"/predict?{given}", write_window(*LATER, "json"), "json")


@pytest.mark.parametrize("form", ["json", "binary"])
def test_minutes_at_rest_are_a_handle_by_which_later_windows_are_answered(asked, rested, form):
    answer = keep(asked, form=form)
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    known = answer.json()
    assert (known["person"], known["windows"], known["model_version"]) == ("ann", 2, rested.version)
    found = predict(asked, known["rest"]).json()
    expected = rested.predict_window(*LATER, rest=rested.rest_values(REST))
    assert found["protocol"] == "rest_calibrated"
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    cold = post(asked, "/predict", write_window(*LATER, "json"), "json").json()
    assert cold["protocol"] == "cold_start"
    assert cold["probabilities"] != pytest.approx(found["probabilities"], abs=1e-5)
    body = write_windows([LATER, FLAT], "json")
    both = post(asked, f"/predict/batch?rest={known['rest']}", body, "json").json()["results"]
    assert [result["protocol"] for result in both] == ["rest_calibrated"] * 2
    assert both[0]["probabilities"] == pytest.approx(found["probabilities"], abs=1e-6)


def test_too_few_good_windows_are_refused_with_their_reasons(asked):
    found = keep(asked, windows=[REST[0], FLAT, ({}, {})])
    assert names(found, 422) == ["windows.1", "windows.2"]
    details = [item["detail"] for item in found.json()["errors"]]
    assert "wrist_eda: flat line" in details[0] and "missing channel" in details[1]
    assert "1 of 1" in found.json()["detail"] or "2 are needed" in found.json()["detail"]


@pytest.mark.parametrize("person", ["a b", "a" * 65, "ä", "a.b"])
def test_a_name_that_means_something_is_refused(asked, person):
    assert keep(asked, person).status_code == 422
    assert asked.delete(f"/people/{person}").status_code == 422


def test_a_handle_that_is_not_known_is_refused_and_an_old_models_too(asked, rested, tmp_path):
    assert predict(asked, "x" * 22).status_code == 404
    assert predict(asked, "x" * 65).status_code == 422
    handle = keep(asked).json()["rest"]
    other = load_bundle(minutes.save_small_bundle("logistic", tmp_path / "other", people=5, rested=True))
    service = make_service(rested)
    with TestClient(make_app(service)) as client:
        handle = keep(client).json()["rest"]
        service.bundle = other
        refused = predict(client, handle)
        assert refused.status_code == 409 and "another model version" in refused.json()["detail"]


def test_a_bundle_without_rest_says_so(client):
    refused = keep(client)
    assert refused.status_code == 409 and "does not use a person's rest" in refused.json()["detail"]


def test_the_longest_unused_makes_room_and_who_is_forgotten_is_gone(asked):
    first = keep(asked, "ann").json()["rest"]
    second = keep(asked, "ben").json()["rest"]
    assert predict(asked, first).status_code == 200
    third = keep(asked, "cat").json()["rest"]
    assert [predict(asked, handle).status_code for handle in (first, second, third)] == [200, 404, 200]
    forgotten = asked.delete("/people/ann")
    assert forgotten.json() == {"person": "ann", "rests": 1, "windows": 0, "streams": 0}
    assert predict(asked, first).status_code == 404
    assert asked.delete("/people/nobody").json()["rests"] == 0


def test_no_name_and_no_handle_is_counted_or_logged(asked, caplog):
    with caplog.at_level(logging.DEBUG):
        handle = keep(asked, "somebody-known").json()["rest"]
        predict(asked, handle, person="somebody-known")
        counts = asked.get("/metrics").text
    for secret in ("somebody-known", handle):
        assert secret not in counts
        assert not [record for record in caplog.records if secret in record.getMessage() and "httpx" not in record.name]
