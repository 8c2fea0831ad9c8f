"""The figures of the chapter on deployment show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from wesadlib.plots.deployment import plot_latency, plot_load, plot_stream


def test_the_curves_are_the_shares_of_the_requests_and_the_marks_the_quantiles():
    latency = pd.DataFrame(
        {"where": ["over HTTP"] * 4 + ["in this process"] * 2, "milliseconds": [40.0, 10.0, 30.0, 20.0, 2.0, 1.0]}
    )
    (axes,) = plot_latency(latency, {"p50": 25.0, "p95": 38.5, "p99": 39.7}).axes
    curves = {tuple(line.get_xdata()): line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 1}
    np.testing.assert_allclose(curves[10.0, 20.0, 30.0, 40.0], [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curves[1.0, 2.0], [0.5, 1.0])
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
    assert marks == [(25.0, 0.5), (38.5, 0.95), (39.7, 0.99)]
    labels = {text.get_text() for text in axes.texts}
    assert labels == {"over HTTP", "in this process", "p50 25 ms", "p95 38 ms", "p99 40 ms"}
    assert "ms" in axes.get_xlabel()


def test_a_stream_shows_what_is_told_what_is_held_back_and_what_is_rejected():
    course = pd.DataFrame(
        {
            "time_s": [60.0, 120.0, 180.0, 240.0],
            "probability": [0.1, 0.6, np.nan, 0.9],
            "status": ["ok", "ok", "rejected", "ok"],
            "abstained": [False, True, False, False],
        }
    )
    (axes,) = plot_stream(course, 150.0, 0.7).axes
    _, told, held_back, rejected, onset = axes.lines
    assert told.get_xydata().tolist() == [[1.0, 0.1], [4.0, 0.9]]
    assert held_back.get_xydata().tolist() == [[2.0, 0.6]] and held_back.get_markerfacecolor() == "white"
    assert rejected.get_xdata().tolist() == [3.0]
    assert list(onset.get_xdata()) == [2.5, 2.5]


@pytest.mark.parametrize("saturated", [True, False])
def test_what_comes_of_rising_rates_is_drawn_and_a_rate_that_is_too_high_is_marked(saturated):
    rates = pd.DataFrame(
        {
            "rate": [25, 50],
            "saturated": [False, saturated],
            "p50_ms": [2.0, 4.0],
            "p95_ms": [3.0, 50.0],
            "p99_ms": [5.0, 2000.0],
            "requests": [100, 200],
            "requests_per_s": [25.0, 45.0],
            "errors": [0, 10],
            "batch_windows": [1.0, 3.5],
        }
    )
    times, answered, failed, together = plot_load(rates).axes
    assert [line.get_ydata().tolist() for line in times.lines[:3]] == [[2.0, 4.0], [3.0, 50.0], [5.0, 2000.0]]
    assert [list(line.get_xdata()) for line in times.lines[3:]] == [[50, 50]] * saturated
    assert {"p50", "p95", "p99"} <= {text.get_text() for text in times.texts}
    assert [axes.lines[0].get_ydata().tolist() for axes in (answered, failed, together)] == [
        [25.0, 45.0],
        [0.0, 5.0],
        [1.0, 3.5],
    ]
    assert all(axes.get_ylabel() for axes in (times, answered, failed, together))
