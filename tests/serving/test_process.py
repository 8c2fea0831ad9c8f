"""What Ray is told through the environment, without Ray."""

import pytest

from wesadlib.serving.process import _switches, choose_ingress


def test_haproxy_and_the_apps_own_loop_are_switched_on_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("RAY_SERVE_ENABLE_HA_PROXY", raising=False)
    monkeypatch.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "0")
    switches = _switches("/tmp/wesad-here", "haproxy")
    assert switches["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert switches["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "0"
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in _switches("/tmp/wesad-here", "proxy")


def test_two_servers_share_neither_files_nor_ports():
    one, other = _switches("/tmp/wesad-01234567", "haproxy"), _switches("/tmp/wesad-12345678", "haproxy")
    for name in ("METRICS_PORT", "STATS_PORT", "SOCKET_PATH", "CONFIG_FILE_LOC", "METRICS_SOCKET_PATH"):
        assert one[f"RAY_SERVE_HAPROXY_{name}"] != other[f"RAY_SERVE_HAPROXY_{name}"]
    # A socket's path has at most 107 characters, and Ray puts a node's name of 56 into it.
    assert len(one["RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH"].replace("/h/", f"/h/{'n' * 56}/")) < 100


def test_where_haproxy_does_not_stand_ray_is_told_nothing_of_it():
    assert not [name for name in _switches("/tmp/wesad-01234567", "proxy") if "HAPROXY" in name]


@pytest.mark.parametrize("ingress", ["haproxy", "proxy"])
def test_rays_ports_answer_nobody_who_does_not_know_what_one_server_alone_knows(ingress, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    one, other = _switches("/tmp/wesad-01234567", ingress), _switches("/tmp/wesad-12345678", ingress)
    assert one["RAY_AUTH_MODE"] == "token"
    assert len(one["RAY_AUTH_TOKEN"]) == 64
    assert one["RAY_AUTH_TOKEN"] != other["RAY_AUTH_TOKEN"]


def test_haproxy_stands_only_where_it_reaches_the_replica(monkeypatch):
    monkeypatch.setattr("wesadlib.serving.process.find_spec", lambda name: object())
    assert {host: choose_ingress(host) for host in ("127.0.0.1", "0.0.0.0", "::1", "192.0.2.1")} == {
        "127.0.0.1": "haproxy",
        "0.0.0.0": "haproxy",
        "::1": "proxy",
        "192.0.2.1": "proxy",
    }
    monkeypatch.setattr("wesadlib.serving.process.find_spec", lambda name: None)
    assert choose_ingress("127.0.0.1") == "proxy"
