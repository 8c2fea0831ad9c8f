"""Figures of signal quality: what is drawn is what was computed."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from wesadlib.plots import quality as figures
from wesadlib.quality import assess_quality, pick_examples, sweep_cutoff


@pytest.fixture
def assessed(toy_windows):
    toy_windows["raw_statistics"].values[8:12, 1, 1] = 30.0
    return assess_quality(toy_windows)


def test_examples_show_the_window_and_the_best_of_the_same_person(assessed):
    examples = pick_examples(assessed, most=2)
    panels = figures.plot_examples(assessed, examples).axes
    assert len(panels) == 4
    assert "refused: flat line" in panels[0].get_title(loc="left") and "the best" in panels[1].get_title(loc="left")
    drawn = panels[0].lines[0].get_ydata()
    expected = assessed["signal"].isel(window=examples["window"][0]).sel(channel="wrist_eda")
    assert drawn[0] in expected.values and len(drawn) == pytest.approx(20 * 35, abs=1)
    assert not plt.get_fignums()


def test_cutoffs_are_a_line_a_state_and_the_one_in_force(assessed):
    axes = figures.plot_cutoffs(sweep_cutoff(assessed, "wrist_eda", "flat line"), 0.8, "flat line").axes[0]
    assert len(axes.lines) == 3
    assert axes.lines[-1].get_xdata()[0] == 0.8
    assert max(axes.lines[1].get_ydata()) > 0


def test_faults_are_a_panel_each_with_a_line_a_sensor():
    summary = pd.DataFrame(
        [(f, s, x, x, 0.0) for f in ("flat line", "motion") for s in ("wrist_bvp", "wrist_eda") for x in (0.1, 1.0)],
        columns=["fault", "sensor", "strength", "caught", "change"],
    )
    figure = figures.plot_faults(summary)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["flat line", "motion"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [10, 100]
