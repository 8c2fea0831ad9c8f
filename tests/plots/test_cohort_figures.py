"""The figures on the people show what the tables hold."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from wesadlib.plots import STATE_COLORS
from wesadlib.plots.cohort import plot_protocol, plot_reports, plot_windows

PEOPLE = pd.DataFrame(
    {"subject": ["S2", "S3"], "duration_s": [600.0, 900.0], "windows_baseline": [7, 8], "windows_stress": [3, 0]}
)
BLOCKS = pd.DataFrame(
    {
        "subject": ["S2", "S2", "S3"],
        "state": ["baseline", "stress", "baseline"],
        "start_s": [60.0, 360.0, 0.0],
        "end_s": [300.0, 480.0, 300.0],
    }
)


def bars(axes):
    return sorted(
        (round(bar.get_y() + bar.get_height() / 2), to_hex(bar.get_facecolor()).upper(), bar.get_x(), bar.get_width())
        for bar in axes.patches
    )


def test_protocol():
    (axes,) = plot_protocol(BLOCKS, PEOPLE).axes
    assert bars(axes) == [
        (0, STATE_COLORS["baseline"], 1, 4),
        (0, STATE_COLORS["stress"], 6, 2),
        (1, STATE_COLORS["baseline"], 0, 5),
    ]
    assert axes.get_xlabel().endswith("min")
    assert axes.yaxis_inverted(), "the first person is at the top"


def test_windows():
    (axes,) = plot_windows(PEOPLE).axes
    assert bars(axes) == [
        (0, STATE_COLORS["baseline"], 0, 7),
        (0, STATE_COLORS["stress"], 7, 3),
        (1, STATE_COLORS["baseline"], 0, 8),
        (1, STATE_COLORS["stress"], 8, 0),
    ]
    assert {text.get_text() for text in axes.texts} == {"baseline", "stress", "7", "8", "3", ""}


def test_reports():
    reports = pd.DataFrame(
        {
            "subject": ["S2", "S2", "S3", "S3"],
            "state": ["baseline", "stress"] * 2,
            "stai": [8.0, 20, 10, 18],
            "arousal": [2.0, 7, 3, float("nan")],
            "valence": [7.0, 4, 6, 5],
        }
    )
    panels = plot_reports(reports).axes
    means = [[line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"] for axes in panels]
    assert means == [[9, 19], [2.5, 7], [6.5, 4.5]]
    assert [len(axes.lines) for axes in panels] == [4, 4, 4]


@pytest.mark.parametrize("draw", [lambda: plot_protocol(BLOCKS, PEOPLE), lambda: plot_windows(PEOPLE)])
def test_no_figure_stays_open(draw):
    # A notebook would show it a second time.
    before = plt.get_fignums()
    draw()
    assert plt.get_fignums() == before
