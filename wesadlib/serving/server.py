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
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from wesadlib.bundle import load_bundle, read_config
from wesadlib.errors import InputError, ServerError
from wesadlib.serving import process as server_process
from wesadlib.serving.calls import RequestRefused
from wesadlib.serving.client import Client
from wesadlib.serving.configuration import Configuration, make_configuration
from wesadlib.serving.guard import require_safe
from wesadlib.serving.ports import free_port, require_free_port

#: Seconds that a server may take to its first answer; that all of it may take to end.
START_S, STOP_S = 120.0, 60.0


def serve(read: Callable[[], Configuration]) -> None:
    """Serve a bundle over HTTP until Ctrl-C or SIGTERM; no process is left behind.

    On SIGHUP the configuration and the bundle are read again, and taken over without a stop; where they cannot be used,
    a sentence on standard error says why, and all stays as it was.

    Parameters
    ----------
    read : callable
        Gives the configuration; called at the start and on each SIGHUP.

    Raises
    ------
    InputError
        When the configuration cannot be used, the bundle is not whole, or the port is taken.
    ServerError
        When the server does not come up, or ends by itself.
    """
    again = threading.Event()
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.default_int_handler,
        signal.SIGHUP: lambda *_: again.set(),
    }
    terminal = sys.stdin is not None and sys.stdin.isatty()
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        configuration = read()
        with _process(configuration, None) as process, _client(configuration) as client:
            _wait_until_ready(client, process, configuration, None, START_S)
            print(f"Answering at {client.url}, described at {client.url}/docs; Ctrl-C ends it.", flush=True)
            while (status := _wait(process)) is None:
                if again.is_set():
                    again.clear()
                    if terminal and not os.isatty(0):
                        # The same signal tells that the terminal was closed.
                        raise KeyboardInterrupt
                    _change(process, configuration, read)
            raise ServerError(f"the server ended by itself with status {status}")
    except KeyboardInterrupt:
        print("Ended.", flush=True)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(process: subprocess.Popen) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(0.5)
    return None


def _change(process: subprocess.Popen, started: Configuration, read: Callable[[], Configuration]) -> None:
    try:
        _tell(process, _line(_changed(started, read())))
    except InputError as error:
        print(f"wesad: {error} What was served before stays.", file=sys.stderr, flush=True)


def _changed(started: Configuration, wanted: Configuration) -> Configuration:
    """What was started with, with another's bundle and live settings.

    Raises
    ------
    InputError
        When something else differs as well.
    """
    for name in ("http", "arguments", "replicas"):
        before, after = getattr(started, name), getattr(wanted, name)
        for field in type(before).model_fields:
            if field not in ("bundle", "user_config") and getattr(before, field) != getattr(after, field):
                raise InputError(f"`{field}` cannot be changed while the server runs: start it anew.")
    return wanted


@contextmanager
def running_server(
    bundle: str | Path,
    host: str = "127.0.0.1",
    port: int | None = None,
    start_s: float = START_S,
    ingress: str | None = None,
    settings: Mapping[str, Any] | None = None,
    replicas: int = 1,
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
    settings : mapping, optional
        Settings that differ from their defaults, by the names of :class:`~wesadlib.serving.old_settings.Settings`.
    replicas : int
        How many answer side by side; each has a copy of the models.

    Raises
    ------
    InputError
        When the bundle is not whole, the port is taken, or a setting cannot be used.
    ServerError
        When the server does not come up.
    """
    port = free_port(host) if port is None else port
    configuration = make_configuration(bundle, settings, host, port, replicas=replicas)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        _process(configuration, log, ingress) as process,
        _client(configuration) as client,
    ):
        _wait_until_ready(client, process, configuration, log, start_s)
        yield client


@contextmanager
def _process(
    configuration: Configuration, log: IO[str] | None, ingress: str | None = None
) -> Iterator[subprocess.Popen]:
    require_safe(configuration.http.host, configuration.arguments.token_variable)
    line = _line(configuration)
    require_free_port(configuration.http.host, configuration.http.port)
    process = subprocess.Popen(
        [sys.executable, "-m", server_process.__name__, *(["--ingress", ingress] if ingress else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # Ray's core warns there that what was ended has ended.
        stderr=log,
        text=True,
        env=os.environ | server_process.RAY,
        start_new_session=True,
    )
    # For an interpreter that ends inside the block, such as a notebook's kernel.
    atexit.register(_end, process)
    try:
        _tell(process, line)
        yield process
    finally:
        atexit.unregister(_end)
        _end(process)


def _tell(process: subprocess.Popen, line: str) -> None:
    # Where it has ended already, whoever waits for it finds out.
    with suppress(BrokenPipeError):
        process.stdin.write(line)
        process.stdin.flush()


def _line(configuration: Configuration) -> str:
    """What the process is told: the bundle that is to be served, by its folder from the root."""
    folder = Path(configuration.bundle).resolve()
    read_config(folder)
    arguments = configuration.arguments.model_copy(update={"bundle": str(folder)})
    live = configuration.replicas.user_config.model_copy(update={"bundle": ""})
    replicas = configuration.replicas.model_copy(update={"user_config": live})
    return configuration.model_copy(update={"arguments": arguments, "replicas": replicas}).model_dump_json() + "\n"


def _client(configuration: Configuration) -> Client:
    return Client(_url(configuration.http.host, configuration.http.port))


def _url(host: str, port: int) -> str:
    # A server that listens on every address is asked at this machine's own.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _end(process: subprocess.Popen) -> None:
    ended = process.poll() is not None
    started = [] if ended else psutil.Process(process.pid).children(recursive=True)
    with suppress(BrokenPipeError):
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
    client: Client, process: subprocess.Popen, configuration: Configuration, log: IO[str] | None, start_s: float
) -> None:
    version = read_config(configuration.bundle)["version"]
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError, RequestRefused):
            # Another server may have taken the port meanwhile: ours knows this bundle.
            if client.ready().model_version == version:
                return
        time.sleep(0.1)
    # Where the bundle is the cause, one sentence says so.
    load_bundle(configuration.bundle)
    tail = []
    if log is not None:
        log.seek(0)
        tail = log.read().strip().splitlines()[-20:]
    raise ServerError("\n".join([f"the server did not come up within {start_s:g} s", *tail]))
