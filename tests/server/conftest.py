"""One running server for all tests of this folder."""

import minutes
import pytest

from wesadlib.serving import running_server


@pytest.fixture(scope="session")
def served_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "bundle"
    return minutes.save_small_bundle("resnet", folder, rested=True)


@pytest.fixture(scope="session")
def server(served_bundle):
    # Slow clients are given up soon, for the tests that wait for just that.
    with running_server(served_bundle, settings={"body_time_s": 3.0}) as client:
        yield client
