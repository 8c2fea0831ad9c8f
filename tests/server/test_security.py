"""Who listens where, what answers there, and what a token opens."""

import pickle
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from fastapi.testclient import TestClient

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app
from wesadlib.serving.service import Service
from wesadlib.serving.settings import Settings

TOKEN = "0123456789abcdef-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
#: Of a message in Protocol Buffers' form: what stands before the first field's length and bytes.
FIRST = 0x0A


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
    until = time.monotonic() + 300
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
            channel.unary_unary(f"/ray.serve.ASGIService/{call}")(request, timeout=300, metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not planted.exists()


@pytest.fixture(scope="module")
def guarded(served_bundle):
    settings = Settings(bundle=str(served_bundle), allowed_hosts=("testserver",))
    service = Service(load_bundle(served_bundle), settings)
    with TestClient(make_app(service, TOKEN), raise_server_exceptions=False) as client:
        yield client


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
