"""The figures of the network's chapter say what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from wesadlib.models.layers import describe_blocks, describe_layers
from wesadlib.models.levels import tabulate_levels
from wesadlib.models.network import ResNet1D
from wesadlib.plots import STATE_COLORS
from wesadlib.plots import resnet as figures


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("levels", [True, False])
def test_the_architecture_names_every_block_with_its_size(levels):
    network = ResNet1D(["g", "uS"], 2, width=4, levels=levels)
    blocks = describe_blocks(describe_layers(network, (2, 700)))
    figure = figures.plot_architecture(blocks, levels=levels, states=["baseline", "stress"])
    found = texts(figure)
    assert set(blocks["block"]) <= set(found)
    assert {f"{count:,}" for count in blocks["parameters"]} <= set(found)
    assert {"2 × 700", "4 × 175", "16 × 44", "baseline or stress"} <= set(found)
    assert any("levels" in text for text in found) == levels


def test_levels_are_drawn_for_every_channel_and_state(toy_windows):
    toy_windows["signal"][:, 1] = np.nan
    figure = figures.plot_levels(tabulate_levels(toy_windows))
    assert len(figure.axes) == 2 * toy_windows.sizes["channel"]
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes[::2]] == toy_windows["channel"].values.tolist()
    assert {text.get_text(): text.get_color() for text in figure.texts} == {
        state: STATE_COLORS[state] for state in ("baseline", "stress")
    }
    temperature = figure.axes[4]
    median = toy_windows["signal"].sel(channel="wrist_temp").mean("time").groupby("label").median()
    drawn = [line.get_xdata()[0] for line in temperature.lines if line.get_color() == "white"]
    assert np.allclose(drawn, median.sel(label=["baseline", "stress"]), atol=1e-3)


def test_the_learning_curves_mark_the_kept_epoch():
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [0.7, 0.5, 0.4],
            "validation_loss": [0.6, 0.3, 0.5],
            "learning_rate": [1, 2, 0],
        }
    )
    losses, rate = figures.plot_learning_curves(history, best_epoch=2).axes
    drawn = [line.get_ydata().tolist() for line in losses.lines[:2]]
    assert drawn == [[0.7, 0.5, 0.4], [0.6, 0.3, 0.5]]
    (circle,) = (line for line in losses.lines if line.get_markerfacecolor() == "none")
    assert (circle.get_xdata()[0], circle.get_ydata()[0]) == (2, 0.3)
    assert rate.lines[0].get_ydata().tolist() == [1, 2, 0]


def test_figures_are_closed_so_that_a_cell_shows_them_once(toy_windows):
    open_before = plt.get_fignums()
    figures.plot_levels(tabulate_levels(toy_windows))
    assert plt.get_fignums() == open_before
