"""Who listens where, what answers there, and what a token opens."""

import os
import pickle
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import grpc
import httpx
import minutes
import psutil
import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app
from wesadlib.serving.service import Service
from wesadlib.serving.settings import Settings

WESAD = Path(sys.executable).with_name("wesad")
TOKEN = "0123456789abcdef-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
#: Of a message in Protocol Buffers' form: what stands before the first field's length and bytes.
FIRST = 0x0A
START = {
    "type": "start",
    "channels": {name: {"rate_hz": rate} for name, rate in minutes.RATES_HZ.items()},
    "hop_s": 5.0,
}


def is_loopback(address):
    address = ip_address(address)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def find_listeners():
    """(address, port, process) of all that this process has started."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found |= {
                (connection.laddr.ip, connection.laddr.port, process.name())
                for connection in process.net_connections("inet")
                if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
            }
    return sorted(found)


@pytest.fixture(scope="module")
def listeners(server):
    own = int(server.url.rpartition(":")[2])
    until = time.monotonic() + 10
    # When HAProxy has learnt of a replica, another process of it takes the ports over: for a moment neither is listed.
    while True:
        found = find_listeners()
        if own in [port for _, port, _ in found] or time.monotonic() > until:
            return found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def open_ports(listeners):
    return [port for address, port, _ in listeners if not is_loopback(address)]


def test_all_listen_on_loopback_but_for_the_port_at_which_replicas_would_ask_each_other(listeners, server):
    for listener in listeners:
        print("{:>20}  {:5}  {}".format(*listener))
    own = int(server.url.rpartition(":")[2])
    assert [(address, port) for address, port, _ in listeners if port == own] == [("127.0.0.1", own)]
    beyond = [(address, name) for address, _, name in listeners if not is_loopback(address)]
    assert [address for address, _ in beyond] == ["::"]
    assert all(name.startswith("ray::ServeRepli") for _, name in beyond)


def test_what_is_open_beyond_loopback_does_not_lead_to_the_app(open_ports):
    for port in open_ports:
        with suppress(httpx.HTTPError), httpx.Client(trust_env=False, timeout=2) as client:
            assert "model_version" not in client.get(f"http://127.0.0.1:{port}/health").text


class Planted:
    """Touches a file where it is read."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer " + "0" * 64),)], ids=["none", "wrong"])
@pytest.mark.parametrize("call", ["HandleRequest", "HandleRequestWithRejection"])
def test_nor_does_it_read_what_somebody_sends_who_does_not_know_rays_token(open_ports, call, metadata, tmp_path):
    planted = tmp_path / "planted"
    pickled = pickle.dumps(Planted(planted))
    # Ray's `ASGIRequest`, of which the first field is what it unpickles first.
    request = bytes([FIRST, len(pickled) % 128 + 128, len(pickled) // 128]) + pickled
    for port in open_ports:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/ray.serve.ASGIService/{call}")(request, timeout=5, metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not planted.exists()


@pytest.fixture(scope="module")
def guarded(served_bundle):
    settings = Settings(bundle=str(served_bundle), allowed_hosts=("testserver",))
    service = Service(load_bundle(served_bundle), settings)
    with TestClient(make_app(service, TOKEN), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/health", "/ready"])
def test_page_and_health_are_open_without_the_token(guarded, path):
    assert guarded.get(path).status_code == 200


def test_of_all_else_that_the_app_offers_nothing_is(guarded):
    paths = guarded.get("/openapi.json", headers=BEARER).json()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods] + [
        ("get", "/docs"),
        ("get", "/openapi.json"),
        ("get", "/no-such-path"),
    ]
    assert {("post", "/predict"), ("post", "/rest"), ("get", "/metrics")} <= set(asked)
    for method, path in asked:
        if path in ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready") or path.startswith("/page/"):
            continue
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            refused = guarded.request(method, path, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
            # In the form of the protocol under /v2.
            detail = "error" if path.startswith("/v2") else "detail"
            assert refused.json()[detail] == "A bearer token is needed here."
            assert TOKEN not in refused.text


def test_with_the_token_a_window_is_answered(guarded):
    body = minutes.request_body(minutes.wrist_signals())
    assert guarded.post("/predict", json=body, headers=BEARER).json()["status"] == "ok"


@pytest.mark.parametrize(
    ("headers", "subprotocols"), [(BEARER, None), ({}, ["wesad", f"bearer.{TOKEN}"])], ids=["header", "subprotocol"]
)
def test_a_stream_opens_by_a_header_or_as_browsers_can_and_the_token_is_not_said_back(guarded, headers, subprotocols):
    with guarded.websocket_connect("/stream", subprotocols, headers=dict(headers)) as stream:
        stream.send_json(START)
        assert stream.receive_json()["type"] == "ready"
        assert stream.accepted_subprotocol == (None if subprotocols is None else "wesad")


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [({}, None), ({"authorization": "Bearer wrong"}, None), ({}, ["wesad", "bearer.wrong"])],
)
def test_a_stream_without_the_token_does_not_open(guarded, headers, subprotocols):
    with (
        pytest.raises((WebSocketDenialResponse, WebSocketDisconnect)) as caught,
        guarded.websocket_connect("/stream", subprotocols, headers=dict(headers)),
    ):
        pass
    assert getattr(caught.value, "status_code", None) == 401 or caught.value.code == 1008


@contextmanager
def refused_by(*arguments, **environment):
    environment = {name: value for name, value in os.environ.items() if name != "WESAD_TOKEN"} | environment
    result = subprocess.run([WESAD, "serve", *arguments], capture_output=True, text=True, env=environment, timeout=60)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("wesad: ") and result.stderr.count("\n") == 1
    yield result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_a_token_nobody_beyond_this_machine_is_served(served_bundle, host):
    with refused_by(served_bundle, "--host", host) as told:
        assert f"host {host}: without a token the server listens on loopback (127.0.0.1) only" in told
        assert "--token-variable" in told


@pytest.mark.parametrize("set_to", [None, "0123456789 with spaces"])
def test_a_token_that_is_named_and_not_there_is_refused_and_not_shown(served_bundle, set_to):
    environment = {} if set_to is None else {"WESAD_TOKEN": set_to}
    with refused_by(served_bundle, "--token-variable", "WESAD_TOKEN", **environment) as told:
        assert "WESAD_TOKEN is named as an environment variable with a secret" in told
        assert ("holds nothing that can be sent" if set_to else "is empty or not set") in told
        assert not set_to or set_to not in told
