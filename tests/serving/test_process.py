"""What Ray is told through the environment, without Ray."""

import sys

import pytest

from wesadlib.serving.process import SWITCHES, make_switches


def test_haproxy_and_the_apps_own_loop_are_switched_on_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("RAY_SERVE_ENABLE_HA_PROXY", raising=False)
    monkeypatch.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "0")
    switches = make_switches("/tmp/wesad-here", "127.0.0.1")
    assert (switches["RAY_SERVE_ENABLE_HA_PROXY"], switches["RAY_SERVE_THROUGHPUT_OPTIMIZED"]) == ("1", "0")
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


def test_a_busy_machine_has_a_minute_for_the_proxy_and_no_reader_keeps_it_for_longer():
    switches = SWITCHES | make_switches("/tmp/wesad-here", "127.0.0.1")
    assert float(switches["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"]) >= 60
    assert float(switches["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"]) <= 60
