"""What a replica is made of, without Ray, and what all replicas share."""

import os

import pytest
from fastapi.testclient import TestClient

from wesadlib.errors import InputError
from wesadlib.serving import deployment
from wesadlib.serving.deployment import Server, build
from wesadlib.serving.settings import Settings

SECRET = "0123456789abcdef"


@pytest.fixture
def start(bundle, tmp_path, monkeypatch):
    """Make a replica whose store of drift is in this process."""
    monkeypatch.setattr(deployment, "reach_drift_store", lambda windows: None)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)

    def make(**settings):
        given = Settings(bundle=str(bundle.folder), allowed_hosts=("testserver",), **settings)
        return Server(given.model_dump(mode="json"), SECRET)

    return make


def test_a_replica_answers_by_its_bundle_to_who_has_the_token(start, bundle, monkeypatch):
    monkeypatch.setenv("V", SECRET)
    server = start(token_variable="V", queue_length=3)
    assert (server.service.bundle.version, server.service.settings.queue_length) == (bundle.version, 3)
    with TestClient(server.__serve_build_asgi_app__()) as client:
        assert client.get("/ready").json()["model_version"] == bundle.version
        assert client.get("/model").status_code == 401
        assert client.get("/model", headers={"authorization": f"Bearer {SECRET}"}).status_code == 200


def test_replicas_count_in_one_folder(start, tmp_path, monkeypatch):
    monkeypatch.setenv("WESAD_METRICS_FOLDER", str(tmp_path / "metrics"))
    start()
    assert os.environ.pop("PROMETHEUS_MULTIPROC_DIR") == str(tmp_path / "metrics")
    assert (tmp_path / "metrics").is_dir()


def test_what_cannot_start_says_why(start, tmp_path):
    with pytest.raises(InputError, match=r"^NO_SUCH is named"):
        start(token_variable="NO_SUCH")
    with pytest.raises(InputError, match="no bundle here"):
        Server({"bundle": str(tmp_path)}, SECRET)


def test_rest_tokens_are_signed_by_the_variables_secret_or_by_one_that_is_drawn(monkeypatch):
    monkeypatch.setenv("V", SECRET)

    def key(**settings):
        return build(Settings(bundle="b", **settings))._bound_deployment.init_args[1]

    assert key(rest_key_variable="V") == SECRET
    assert len(key()) == 64 and key() != key()
    with pytest.raises(InputError, match=r"^NO_SUCH is named"):
        key(rest_key_variable="NO_SUCH")
