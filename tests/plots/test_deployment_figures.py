"""The figure of the chapter on deployment shows the numbers that it is given."""

import numpy as np
import pandas as pd

from wesadlib.plots.deployment import plot_latency


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
