import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex

from wesadlib import plots
from wesadlib.plots import audit as figures


@pytest.fixture
def bill():
    rows = [
        ("drawn at random", "forest", 0.983, 0.899, 0.084, 0.035, 0.135),
        ("drawn at random", "resnet", 0.97, 0.93, 0.04, 0.01, 0.07),
        ("the epoch told", "resnet", 0.92, 0.93, -0.01, -0.03, 0.01),
    ]
    names = ["rule", "model", "accuracy", "reference", "inflation", "inflation_low", "inflation_high"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def controls():
    rows = [
        (control, "forest", *(value + shift for value in (level, level + 0.1) for shift in (0, -0.05, 0.05)))
        for control, level in (("cold_start", 0.9), ("motion_only", 0.8), ("shuffled_labels", 0.5))
    ]
    scores = [f"{score}{end}" for score in ("balanced_accuracy", "roc_auc") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["control", "model", *scores])


@pytest.fixture
def people():
    return pd.DataFrame(
        {"cold": [0.5, 0.7, 0.9], "eda": [0.1, 1.0, 2.0], "movement": [0.0, 0.01, 0.02], "stai": [np.nan] * 3},
        index=["S14", "S7", "S2"],
    )


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_row_shows_both_accuracies_and_the_points_between_with_their_interval(bill):
    left, right = figures.plot_inflation(bill).axes
    dots = [tuple(dot.get_offsets()[0]) for dot in left.collections if isinstance(dot, PathCollection)]
    assert sorted({round(float(x), 3) for x, _ in dots}) == sorted({0.983, 0.899, 0.97, 0.93, 0.92})
    assert texts(right) == ["+8.4", "+4.0", "-1.0"]
    spans = [
        tuple(path.vertices[:, 0].round(6))
        for lines in right.collections
        if isinstance(lines, LineCollection)
        for path in lines.get_paths()
    ]
    assert spans == [(3.5, 13.5), (1.0, 7.0), (-3.0, 1.0)]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["drawn at random", "the epoch told"]


def test_rules_read_downwards_and_models_keep_their_colour(bill):
    left, right = figures.plot_inflation(bill).axes
    dots = [dot for dot in right.collections if isinstance(dot, PathCollection)]
    heights = [dot.get_offsets()[0][1] for dot in dots]
    assert heights == sorted(heights, reverse=True)
    assert [to_hex(dot.get_facecolor()[0]) for dot in dots] == [
        plots.MODEL_COLORS[model].lower() for model in bill["model"]
    ]
    assert texts(left) == ["forest", "resnet"]


def test_controls_are_drawn_against_chance_of_as_many_states_as_there_are(controls):
    balanced, area = figures.plot_controls(controls, states=4).axes
    assert [line.get_xdata()[0] for axes in (balanced, area) for line in axes.lines] == [0.25, 0.5]
    assert texts(balanced) == ["0.90", "0.80", "0.50", "forest"]
    assert texts(area) == ["1.00", "0.90", "0.60"]
    assert [tick.get_text() for tick in balanced.get_yticklabels()] == [
        "all sensors", "acceleration alone", "labels shuffled",
    ]  # fmt: skip


def test_people_are_named_where_asked_and_only_what_is_known_has_a_panel(people):
    panels = figures.plot_people(people, ["S14", "S7"]).axes
    assert [axes.get_xlabel() for axes in panels] == ["ln of skin\nconductance level", "movement, g"]
    assert all(sorted(texts(axes)) == ["S14", "S7"] for axes in panels)
    assert panels[0].collections[0].get_offsets().tolist() == [[0.1, 0.5], [1.0, 0.7], [2.0, 0.9]]


def test_no_figure_stays_open(bill, controls, people):
    figures.plot_inflation(bill), figures.plot_controls(controls), figures.plot_people(people)
    assert plt.get_fignums() == []
