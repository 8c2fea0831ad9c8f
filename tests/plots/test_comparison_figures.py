import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from wesadlib.plots import MODEL_COLORS
from wesadlib.plots import comparison as figures

MODELS = ["logistic", "forest", "resnet"]


@pytest.fixture
def leaderboard():
    rows = [
        (protocol, model, value, value - 0.03, value + 0.02, protocol != "whole_recording", cold)
        for protocol, cold in (("cold_start", np.nan), ("rest_calibrated", 0.85), ("whole_recording", 0.86))
        for model, value in zip(MODELS, (0.88, 0.90, 0.92), strict=True)
    ]
    columns = ["protocol", "model", "accuracy", "accuracy_low", "accuracy_high", "deployable", "accuracy_cold"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def scores():
    return pd.DataFrame(
        {"logistic": [0.9, 0.6, 0.8], "forest": [0.95, 0.7, np.nan], "resnet": [1.0, 0.65, 0.85]}, ["S2", "S3", "S4"]
    )


def labels(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_each_protocol_has_a_panel_and_what_no_device_could_do_is_open(leaderboard):
    panels = figures.plot_leaderboard(leaderboard).axes
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["cold_start", "rest_calibrated", "whole_recording (no device could)"]
    assert all(labels(axes.yaxis) == MODELS[::-1] for axes in panels)
    marks = [[line for line in axes.lines if line.get_marker() != "|"] for axes in panels]
    assert {line.get_markerfacecolor() for line in marks[2]} == {"white"}
    assert [line.get_markerfacecolor() for line in marks[0]] == [MODEL_COLORS[model] for model in MODELS[::-1]]
    cold = [[line.get_xdata()[0] for line in axes.lines if line.get_marker() == "|"] for axes in panels]
    assert np.isnan(cold[0]).all() and cold[1] == [0.85] * 3
    assert [text.get_text() for text in panels[0].texts] == ["0.920", "0.900", "0.880"]


def test_a_model_without_a_protocol_leaves_its_row_empty(leaderboard):
    panels = figures.plot_leaderboard(leaderboard.drop(index=4)).axes
    assert [len(axes.texts) for axes in panels] == [3, 2, 3]


def test_the_hardest_person_is_at_the_left_and_annotated(scores):
    axes = figures.plot_people(scores).axes[0]
    assert labels(axes.xaxis) == ["S3", "S4", "S2"] and labels(axes.yaxis) == MODELS
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["60", "80", "90", "70", "95", "65", "85", "100"], "no number where a fold failed"
    assert [label.get_color() for label in axes.get_yticklabels()] == [MODEL_COLORS[model] for model in MODELS]


@pytest.mark.parametrize("number", [2, 3])
def test_ranks_are_named_in_the_colours_of_models(number):
    names = MODELS[:number]
    p = pd.DataFrame(np.full((number, number), 0.5), names, names)
    np.fill_diagonal(p.values, 1)
    axes = figures.plot_ranks(pd.Series([2.2, 1.8, 2.0][:number], names), p, 1.23).axes[0]
    text = {text.get_text(): to_hex(text.get_color()).upper() for text in axes.texts}
    assert any("forest" in name and "1.80" in name for name in text)
    assert {MODEL_COLORS[name] for name in names} <= set(text.values())
    assert axes.get_xlabel().endswith("critical difference 1.23")


def test_a_learning_curve_is_a_line_a_model_named_at_its_end():
    curve = pd.DataFrame(
        [
            (model, size, 0.9, 0.85, 0.95)
            for model, sizes in (("forest", (4, 2, 3)), ("resnet", (2, 4)))
            for size in sizes
        ],
        columns=["model", "size", "accuracy", "accuracy_low", "accuracy_high"],
    )
    axes = figures.plot_learning(curve).axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [3, 2]
    assert (np.diff(axes.lines[0].get_xdata()) > 0).all()
    assert axes.get_xticks().tolist() == [2, 3, 4]
    names = {text.get_text(): text.xy[1] for text in axes.texts}
    assert set(names) == {"forest", "resnet"} and abs(names["forest"] - names["resnet"]) > 0.005
    assert np.mean(list(names.values())) == pytest.approx(0.9)


def test_figures_are_closed(scores):
    figures.plot_people(scores)
    assert plt.get_fignums() == []
