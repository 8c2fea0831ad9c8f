"""Start a server and be sure that it ends: in the foreground until Ctrl-C, or for a while beside other work.

The server is always a process of its own, in a session of its own: a signal to whoever started it (Ctrl-C reaches the
terminal's whole group) cannot end Ray's parts in a wrong order. It ends when its standard input does, which the kernel
closes even where the starter is killed.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from wesadlib.bundle import load_bundle, read_config
from wesadlib.errors import InputError, ServerError
from wesadlib.serving import process as server_process
from wesadlib.serving.client import Client
from wesadlib.serving.process import clear, free_port
from wesadlib.serving.settings import Configuration, make_configuration, require_safe

#: Seconds that a server may take to its first answer, on a slow machine too; that all of it may take to end.
START_S, STOP_S = 600.0, 60.0
#: What is set for other programs and breaks Ray, or leads it elsewhere.
FOREIGN = ("PROMETHEUS_MULTIPROC_DIR", "PYTHONWARNINGS", "RAY_ADDRESS", "RAY_NAMESPACE", "RAY_TMPDIR")


def serve(configuration: Configuration) -> None:
    """Serve a bundle over HTTP until Ctrl-C or SIGTERM; no process is left behind."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        with _running(configuration) as process:
            url = configuration.url
            print(f"Answering at {url}, described at {url}/docs; Ctrl-C ends it.", flush=True)
            raise ServerError(f"the server ended by itself with status {process.wait()}")
    except KeyboardInterrupt:
        print("Ended.", flush=True)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def running_server(
    bundle: str | Path, settings: Mapping[str, Any] | None = None, replicas: int = 1
) -> Iterator[Client]:
    """Serve a bundle while the block runs, however that ends, at a free port of loopback, and give a client for it.

    Parameters
    ----------
    bundle : path
        Folder of a bundle.
    settings : mapping, optional
        Settings that differ from their defaults, by the names of :class:`~wesadlib.serving.settings.Settings`.
    replicas : int
        How many answer side by side; each has a copy of the models.
    """
    configuration = make_configuration({**(settings or {}), "bundle": str(bundle)}, port=free_port())
    configuration = configuration.model_copy(update={"deployment": {"num_replicas": replicas}})
    with _running(configuration), Client(configuration.url) as client:
        yield client


@contextmanager
def _running(configuration: Configuration) -> Iterator[subprocess.Popen]:
    """A server that answers; where its process ends before that, another is tried."""
    require_safe(configuration.http["host"], configuration.settings)
    folder = configuration.settings.folder
    version = read_config(folder)["version"]
    settings = configuration.settings.model_copy(update={"bundle": str(folder)})
    configuration = configuration.model_copy(update={"settings": settings})
    for last in (False, True):
        require_free_port(configuration.http["host"], configuration.http["port"])
        with tempfile.TemporaryFile("w+", encoding="utf-8") as log, _process(configuration, log) as process:
            if _is_ready(process, configuration.url, version):
                yield process
                return
            # Where the bundle is the cause, one sentence says so.
            load_bundle(folder)
            status = process.poll()
            if status is None or last:
                words = f"did not answer within {START_S:g} s"
                if status is not None:
                    words = f"ended with status {status} before it answered"
                log.seek(0)
                raise ServerError("\n".join([f"the server {words}", *log.read().strip().splitlines()[-20:]]))


@contextmanager
def _process(configuration: Configuration, log: IO[str]) -> Iterator[subprocess.Popen]:
    # Not in TMPDIR: Ray's sockets lie deep inside, and a socket's path has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="wesad-", dir="/tmp")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", server_process.__name__, folder, configuration.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # Ray's core warns there that what was ended has ended.
        stderr=log,
        text=True,
        env={name: os.environ[name] for name in os.environ if name not in FOREIGN} | server_process.SWITCHES,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        started = [] if process.poll() is not None else psutil.Process(process.pid).children(recursive=True)
        process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        clear(started, folder)


def _is_ready(process: subprocess.Popen, url: str, version: str) -> bool:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError, ValueError, KeyError):
            # Another server may have taken the port meanwhile: ours knows this bundle.
            if httpx.get(f"{url}/ready", trust_env=False).json()["model_version"] == version:
                return True
        time.sleep(0.1)
    return False


def require_free_port(host: str, port: int) -> None:
    """Refuse a port of `host` at which nothing can listen."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise InputError(f"host {host}: not an address of this machine; use 127.0.0.1.") from None
        except OSError as error:
            raise InputError(
                f"port {port} of {host} cannot be had ({os.strerror(error.errno).lower()}): end what listens there, "
                "or choose another with --port."
            ) from None
