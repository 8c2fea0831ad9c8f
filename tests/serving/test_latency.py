"""Timing of requests, without a server."""

from types import SimpleNamespace

from wesadlib.serving.latency import measure_latency


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
