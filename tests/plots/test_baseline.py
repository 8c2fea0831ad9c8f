import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from wesadlib import features, plots
from wesadlib.plots import baseline as figures

STATES = ["baseline", "stress"]


@pytest.fixture(scope="module")
def windows(_toy_windows):
    return features.extract_features(_toy_windows)


@pytest.fixture(scope="module")
def units(windows):
    table = features.describe_features(windows).set_index("name")["unit"]
    return table[features.headline_features(windows)].to_dict()


def labels(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_every_headline_feature_has_a_panel_with_its_unit(windows, units):
    values = windows["feature"].to_pandas().assign(label=windows["label"].values)
    panels = figures.plot_distributions(values, STATES, units).axes
    assert [axes.get_title(loc="left") for axes in panels] == [figures.readable_name(name) for name in units]
    assert [axes.get_xlabel() for axes in panels] == list(units.values())
    assert all(len(axes.collections) == 2 for axes in panels)


def test_a_state_that_is_not_there_is_not_drawn(windows, units):
    values = windows["feature"].to_pandas().assign(label=windows["label"].values)
    values.loc[values["label"] == "stress", list(units)] = np.nan
    assert all(len(axes.collections) == 1 for axes in figures.plot_distributions(values, STATES, units).axes)


def test_a_line_a_person_and_one_for_the_mean(windows, units):
    means = features.responses_by_person(windows, list(units), STATES)
    panels = figures.plot_responses(means, STATES, units).axes
    assert all(len(axes.lines) == 7 for axes in panels)
    table = means[means["feature"] == "wrist_bvp_heart_rate"].groupby("state")["value"].mean()
    np.testing.assert_allclose(panels[0].lines[-1].get_ydata(), table[STATES])


def test_effects_stand_in_order_with_the_largest_on_top(windows):
    effects = features.measure_effects(windows, *STATES)
    axes = figures.plot_effects(effects, "stress", rows=5).axes[0]
    assert labels(axes.yaxis)[::-1] == [figures.readable_name(name) for name in effects.index[:5]]
    assert f"{effects['other_way'].iloc[0]} of 6" in [text.get_text() for text in axes.texts]


def test_correlations_keep_their_order(windows):
    correlation = features.correlate(windows, list(features.measure_effects(windows, *STATES).index[:8]))
    axes = figures.plot_correlations(correlation).axes[0]
    assert labels(axes.yaxis) == [figures.readable_name(name) for name in correlation.index]
    assert axes.images[0].get_clim() == (-1, 1)


def test_weights_show_the_heaviest_and_their_span():
    weights = pd.DataFrame(
        {"S2": [0.1, -2.0, 1.0], "S3": [0.2, -3.0, 1.5]}, index=["wrist_eda_a", "wrist_eda_b", "wrist_eda_c"]
    )
    axes = figures.plot_weights(weights, "stress", rows=2).axes[0]
    assert labels(axes.yaxis) == ["eda c", "eda b"]
    np.testing.assert_allclose([path.vertices[:, 0] for path in axes.collections[0].get_paths()], [[1, 1.5], [-3, -2]])


def test_figures_are_closed_so_that_a_notebook_shows_them_once(windows):
    plots.style()
    figures.plot_effects(features.measure_effects(windows, *STATES), "stress")
    assert plt.get_fignums() == []
