"""Start a server and be sure that it ends: in the foreground until Ctrl-C, or in a process of its own for a while."""

import argparse
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from wesadlib.bundle.folder import read_config
from wesadlib.errors import InputError
from wesadlib.serving.client import Client, RequestRefused

START_S = 120.0
STOP_S = 60.0

#: Ray reads these when it is imported: no report to its makers, no token file in the user's home.
_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


def serve(bundle: str | Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a bundle over HTTP until Ctrl-C or SIGTERM; no process is left behind.

    Parameters
    ----------
    bundle : path
        Folder of a bundle.
    host, port
        Where to listen.

    Raises
    ------
    InputError
        When the bundle is not whole, or the port is taken.
    """
    stop = threading.Event()
    _serve(bundle, host, port, stop)


def _serve(bundle: str | Path, host: str, port: int, stop: threading.Event) -> None:
    config = read_config(bundle)
    require_free_port(host, port)
    with _listening_to_signals(stop) as listen, _ray(listen):
        from ray import serve as ray_serve

        from wesadlib.serving.app import build

        ray_serve.start(http_options={"host": host, "port": port}, logging_config={"enable_access_log": False})
        if not stop.is_set():
            ray_serve.run(build(bundle), name="wesad", route_prefix="/")
            print(f"{config['model']} answers at http://{host}:{port} (description: /docs); Ctrl-C ends it", flush=True)
        stop.wait()
        print("ending", flush=True)
        ray_serve.shutdown()


@contextmanager
def running_server(
    bundle: str | Path, host: str = "127.0.0.1", port: int | None = None, start_s: float = START_S
) -> Iterator[Client]:
    """Serve a bundle in a process of its own while the block runs, and give a client for it.

    The server ends with the block, whatever happens in it, and also when the process that started it dies.

    Parameters
    ----------
    bundle : path
        Folder of a bundle.
    host : str
        Where to listen.
    port : int, optional
        None: a free one.
    start_s : float
        How long to wait for the first answer.

    Raises
    ------
    InputError
        When the bundle is not whole, or the port is taken.
    RuntimeError
        When the server does not come up.
    """
    version = read_config(bundle)["version"]
    port = port or free_port(host)
    require_free_port(host, port)
    command = [sys.executable, "-m", __name__, str(bundle), "--host", host, "--port", str(port)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        # The server ends when its standard input does: the kernel closes that also when this process is killed.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=os.environ | _RAY)
        atexit.register(_end, process)
        try:
            with Client(f"http://{host}:{port}") as client:
                _wait_until_ready(client, process, version, log, start_s)
                yield client
        finally:
            atexit.unregister(_end)
            _end(process)


def require_free_port(host: str, port: int) -> None:
    """Raise :class:`InputError` where nothing can listen at `port` of `host`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror):
                raise InputError(f"host {host}: no address of this machine; use 127.0.0.1.") from None
            raise InputError(
                f"port {port} of {host} cannot be had ({os.strerror(error.errno).lower()}): end what listens there, "
                "or choose another with --port."
            ) from None


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` at which nothing listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


@contextmanager
def _listening_to_signals(stop: threading.Event) -> Iterator[Any]:
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def listen() -> None:
        for number in previous:
            signal.signal(number, lambda *_: stop.set())

    listen()
    try:
        yield listen
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _ray(listen: Any) -> Iterator[None]:
    """Ray on this machine, alone and quiet, with all its processes and files gone afterwards."""
    os.environ.update(_RAY)
    import ray

    # Not TMPDIR: Ray's sockets lie deep inside, and a socket's path has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="wesad-", dir="/tmp")
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=100 * 2**20,
            _temp_dir=folder,
        )
        listen()  # Ray has put its own handlers in place.
        yield
    finally:
        started = psutil.Process().children(recursive=True)
        ray.shutdown()
        # Some of Ray's agents outlive it.
        for process in psutil.wait_procs(started, timeout=5)[1]:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(client: Client, process: subprocess.Popen, version: str, log: Any, start_s: float) -> None:
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            # Another server may have taken the port meanwhile: ours knows this bundle.
            if client.health().model_version == version:
                return
        except (httpx.HTTPError, RequestRefused):
            pass
        time.sleep(0.1)
    log.seek(0)
    lines = log.read().strip().splitlines()[-20:]
    raise RuntimeError("the server did not come up:\n" + "\n".join(lines))


def _end(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    started = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(started, timeout=5)[1]:
        child.kill()


def main() -> None:
    """Serve until standard input ends; what :func:`running_server` starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    _serve(arguments.bundle, arguments.host, arguments.port, stop)


if __name__ == "__main__":
    main()
