"""Who listens where, and what answers there."""

import pickle
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

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
