"""What `wesad serve --config` cannot use it refuses in one sentence, before anything is started."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from wesadlib.serving.process import free_port

WESAD = Path(sys.executable).with_name("wesad")
ARGUMENTS, DEPLOYMENT = ("applications", 0, "args"), ("applications", 0, "deployments", 0)


@pytest.fixture
def values(repository, served_bundle):
    """The checkout's own file, with a bundle that is there and a port that is free."""
    values = yaml.safe_load((repository / "params" / "serve.yaml").read_text(encoding="utf-8"))
    values["applications"][0]["args"]["bundle"] = str(served_bundle)
    values["http_options"]["port"] = free_port()
    return values


@pytest.fixture
def refused(tmp_path, values):
    """Write the file with one place changed, and give what the command says of it."""

    def refuse(place=(), value=None, text=None):
        part, path = values, tmp_path / "mine.yaml"
        for key in place[:-1]:
            part = part[key]
        if place:
            part[place[-1]] = value
        path.write_text(text or yaml.safe_dump(values), encoding="utf-8")
        return run(path)

    return refuse


def run(path):
    result = subprocess.run([WESAD, "serve", "--config", path], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (1, "")
    told = result.stderr
    assert told.startswith("wesad: ") and told.count("\n") == 1, told
    return told.removeprefix("wesad: ").rstrip()


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ((*ARGUMENTS, "thread"), 2, "`applications.0.args.thread` is unknown here; did you mean `threads`?"),
        ((*ARGUMENTS, "queue_length"), "512", "queue_length`: input should be a valid integer"),
        ((*DEPLOYMENT, "num_replicas"), 0, "input should be greater than 0, not '0'."),
    ],
    ids=["unknown name", "wrong type", "out of bounds"],
)
def test_a_slip_is_told_with_file_and_field(refused, tmp_path, place, value, told):
    sentence = refused(place, value)
    assert sentence.startswith(f"{tmp_path / 'mine.yaml'}: ") and told in sentence


def test_a_file_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "none.yaml"
    assert run(path) == f"{path}: not a readable file (no such file or directory); name one with --config."


@pytest.mark.parametrize("text", ["applications: [", "\0"], ids=["open bracket", "no text"])
def test_what_is_no_yaml_is_told(refused, tmp_path, text):
    assert refused(text=text).startswith(f"{tmp_path / 'mine.yaml'}: not readable as YAML (")


def test_a_bundle_that_is_not_there_is_told(refused, tmp_path):
    folder = tmp_path / "no-bundle"
    assert refused((*ARGUMENTS, "bundle"), str(folder)).startswith(f"{folder}: no bundle here")


def test_a_bundle_whose_weights_are_others_is_told(refused, served_bundle, tmp_path):
    folder = shutil.copytree(served_bundle, tmp_path / "changed")
    weights = folder / "model" / "weights.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    told = refused((*ARGUMENTS, "bundle"), str(folder))
    assert told.startswith(f"{weights}: changed since the bundle was saved; ")


def test_a_port_that_something_else_has_is_told(refused):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        told = refused(("http_options", "port"), port)
    assert told.startswith(f"port {port} of 127.0.0.1 cannot be had (address already in use)")
    assert told.endswith("or choose another with --port.")
