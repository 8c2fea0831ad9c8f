"""Another bundle under load, by Serve's own tool: no request fails, each is answered by the bundle that it names."""

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

import httpx
import minutes
import people
import pytest
import yaml
from asking import asking
from cluster import cluster
from command import START_S, application, until
from safetensors.numpy import load_file, save_file

from wesadlib import artefacts
from wesadlib.bundle import load_bundle
from wesadlib.serving import Client, RequestRefused
from wesadlib.serving.process import free_port

WEIGHTS = "model/weights.safetensors"


def forge(folder):
    """A bundle that is whole by its digests, with a weight too few."""
    weights, config = folder / WEIGHTS, folder / "config.json"
    tensors = load_file(weights)
    del tensors[min(tensors)]
    save_file(tensors, weights)
    values = json.loads(config.read_text(encoding="utf-8"))
    del values["version"]
    values["files"][WEIGHTS] = artefacts.file_digest(weights)
    config.write_text(json.dumps(values | {"version": artefacts.digest(values)}), encoding="utf-8")
    return folder


def test_a_change_of_the_bundle_fails_no_request(tmp_path, old_bundle):
    new_bundle = load_bundle(minutes.save_small_bundle("resnet", tmp_path / "new", people=5, rested=True))
    forged = forge(Path(shutil.copytree(new_bundle.folder, tmp_path / "forged")))
    file, port = tmp_path / "serve.yaml", free_port()

    def write(folder):
        values = {"http_options": {"host": "127.0.0.1", "port": port}, "applications": [application(folder)]}
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        return file

    def answering(bundle):
        def ask():
            with suppress(RequestRefused, httpx.HTTPError):
                return client.ready().model_version == bundle.version

        return ask

    url = f"http://127.0.0.1:{port}"
    with cluster("::1") as (_, deploy), Client(url, retry_s=0) as client:
        until(lambda: deploy(write(old_bundle.folder)), START_S)
        until(answering(old_bundle), START_S)
        with asking(url, people.BODIES, 10) as asked:
            deploy(write(forged))
            # It does not come up, and what was served before stays.
            time.sleep(20)
            assert answering(old_bundle)()
            deploy(write(new_bundle.folder))
            until(answering(new_bundle), START_S)
            time.sleep(5)
    assert {one.status for one in asked} == {200}
    bundles = {bundle.version: people.probabilities(bundle) for bundle in (old_bundle, new_bundle)}
    assert {one.answer["model_version"] for one in asked} == set(bundles)
    for one in asked:
        expected = bundles[one.answer["model_version"]][one.which]
        assert one.answer["probabilities"] == pytest.approx(expected, abs=1e-6)
