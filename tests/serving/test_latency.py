"""Timing of requests, without a server."""

from types import SimpleNamespace

import pandas as pd
import pytest

from wesadlib.serving.latency import measure_latency, summarise_requests, tabulate_costs


def test_windows_are_taken_in_turn_and_warm_up_is_not_counted(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: 0.001 * next(clock) ** 2)
    asked = []

    def predict(channels, rates_hz):
        asked.append(channels)
        return SimpleNamespace(status="ok" if channels == "a" else "rejected")

    table = measure_latency(predict, [("a", {}), ("b", {})], 3, warm_up=1)
    assert asked == ["a", "a", "b", "a"]
    assert table["window"].tolist() == [0, 1, 0]
    assert table["status"].tolist() == ["ok", "rejected", "ok"]
    assert table["milliseconds"].round(6).tolist() == [1.0, 5.0, 9.0]


def test_errors_count_as_asked_and_not_as_answered():
    # 101 answers of 0, 1, ..., 100 ms; two that failed, of which one was waited for until ten seconds had passed.
    rows = [(10 + k / 100, float(k), 200) for k in range(101)] + [(10.5, 1.0, 503), (10.5, 9500.0, 0)]
    found = summarise_requests(pd.DataFrame(rows, columns=["start_s", "milliseconds", "status"]))
    assert (found["requests"], found["errors"]) == (103, 2)
    assert found["requests_per_s"] == pytest.approx(101 / 10)
    assert [found[f"p{share}_ms"] for share in (50, 95, 99)] == pytest.approx([50, 95, 99])


def test_nothing_answered_has_no_latency():
    failed = pd.DataFrame({"start_s": [0.0, 1.0], "milliseconds": [5.0, 5.0], "status": [0, 500]})
    found = summarise_requests(failed)
    assert (found["errors"], found["requests_per_s"]) == (2, 0)
    assert found["p50_ms"] != found["p50_ms"]


def test_what_was_measured_is_told_and_nothing_else():
    found = {"batch64_windows_per_s": 1234.4, "ratio_batch64": 20.06, "rss_mb": None, "binary_20rps_p50_ms": 3.14}
    table = tabulate_costs(found)
    assert table["measured"].tolist() == ["1,234", "3.1"]
    assert table["beside"].tolist() == ["20.1 times the plain app", ""]
