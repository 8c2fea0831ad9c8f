"""A bundle that answers wrists, and one made person's recording."""

import sys
from dataclasses import replace
from datetime import UTC, datetime

import minutes
import pytest

from wesadlib import cli
from wesadlib.data.e4 import write_e4
from wesadlib.drift import make_reference
from wesadlib.features import extract_features


@pytest.fixture
def wesad(monkeypatch, capsys):
    """Run the command line in this process; returns exit status, output and error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wesad", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def own_bundle(tmp_path_factory):
    """The folder of a logistic bundle that can use rest."""
    metrics = [{"protocol": "cold_start", "windows": "all", "accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9}]
    return minutes.save_small_bundle(
        "logistic",
        tmp_path_factory.mktemp("own") / "bundle",
        rested=True,
        metrics=metrics,
        drift_reference=make_reference(extract_features(minutes.wrist_windows())),
    )


@pytest.fixture(scope="session")
def person():
    """Four minutes of somebody, with two presses of the button."""
    start = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    return replace(minutes.wrist_recording(3), start=start, marks_s=(5.0, 110.0))


@pytest.fixture(scope="session")
def e4(person, tmp_path_factory):
    """The same as an export of an E4."""
    return write_e4(person, tmp_path_factory.mktemp("e4") / "anna.zip")
