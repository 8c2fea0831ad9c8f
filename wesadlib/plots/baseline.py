"""Figures of the chapter on features and the baseline: distributions, responses, effects, correlations, weights."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from wesadlib.data.devices import write_unit
from wesadlib.drift.person import describe_feature
from wesadlib.plots import MODEL_COLORS, NEUTRAL, STATE_COLORS, name_states, subplots, write_beside

#: Features with the largest effects or weights are shown, so many.
_ROWS = 18


def plot_distributions(values: pd.DataFrame, states: list[str], units: dict[str, str]) -> Figure:
    """Density of each feature of `units` over windows, a line a state; `values` has a column a feature, and `label`.

    The outermost hundredth of windows is left out, so that a few extremes do not flatten the rest.
    """
    figure, panels = _panels(len(units))
    for axes, (feature, unit) in zip(panels, units.items(), strict=True):
        inner = values[feature].between(*values[feature].quantile([0.005, 0.995]))
        for state in states:
            samples = values.loc[inner & (values["label"] == state), feature]
            if samples.nunique() > 1:
                density = gaussian_kde(samples)
                margin = 3 * density.factor * samples.std()
                at = np.linspace(samples.min() - margin, samples.max() + margin, 200)
                axes.plot(at, density(at), color=STATE_COLORS[state], linewidth=1.8)
                axes.fill_between(at, density(at), color=STATE_COLORS[state], alpha=0.25, linewidth=0)
        axes.set(xlabel=write_unit(unit) or "share", yticks=[], ylim=(0, None))
        axes.set_title(fill(describe_feature(feature), 26), fontsize=10)
        axes.spines["left"].set_visible(False)
    name_states(figure, states)
    return figure


def plot_responses(means: pd.DataFrame, states: list[str], units: dict[str, str]) -> Figure:
    """Each person's mean in two states, joined by a line; thick: the mean over people."""
    figure, panels = _panels(len(units))
    for axes, (feature, unit) in zip(panels, units.items(), strict=True):
        table = means[means["feature"] == feature].pivot(index="subject", columns="state", values="value")[states]
        axes.plot([0, 1], table.T, color=NEUTRAL, alpha=0.45, linewidth=1)
        axes.plot([0, 1], table.mean(), color="black", linewidth=2.5)
        for position, state in enumerate(states):
            axes.scatter(np.full(len(table), position), table[state], color=STATE_COLORS[state], s=22, zorder=3)
        axes.set(xlim=(-0.35, 1.35), ylabel=write_unit(unit) or "share")
        axes.set_title(fill(describe_feature(feature), 26), fontsize=10)
        axes.set_xticks([0, 1], states)
    return figure


def plot_effects(effects: pd.DataFrame, state: str) -> Figure:
    """Effect of a state on the features that it moves most, in two units: all people's spread, and the person's own."""
    shown = effects.head(_ROWS).iloc[::-1]
    figure, axes, position = _feature_rows(shown.index)
    color = STATE_COLORS[state]
    # What lies far beyond all others stands at the edge with its number, and does not squash these.
    effects = shown[["pooled_effect", "own_effect"]]
    most = 1.3 * effects.abs().stack().quantile(0.9)
    drawn = effects.clip(-most, most)
    axes.hlines(position, drawn["pooled_effect"], drawn["own_effect"], color=NEUTRAL, alpha=0.4, linewidth=1)
    for name, face in (("pooled_effect", color), ("own_effect", "white")):
        axes.scatter(drawn[name], position, facecolor=face, edgecolor=color, s=34, linewidth=1.5, zorder=3)
        for height in np.flatnonzero(effects[name].abs() > most):
            point = drawn[name].iloc[height], height
            write_beside(axes, f"{effects[name].iloc[height]:.1f}", point, (0, 5), ha="center", fontsize=8, color=color)
    axes.set_xlabel("response, in standard deviations\n(filled: of all rest windows; open: of the person's own rest)")
    beside = {"xycoords": ("axes fraction", "data"), "fontsize": 9, "color": NEUTRAL}
    for height, row in enumerate(shown.itertuples()):
        axes.annotate(f"{row.other_way} of {row.people}", (1.01, height), va="center", **beside)
    axes.annotate("the other way", (1.01, len(shown) - 0.3), **beside)
    return figure


def plot_correlations(correlation: pd.DataFrame) -> Figure:
    """Heat map of correlations in the order given; the columns are those of the rows."""
    count = len(correlation)
    figure, axes = subplots(height=0.6 + 0.17 * count)
    image = axes.imshow(correlation, cmap="PuOr_r", vmin=-1, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_yticks(range(count), [describe_feature(name) for name in correlation.index], fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.5, label="rank correlation within people", ticks=[-1, 0, 1])
    return figure


def plot_weights(weights: pd.DataFrame, state: str) -> Figure:
    """The heaviest weights (feature, fit), a line from the smallest to the largest over fits, a dot for their mean."""
    mean = weights.mean(axis=1)
    shown = mean.sort_values(key=abs, ascending=False).index[:_ROWS][::-1]
    figure, axes, position = _feature_rows(shown)
    axes.hlines(position, weights.loc[shown].min(axis=1), weights.loc[shown].max(axis=1), color=NEUTRAL, linewidth=1.5)
    axes.scatter(mean[shown], position, color=MODEL_COLORS["logistic"], s=34, zorder=3)
    axes.set_xlabel(f"weight per standard deviation (right of 0: speaks for {state})")
    return figure


def _feature_rows(features: pd.Index) -> tuple[Figure, Axes, np.ndarray]:
    figure, axes = subplots(height=0.9 + 0.27 * len(features))
    position = np.arange(len(features))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(position, [describe_feature(name) for name in features])
    axes.set_ylim(-0.7, len(features) - 0.3)
    axes.tick_params(axis="y", length=0)
    return figure, axes, position


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(3, count)
    lines = -(-count // columns)
    figure, grid = subplots(lines, columns, height=0.4 + 1.9 * lines, squeeze=False)
    panels = list(grid.flat)
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, panels[:count]
