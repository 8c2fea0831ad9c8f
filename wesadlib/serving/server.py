"""Start a server and be sure that it ends: in the foreground until Ctrl-C, or for a while beside other work.

The server is always a process of its own, in a session of its own: a signal to whoever started it (Ctrl-C reaches the
terminal's whole group) cannot end Ray's parts in a wrong order. It ends when its standard input does, which the kernel
closes even where the starter is killed.
"""

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx
import psutil

from wesadlib.bundle import load_bundle, read_config
from wesadlib.errors import ServerError
from wesadlib.serving import process as server_process
from wesadlib.serving.client import Client, RequestRefused
from wesadlib.serving.ports import free_port, require_free_port

#: Seconds that a server may take to its first answer; that all of it may take to end.
START_S, STOP_S = 120.0, 60.0


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
    bundle: str | Path,
    host: str = "127.0.0.1",
    port: int | None = None,
    start_s: float = START_S,
    ingress: str | None = None,
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
    ingress : str, optional
        How requests reach the app: one of :data:`wesadlib.serving.process.INGRESSES`; None: the quickest that works.

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
        _process(bundle, host, port, log, ingress) as process,
        Client(_url(host, port)) as client,
    ):
        _wait_until_ready(client, process, bundle, log, start_s)
        yield client


@contextmanager
def _process(
    bundle: str | Path, host: str, port: int, log: IO[str] | None, ingress: str | None = None
) -> Iterator[subprocess.Popen]:
    read_config(bundle)
    require_free_port(host, port)
    process = subprocess.Popen(
        _command(bundle, host, port, ingress),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # Ray's core warns there that what was ended has ended.
        stderr=log,
        env=os.environ | server_process.RAY,
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


def _command(bundle: str | Path, host: str, port: int, ingress: str | None) -> list[str]:
    command = [sys.executable, "-m", server_process.__name__, str(bundle), "--host", host, "--port", str(port)]
    return [*command, "--ingress", ingress] if ingress else command


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
