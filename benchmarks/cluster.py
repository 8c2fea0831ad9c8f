"""Ray as `ray start` makes it, with its page, by which `serve deploy` changes a server that runs."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from wesadlib.errors import ServerError
from wesadlib.serving.process import free_port, make_switches, write_haproxy

_BIN = Path(sys.executable).parent
_PORTS = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port")


@contextmanager
def cluster(host: str = "127.0.0.1") -> Iterator[tuple[psutil.Process, Callable[[Path], bool]]]:
    """Ray for a server that listens at `host`; gives its process, and what deploys a file."""
    folder, ports = tempfile.mkdtemp(prefix="wesad-", dir="/tmp"), [free_port() for _ in _PORTS]
    environment = os.environ | make_switches(folder, host) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    write_haproxy(environment)
    options = [f"--{name}={port}" for name, port in zip(_PORTS, ports, strict=True)]
    options.append(f"--temp-dir={folder}/r")
    start = [_BIN / "ray", "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats", *options]

    def deploy(path: Path) -> bool:
        if head.poll() is not None:
            raise ServerError(f"Ray ended by itself with status {head.returncode}")
        command = [_BIN / "serve", "deploy", path, "--address", f"http://127.0.0.1:{ports[1]}"]
        return subprocess.run(command, env=environment, capture_output=True).returncode == 0

    with subprocess.Popen(start, env=environment, stdout=subprocess.DEVNULL) as head:
        try:
            yield psutil.Process(head.pid), deploy
        finally:
            head.terminate()
            head.wait()
            shutil.rmtree(folder, ignore_errors=True)
