"""What stands around a server: ports, and the refusals that come before anything is started."""

import json
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from wesadlib.artefacts import digest, file_digest
from wesadlib.errors import InputError, ServerError
from wesadlib.serving import running_server, serve, server
from wesadlib.serving.server import free_port, require_free_port
from wesadlib.serving.settings import make_configuration


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def bundle_folder(bundle):
    return bundle.folder


@pytest.fixture
def stand_in(monkeypatch):
    """Start a line of code in place of the server."""

    def start(code):
        def instead(command, **keywords):
            is_server = server.server_process.__name__ in command
            return popen([*command[:1], "-c", code, *command[2:]] if is_server else command, **keywords)

        monkeypatch.setattr(subprocess, "Popen", instead)

    popen = subprocess.Popen
    return start


def serve_plainly(bundle, port=None):
    serve(make_configuration({"bundle": str(bundle)}, port=port))


def test_a_taken_port_is_one_sentence_before_anything_starts(bundle_folder, taken_port, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(InputError, match=f"port {taken_port} of 127.0.0.1 cannot be had .*in use.*: end what listens"):
        serve_plainly(bundle_folder, port=taken_port)


def test_a_free_port_is_free_and_one_just_left_too():
    port = free_port()
    require_free_port("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)) as listener:
        peer = socket.create_connection(("127.0.0.1", port))
        listener.accept()[0].close()  # leaves the port in TIME_WAIT, where a listener may come back
        peer.close()
    require_free_port("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "message"),
    [("192.0.2.1", r"port 8000 of 192\.0\.2\.1 cannot be had"), ("no such host", "not an address of this machine")],
)
def test_an_address_of_another_machine_is_refused(host, message):
    with pytest.raises(InputError, match=message):
        require_free_port(host, 8000)


@pytest.mark.parametrize("start", [serve_plainly, lambda bundle: running_server(bundle).__enter__()])
def test_what_is_no_bundle_is_refused_before_anything_starts(tmp_path, start, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(InputError, match="no bundle here"):
        start(tmp_path)


def test_a_server_ends_with_its_block_also_when_that_fails(bundle_folder, monkeypatch, stand_in):
    started = []
    stand_in("import sys; sys.stdin.read()")
    monkeypatch.setattr(server, "_is_ready", lambda process, *_: started.append(process) or True)
    with pytest.raises(ZeroDivisionError), running_server(bundle_folder):
        assert started[0].poll() is None
        raise ZeroDivisionError
    assert started[0].poll() == 0


def test_a_server_that_does_not_end_when_asked_is_ended(bundle_folder, monkeypatch, stand_in):
    started = []
    stand_in("import time; time.sleep(600)")
    monkeypatch.setattr(server, "_is_ready", lambda process, *_: started.append(process) or True)
    monkeypatch.setattr(server, "STOP_S", 0.1)
    with running_server(bundle_folder):
        pass
    assert started[0].poll() == -signal.SIGKILL


def test_a_server_that_ends_before_it_answers_is_tried_once_more_and_says_its_last_words(
    bundle_folder, tmp_path, stand_in
):
    stand_in(f"open({str(tmp_path / 'starts')!r}, 'a').write('.'); raise SystemExit('out of luck')")
    words = r"(?s)ended with status 1 before it answered.*out of luck"
    with pytest.raises(ServerError, match=words), running_server(bundle_folder):
        pass
    assert (tmp_path / "starts").read_text() == ".."


def test_a_server_that_is_silent_for_too_long_is_ended(bundle_folder, monkeypatch, stand_in):
    stand_in("import sys; sys.stdin.read()")
    monkeypatch.setattr(server, "START_S", 0.1)
    with pytest.raises(ServerError, match=r"did not answer within 0\.1 s"), running_server(bundle_folder):
        pass


def test_it_starts_without_what_is_set_for_others_in_a_short_folder_that_goes(
    bundle_folder, tmp_path, monkeypatch, stand_in
):
    started = tmp_path / "started"
    stand_in(
        f"import os, sys; open({str(started)!r}, 'w').write(' '.join([sys.argv[3], *os.environ])); sys.stdin.read()"
    )
    for name in ("HOME", *server.FOREIGN):
        monkeypatch.setenv(name, "/nonexistent")
    long = tmp_path / ("d" * 97)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setattr(server, "_is_ready", lambda *_: True)
    with running_server(bundle_folder):
        pass
    folder, *names = started.read_text().split()
    assert len(folder) < 24 and not Path(folder).exists()
    assert {"HOME", "OMP_NUM_THREADS"} == {"HOME", "OMP_NUM_THREADS", *server.FOREIGN} & {*names}


def test_a_bundle_that_does_not_load_is_named_when_the_server_does_not_come_up(bundle_folder, tmp_path, stand_in):
    folder = shutil.copytree(bundle_folder, tmp_path / "bundle")
    config = json.loads((folder / "config.json").read_text())
    (folder / "model" / "model.json").write_text('{"model": "oracle"}')
    config["files"]["model/model.json"] = file_digest(folder / "model" / "model.json")
    del config["version"]
    (folder / "config.json").write_text(json.dumps(config | {"version": digest(config)}))
    stand_in("")
    with pytest.raises(InputError, match="unknown model `oracle`"), running_server(folder):
        pass
