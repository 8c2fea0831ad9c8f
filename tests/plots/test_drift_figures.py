"""Figures of drift: what is drawn is what was computed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from wesadlib.plots import drift as figures


def make_shifts(noticed: float) -> pd.DataFrame:
    rows = [("none", "", 0.0, 0.4, noticed)]
    rows += [("gain", s, x, 0.5, noticed) for s in ("wrist_eda", "wrist_acc") for x in (1.1, 2.0, 4.0)]
    rows += [("load", "", x, 0.6, noticed) for x in (0.5, 1.0)]
    return pd.DataFrame(rows, columns=["kind", "sensor", "size", "distance", "noticed"])


def test_naive_alarms_are_counted_for_each_demand():
    alarms = pd.DataFrame(
        {"least_distance": [0.0, 0.5] * 3, "subject": ["S2", "S2", "S3", "S3", "S4", "S4"], "alarm": [1, 1, 1, 0, 1, 0]}
    )
    axes = figures.plot_naive(alarms).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3, 1]
    assert {text.get_text() for text in axes.texts} == {"3 of 3", "1 of 3"}
    assert not plt.get_fignums()


@pytest.mark.parametrize("threshold", [0.8, None])
def test_the_threshold_stands_where_it_is_valid(threshold):
    nulls = pd.DataFrame({"people": [1, 1, 2, 2], "distance": [0.7, 0.9, 0.5, 0.6]})
    axes = figures.plot_nulls(nulls, 2, threshold).axes[0]
    assert [text.get_text() for text in axes.texts] == ([] if threshold is None else ["alarm above"])
    assert len(axes.lines) == 2


@pytest.mark.parametrize("observed", [0.2, np.nan])
def test_the_rate_is_drawn_also_where_nothing_could_be_judged(observed):
    rates = pd.DataFrame({"claimed": [0.1, 0.5], "observed": observed, "low": 0.0, "high": [0.4, 0.8]})
    axes = figures.plot_rate(rates).axes[0]
    np.testing.assert_array_equal(axes.lines[-1].get_ydata(), [observed, observed])


def test_shifts_are_a_panel_a_kind():
    figure = figures.plot_shifts(make_shifts(0.25))
    assert len(figure.axes) == 2
    assert {text.get_text() for text in figure.axes[0].texts} == {"25 %"} and len(figure.axes[0].texts) == 6
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["wrist eda", "wrist acc"]


def test_shifts_show_distances_where_no_batch_could_be_judged():
    figure = figures.plot_shifts(make_shifts(np.nan))
    assert {text.get_text() for text in figure.axes[0].texts} == {"0.50"}
