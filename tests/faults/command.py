"""`wesad serve` as a user starts it: a process with a configuration file, signals to it, and nothing left of it."""

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

import psutil
import yaml

from wesadlib.serving import Client
from wesadlib.serving.configuration import IMPORT_PATH
from wesadlib.serving.ports import free_port

WESAD = Path(sys.executable).with_name("wesad")
#: Seconds that it may take to come up, and to end.
START_S, END_S = 120.0, 60.0
#: Inherited by whatever is started, also by what leaves its parent.
_MARK = "WESAD_FAULTS"


class Command:
    """A running command.

    Parameters
    ----------
    process : Popen
    mark : str
        What all that it starts has in its environment.
    client : Client
        Never asks twice.
    """

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

    def store(self) -> psutil.Process:
        """The process that remembers."""
        (found,) = self.processes("ray::_Home")
        return found

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

    def tell(self, number: signal.Signals) -> None:
        """Send the command, and it alone, a signal."""
        self.process.send_signal(number)

    def line(self) -> str:
        """The next line that it prints, when it comes."""
        return self.process.stdout.readline()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it; status, and what it printed on both of its streams that was not read yet."""
        self.tell(number)
        printed, _ = self.process.communicate(timeout=END_S)
        return self.process.returncode, printed


@contextmanager
def serving(folder: Path, bundle: Path, replicas: int = 1, **settings: Any) -> Iterator[Command]:
    """Serve a bundle by the command while the block runs; whatever is left of it afterwards is killed.

    Parameters
    ----------
    folder : path
        For the configuration.
    bundle : path
    replicas : int
    **settings
        What differs, by the names in ``user_config``.
    """
    port, mark = free_port(), uuid.uuid4().hex
    application = {
        "import_path": IMPORT_PATH,
        "args": {"bundle": str(bundle)},
        "deployments": [{"name": "Server", "num_replicas": replicas, "user_config": settings}],
    }
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump({"http_options": {"port": port}, "applications": [application]}))
    process = subprocess.Popen(
        ["/usr/bin/env", f"{_MARK}={mark}", WESAD, "serve", "--config", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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
    """Wait until something holds.

    Raises
    ------
    TimeoutError
        When it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.1)
    return found
