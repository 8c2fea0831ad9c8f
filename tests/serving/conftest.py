"""One small bundle that uses a person's rest, and one app over it, for all tests of this folder."""

import minutes
import pytest
from bodies import FORMS, MINUTE, RATES, post
from fastapi.testclient import TestClient
from services import make_service

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app
from wesadlib.serving.wire import read, write_window


@pytest.fixture(scope="session")
def anyio_backend():
    """The event loop of tests that are awaited."""
    return "asyncio"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "bundle"
    return load_bundle(minutes.save_small_bundle("logistic", folder, rested=True))


@pytest.fixture(scope="session")
def client(bundle):
    with TestClient(make_app(make_service(bundle)), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def alive(client):
    """Afterwards the app still answers."""
    yield
    for form in FORMS:
        response = post(client, "/predict", write_window(MINUTE, RATES, form), form)
        assert read(response.content, form)["status"] == "ok"
