"""Faults at length: `make test-faults`, not part of `make test`."""

import sys
from pathlib import Path

import minutes
import pytest

from wesadlib.bundle import load_bundle

# What starts a cluster is there.
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


def pytest_addoption(parser):
    parser.addoption("--short", action="store_true", help="less of everything: for each change to the code")


def pytest_generate_tests(metafunc):
    """With one replica and with two, but in the short form."""
    if "replicas" in metafunc.fixturenames:
        metafunc.parametrize("replicas", [1] if metafunc.config.getoption("--short") else [1, 2])


@pytest.fixture(scope="session")
def short(pytestconfig) -> bool:
    return pytestconfig.getoption("--short")


@pytest.fixture(scope="session")
def old_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "old"
    return load_bundle(minutes.save_small_bundle("resnet", folder, rested=True))
