"""Start a server and be sure that it ends: in the foreground until Ctrl-C, or for a while beside other work.

The server is always a process of its own, in a session of its own: a signal to whoever started it (Ctrl-C reaches the
terminal's whole group) cannot end Ray's parts in a wrong order. It ends when its standard input does, which the kernel
closes even where the starter is killed.
"""

import argparse
import atexit
import logging
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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from wesadlib.bundle import load_bundle, read_config
from wesadlib.errors import InputError, ServerError
from wesadlib.serving.client import Client, RequestRefused

#: Seconds that a server may take to its first answer; that Serve may take to end; that all of it may take to end.
START_S, DRAIN_S, STOP_S = 120.0, 15.0, 60.0

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
    ServerError
        When the server does not come up, or ends by itself.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        with _process(bundle, host, port, None) as process, Client(_url(host, port)) as client:
            _wait_until_ready(client, process, bundle, None, START_S)
            print(f"Answering at {client.url}, described at {client.url}/docs; Ctrl-C ends it.", flush=True)
            raise ServerError(f"the server ended by itself with status {process.wait()}")
    except KeyboardInterrupt:
        print("Ended.", flush=True)
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


@contextmanager
def running_server(
    bundle: str | Path, host: str = "127.0.0.1", port: int | None = None, start_s: float = START_S
) -> Iterator[Client]:
    """Serve a bundle while the block runs, and give a client for it; the server ends with the block, however that ends.

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
    ServerError
        When the server does not come up.
    """
    port = free_port(host) if port is None else port
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        _process(bundle, host, port, log) as process,
        Client(_url(host, port)) as client,
    ):
        _wait_until_ready(client, process, bundle, log, start_s)
        yield client


def require_free_port(host: str, port: int) -> None:
    """Raise :class:`InputError` where nothing can listen at `port` of `host`."""
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


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` at which nothing listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


@contextmanager
def _process(bundle: str | Path, host: str, port: int, log: IO[str] | None) -> Iterator[subprocess.Popen]:
    read_config(bundle)
    require_free_port(host, port)
    process = subprocess.Popen(
        _command(bundle, host, port),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # Ray's core warns there that what was ended has ended.
        stderr=log,
        env=os.environ | _RAY,
        start_new_session=True,
    )
    # For an interpreter that ends inside the block, such as a notebook's kernel.
    atexit.register(_end, process)
    try:
        yield process
    finally:
        atexit.unregister(_end)
        _end(process)


def _url(host: str, port: int) -> str:
    # A server that listens on every address is asked at this machine's own.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _command(bundle: str | Path, host: str, port: int) -> list[str]:
    return [sys.executable, "-m", __name__, str(bundle), "--host", host, "--port", str(port)]


def _end(process: subprocess.Popen) -> None:
    ended = process.poll() is not None
    started = [] if ended else psutil.Process(process.pid).children(recursive=True)
    process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(started, timeout=5)[1]:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _wait_until_ready(
    client: Client, process: subprocess.Popen, bundle: str | Path, log: IO[str] | None, start_s: float
) -> None:
    version = read_config(bundle)["version"]
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError, RequestRefused):
            # Another server may have taken the port meanwhile: ours knows this bundle.
            if client.health().model_version == version:
                return
        time.sleep(0.1)
    # Where the bundle is the cause, one sentence says so.
    load_bundle(bundle)
    tail = []
    if log is not None:
        log.seek(0)
        tail = log.read().strip().splitlines()[-20:]
    raise ServerError("\n".join([f"the server did not come up within {start_s:g} s", *tail]))


def _serve_until(stop: threading.Event, bundle: str, host: str, port: int) -> None:
    with _ray():
        from ray import serve as ray_serve

        from wesadlib.serving.app import build

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        quiet = {"enable_access_log": False, "log_level": "WARNING"}
        ray_serve.start(http_options={"host": host, "port": port}, logging_config=quiet)
        if not stop.is_set():
            ray_serve.run(build(bundle), name="wesad", route_prefix="/", logging_config=quiet)
        stop.wait()
        # Bounded: Serve waits half a minute for a controller that is gone.
        ending = threading.Thread(target=ray_serve.shutdown, daemon=True)
        ending.start()
        ending.join(DRAIN_S)


@contextmanager
def _ray() -> Iterator[Any]:
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
        yield ray
    finally:
        started = psutil.Process().children(recursive=True)
        ray.shutdown()
        # Some of Ray's agents outlive it.
        for process in psutil.wait_procs(started, timeout=5)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Serve until standard input ends: the process that :func:`serve` and :func:`running_server` start."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("bundle")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    try:
        _serve_until(stop, arguments.bundle, arguments.host, arguments.port)
    except RuntimeError:
        # Ray says only that a replica failed. Where the bundle does not load, the starter says that in its own words.
        try:
            load_bundle(arguments.bundle)
        except InputError:
            sys.exit(1)
        raise


if __name__ == "__main__":
    main()
