"""Figures on signals show what they are given."""

import numpy as np
import pandas as pd
import pytest

from wesadlib.plots import signals as figures


@pytest.fixture
def minute(toy_windows):
    window = toy_windows.isel(window=0)
    rates_hz = {"wrist_bvp": 64.0, "wrist_eda": 4.0}
    return {name: np.sin(np.arange(60 * rate) / rate) for name, rate in rates_hz.items()}, rates_hz, window


def test_a_minute_has_a_row_a_channel_and_its_enlargement_lies_in_the_middle(minute):
    figure = figures.plot_minute(*minute, (30, 33))
    assert len(figure.axes) == 4
    assert figure.axes[0].get_ylabel() == "bvp\na.u."
    for line in figure.axes[1].lines:
        assert line.get_xdata().min() >= 30
        assert line.get_xdata().max() <= 33
    assert [len(line.get_xdata()) for line in figure.axes[2].lines] == [240, 2100]


def test_a_beat_is_centred(minute):
    native, _, window = minute
    spectrum = np.linspace(0, 32, 129), np.ones(129)
    figure = figures.plot_beat(native["wrist_bvp"], 64.0, spectrum, window, "wrist_bvp", 20.0)
    assert all(abs(np.mean(line.get_xdata())) < 0.03 for line in figure.axes[0].lines)
    assert figure.axes[1].lines[1].get_xdata().max() <= 17.5


def test_courses_are_shaded_by_state():
    times = np.arange(30, 300, 30.0)
    courses = pd.concat(
        pd.DataFrame({"subject": subject, "time_s": times, "eda": 1.0, "heart_rate": 70.0}) for subject in ("S2", "S10")
    )
    blocks = pd.DataFrame({"subject": ["S2", "S10"], "state": ["baseline", "stress"], "start_s": 30, "end_s": 90})
    figure = figures.plot_courses(courses, blocks)
    assert [len(axes.patches) for axes in figure.axes] == [1, 1, 1, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline", "stress"]


def test_purity_ends_at_the_share_of_pure_windows(toy_windows):
    purity = np.ones(toy_windows.sizes["window"])
    stress = np.flatnonzero(toy_windows["label"] == "stress")
    purity[stress[:6]] = 0.6
    figure = figures.plot_purity(toy_windows.assign_coords(purity=("window", purity)), 0.5)
    baseline, stressed, in_force = figure.axes[0].lines
    assert baseline.get_ydata()[-1] == 100
    assert stressed.get_ydata()[-1] == pytest.approx(100 * (1 - 6 / len(stress)))
    assert set(in_force.get_xdata()) == {0.5}
