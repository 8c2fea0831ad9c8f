"""`wesad serve` as a user starts it: a process with a configuration file, signals to it, and nothing left of it."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from wesadlib.serving import Client, RequestRefused
from wesadlib.serving.process import free_port
from wesadlib.serving.settings import DEPLOYMENT, IMPORT_PATH

WESAD = Path(sys.executable).with_name("wesad")
#: Seconds that it may take to come up, and to end.
START_S, END_S = 600.0, 120.0
#: Inherited by whatever is started, also by what leaves its parent.
_MARK = "WESAD_FAULTS"


class Command:
    """A running command, a client of it that never asks twice, and the mark that all has which it starts."""

    def __init__(self, process: subprocess.Popen, mark: str, client: Client):
        self.process, self.client = process, client
        self.port = int(client.url.rpartition(":")[2])
        self._mark = mark

    def processes(self, title: str = "") -> list[psutil.Process]:
        """All that it started and that runs, wherever that is now, of a title."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(_MARK) == self._mark and title in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def replicas(self) -> list[psutil.Process]:
        """The processes that answer."""
        return self.processes("ray::ServeReplica")

    def drift_store(self) -> psutil.Process:
        """The process that keeps what drift is judged on."""
        (found,) = self.processes("ray::DriftStore")
        return found

    def answers(self, question: str = "ready") -> bool:
        """Whether one question of the client is answered."""
        with suppress(RequestRefused, httpx.HTTPError):
            getattr(self.client, question)()
            return True
        return False

    def files(self) -> set[Path]:
        """Folders of its own in /tmp and /dev/shm, as its processes name and hold them."""
        named = set()
        for process in self.processes():
            with suppress(psutil.Error):
                held = [file.path for file in process.open_files()]
                named |= set(re.findall(r"/(?:tmp|dev/shm)/[^/\s=]+", " ".join([*process.cmdline(), *held])))
        # A checkout may lie there too.
        others = {*Path(sys.prefix).parents, *Path.cwd().parents}
        return {Path(name) for name in named if "pytest" not in name} - others

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it by a signal; status, and what of both of its streams was not read yet.

        Ctrl-C is a signal to all processes in a terminal's foreground, any other goes to the command alone.
        """
        (os.killpg if number == signal.SIGINT else os.kill)(self.process.pid, number)
        printed, _ = self.process.communicate(timeout=END_S)
        return self.process.returncode, printed


def application(bundle: Path, replicas: int = 1, **settings: Any) -> dict[str, Any]:
    """What is to be served, as in Serve's file."""
    return {
        "import_path": IMPORT_PATH,
        "args": {"bundle": str(bundle), **settings},
        "deployments": [{"name": DEPLOYMENT, "num_replicas": replicas}],
    }


@contextmanager
def serving(folder: Path, bundle: Path, replicas: int = 1, **settings: Any) -> Iterator[Command]:
    """Serve a bundle by the command, with a file in `folder`, while the block runs; what is left is killed."""
    port, mark = free_port(), uuid.uuid4().hex
    path = folder / "serve.yaml"
    values = {"http_options": {"port": port}, "applications": [application(bundle, replicas, **settings)]}
    path.write_text(yaml.safe_dump(values))
    # A file of whoever starts it, which is called like a library.
    (folder / "ray.py").write_text("raise SystemExit('not Ray')")
    process = subprocess.Popen(
        ["/usr/bin/env", f"{_MARK}={mark}", WESAD, "serve", "--config", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    with Client(f"http://127.0.0.1:{port}", retry_s=0) as client:
        command = Command(process, mark, client)
        try:
            said = process.stdout.readline()
            assert f":{port}" in said, said
            until(lambda: len(command.replicas()) == replicas, START_S)
            yield command
        finally:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(END_S)
            for left in command.processes():
                with suppress(psutil.Error):
                    left.kill()
            process.wait()
            process.stdout.close()


def until(holds: Callable[[], Any], seconds: float) -> Any:
    """Wait until something holds; TimeoutError where it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.1)
    return found
