"""Another bundle under load: no request fails, and each is answered by the bundle that its answer names."""

import shutil
import signal
import time

import minutes
import people
import pytest
from asking import asking
from command import serving, until

from wesadlib.bundle import load_bundle


def check_order(asked, versions):
    """Who asks after a new answer has come is not answered by an older bundle."""
    came = [(one.ended_s, versions.index(one.answer["model_version"])) for one in asked]
    for one in asked:
        known = max((order for ended_s, order in came if ended_s < one.sent_s), default=0)
        assert versions.index(one.answer["model_version"]) >= known


def test_a_change_of_the_bundle_fails_no_request(tmp_path, old_bundle):
    folder = tmp_path / "bundle"
    shutil.copytree(old_bundle.folder, folder)
    with serving(tmp_path, folder) as command:
        with asking(command.client.url, people.BODIES, 25) as asked:
            time.sleep(2)
            new_bundle = load_bundle(minutes.save_small_bundle("resnet", folder, people=5, rested=True))
            assert new_bundle.version != old_bundle.version
            command.tell(signal.SIGHUP)
            until(lambda: command.client.health().model_version == new_bundle.version, 30)
            time.sleep(2)
            # One that does not load: the one before it stays.
            newest_bundle = load_bundle(minutes.save_small_bundle("resnet", folder, people=4, rested=True))
            weights = max(folder.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
            whole = weights.read_bytes()
            weights.write_bytes(bytes([255 - byte for byte in whole]))
            command.tell(signal.SIGHUP)
            time.sleep(5)
            assert command.client.ready().model_version == new_bundle.version
            # Mended, it is taken, although it says the same of itself as before.
            weights.write_bytes(whole)
            command.tell(signal.SIGHUP)
            until(lambda: command.client.health().model_version == newest_bundle.version, 30)
            time.sleep(1)
        status, printed = command.end()
    assert status == 0
    assert printed.count("What was served before stays.") == 1 and "Traceback" not in printed
    assert {one.status for one in asked} == {200}
    bundles = {bundle.version: people.probabilities(bundle) for bundle in (old_bundle, new_bundle, newest_bundle)}
    assert {one.answer["model_version"] for one in asked} == set(bundles)
    for one in asked:
        expected = bundles[one.answer["model_version"]][one.which]
        assert one.answer["probabilities"] == pytest.approx(expected, abs=1e-6)
    check_order(asked, list(bundles))
