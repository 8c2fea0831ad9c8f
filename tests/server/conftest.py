"""One running server for all tests of this folder."""

import minutes
import pytest

from wesadlib.serving import running_server


@pytest.fixture(scope="session")
def served_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "bundle"
    return minutes.save_small_bundle("resnet", folder)


@pytest.fixture(scope="session")
def server(served_bundle):
    with running_server(served_bundle) as client:
        yield client
