"""Another bundle under load: no request fails, and each is answered by the bundle that its answer names."""

import json
import shutil
import signal
import time

import minutes
import people
import pytest
from asking import asking
from command import serving, until
from safetensors.numpy import load_file, save_file

from wesadlib import artefacts
from wesadlib.bundle import load_bundle


def check_order(asked, versions):
    """Who asks after a new answer has come is not answered by an older bundle."""
    came = [(one.ended_s, versions.index(one.answer["model_version"])) for one in asked]
    for one in asked:
        known = max((order for ended_s, order in came if ended_s < one.sent_s), default=0)
        assert versions.index(one.answer["model_version"]) >= known


WEIGHTS = "model/weights.safetensors"


def damage(folder):
    """Weights that are not those that were saved."""
    weights = folder / WEIGHTS
    weights.write_bytes(bytes([255 - byte for byte in weights.read_bytes()]))


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


def test_a_change_of_the_bundle_fails_no_request(tmp_path, old_bundle):
    folder = tmp_path / "bundle"
    shutil.copytree(old_bundle.folder, folder)
    told = []
    with serving(tmp_path, folder) as command:
        with asking(command.client.url, people.BODIES, 25) as asked:
            time.sleep(2)
            new_bundle = load_bundle(minutes.save_small_bundle("resnet", folder, people=5, rested=True))
            assert new_bundle.version != old_bundle.version
            command.tell(signal.SIGHUP)
            until(lambda: command.client.health().model_version == new_bundle.version, 30)
            time.sleep(2)
            # One that is damaged, and one that is not but does not load: the one before them stays.
            newest_bundle = load_bundle(minutes.save_small_bundle("resnet", folder, people=4, rested=True))
            for spoil in (damage, forge):
                whole = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
                spoil(folder)
                command.tell(signal.SIGHUP)
                told.append(command.line())
                assert command.client.ready().model_version == new_bundle.version
                for path, content in whole.items():
                    path.write_bytes(content)
            # Mended, it is taken, although it says the same of itself as before.
            command.tell(signal.SIGHUP)
            until(lambda: command.client.health().model_version == newest_bundle.version, 60)
            time.sleep(1)
        status, printed = command.end()
    assert status == 0
    assert told == [
        f"wesad: {folder / WEIGHTS}: changed since the bundle was saved; save the bundle again, or copy it again from "
        "where it came. What was served before stays.\n",
        f"wesad: {folder}: no replica comes up with this bundle. What was served before stays.\n",
    ]
    assert printed == "Ended.\n"
    assert {one.status for one in asked} == {200}
    bundles = {bundle.version: people.probabilities(bundle) for bundle in (old_bundle, new_bundle, newest_bundle)}
    assert {one.answer["model_version"] for one in asked} == set(bundles)
    for one in asked:
        expected = bundles[one.answer["model_version"]][one.which]
        assert one.answer["probabilities"] == pytest.approx(expected, abs=1e-6)
    check_order(asked, list(bundles))
