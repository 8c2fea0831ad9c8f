"""The command as a container runs it: a read-only root, a user without a name or home, little shared memory."""

import os
import subprocess
import time

import pytest
from command import END_S, START_S, WESAD

from wesadlib.bundle import default_bundle, load_bundle
from wesadlib.serving import Client
from wesadlib.serving.process import free_port

#: A user whom the machine does not know, with rights over its own mounts alone, which it gives up before the command.
UNSHARE = ("unshare", "--mount", "--map-user=12345", "--map-group=12345", "--keep-caps")
INSIDE = """
mount -t tmpfs -o size=64m tmpfs /dev/shm && mount -t tmpfs tmpfs /tmp && mount -o remount,bind,ro / &&
mkdir "$TMPDIR" && ! touch /written 2>/dev/null && exec setpriv --ambient-caps=-all --inh-caps=-all "$@"
"""
#: 97 characters: a socket in it would have too long a path.
ENVIRONMENT = {
    "TMPDIR": "/tmp/".ljust(97, "x"),
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
}


def test_the_command_answers_where_nothing_is_its_own(record_property):
    if subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True).returncode:
        pytest.skip("`unshare` may not make a user and mounts of its own here")
    port, bundle = free_port(), load_bundle(default_bundle())
    window_s = bundle.config["window_s"]
    window = bundle.example().windows(window_s, window_s)[0]
    command = [*UNSHARE, "sh", "-c", INSIDE, "sh", WESAD, "serve", bundle.folder, "--port", str(port)]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        line = process.stdout.readline()
        assert f":{port}" in line, line + process.stdout.read()
        with Client(f"http://127.0.0.1:{port}", START_S) as client:
            answer = client.predict(*window)
        record_property("first_answer_s", round(time.monotonic() - begun, 1))
        assert (answer.status, answer.state) == ("ok", bundle.predict_windows([window])[0].state)
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=END_S)
    assert (process.returncode, rest) == (0, "Ended.\n")
