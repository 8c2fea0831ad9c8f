"""One small bundle, and one app over it, for all tests of this folder."""

import minutes
import pytest
from fastapi.testclient import TestClient

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "bundle"
    return load_bundle(minutes.save_small_bundle("logistic", folder))


@pytest.fixture(scope="session")
def client(bundle):
    return TestClient(make_app(lambda: bundle), raise_server_exceptions=False)
