"""Figures of the chapter on features and the baseline: distributions, responses, effects, correlations, weights."""

from collections.abc import Iterable
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from seaborn import heatmap, kdeplot

from wesadlib import plots
from wesadlib.data.devices import write_unit
from wesadlib.drift.person import describe_feature

#: Features with the largest effects or weights are shown, so many.
_ROWS = 18


def plot_distributions(values: pd.DataFrame, states: list[str], units: dict[str, str]) -> Figure:
    """Density of each feature of `units` over windows but the outermost hundredth, by the column `label`."""
    figure, panels = _panels(units)
    for axes, (feature, unit) in zip(panels, units.items(), strict=True):
        inner = values[values[feature].between(*values[feature].quantile([0.005, 0.995]))]
        style = {"palette": plots.STATE_COLORS, "fill": True, "linewidth": 1.8, "warn_singular": False, "legend": False}
        kdeplot(inner, x=feature, hue="label", hue_order=states, common_norm=False, ax=axes, **style)
        axes.set(xlabel=write_unit(unit) or "share", ylabel="", yticks=[], ylim=(0, None))
        plots.bare_rows(axes)
    plots.name_states(figure, states)
    return figure


def plot_responses(means: pd.DataFrame, states: list[str], units: dict[str, str]) -> Figure:
    """Each person's mean in two states, joined by a line; thick: the mean over people."""
    figure, panels = _panels(units)
    for axes, (feature, unit) in zip(panels, units.items(), strict=True):
        table = means[means["feature"] == feature].pivot(index="subject", columns="state", values="value")[states]
        axes.plot(states, table.T, color=plots.NEUTRAL, alpha=0.45, linewidth=1)
        axes.plot(states, table.mean(), color="black", linewidth=2.5)
        for state in states:
            axes.scatter([state] * len(table), table[state], color=plots.STATE_COLORS[state], s=22, zorder=3)
        axes.set(xlim=(-0.35, 1.35), ylabel=write_unit(unit) or "share")
    return figure


def plot_effects(effects: pd.DataFrame, state: str) -> Figure:
    """Effect of a state on the features that it moves most, in two units: all people's spread, and the person's own."""
    shown = effects.head(_ROWS)
    figure, axes = _feature_rows(shown.index)
    color, heights = plots.STATE_COLORS[state], np.arange(len(shown))
    # What lies far beyond all others stands at the edge with its number, and does not squash these.
    effects = shown[["pooled_effect", "own_effect"]]
    most = 1.3 * effects.abs().stack().quantile(0.9)
    drawn = effects.clip(-most, most)
    axes.hlines(heights, drawn["pooled_effect"], drawn["own_effect"], color=plots.NEUTRAL, alpha=0.4, linewidth=1)
    for name, face in (("pooled_effect", color), ("own_effect", "white")):
        axes.scatter(drawn[name], heights, facecolor=face, edgecolor=color, s=34, linewidth=1.5, zorder=3)
        for height in np.flatnonzero(effects[name].abs() > most):
            point = drawn[name].iloc[height], height
            plots.write_beside(
                axes, f"{effects[name].iloc[height]:.1f}", point, (0, 5), ha="center", fontsize=8, color=color
            )
    axes.set_xlabel("response, in standard deviations\n(filled: of all rest windows; open: of the person's own rest)")
    counts = (shown["other_way"].astype(str) + " of " + shown["people"].astype(str)).tolist()
    for height, text in enumerate(["the other way", *counts], -1):
        axes.text(
            1.01, height, text, va="center", fontsize=9, color=plots.NEUTRAL, transform=axes.get_yaxis_transform()
        )
    return figure


def plot_correlations(correlation: pd.DataFrame) -> Figure:
    """Heat map of correlations in the order given; the columns are those of the rows."""
    figure, axes = plots.subplots(height=0.6 + 0.17 * len(correlation))
    bar = {"shrink": 0.5, "label": "rank correlation within people", "ticks": [-1, 0, 1]}
    names = [describe_feature(name) for name in correlation.index]
    heatmap(correlation, cmap="PuOr_r", vmin=-1, vmax=1, xticklabels=False, yticklabels=names, cbar_kws=bar, ax=axes)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(axis="y", length=0, labelsize=9, rotation=0)
    return figure


def plot_weights(weights: pd.DataFrame, state: str) -> Figure:
    """The heaviest weights (feature, fit), a line from the smallest to the largest over fits, a dot for their mean."""
    mean = weights.mean(axis=1).sort_values(key=abs, ascending=False).head(_ROWS)
    shown, heights = weights.loc[mean.index], range(len(mean))
    figure, axes = _feature_rows(mean.index)
    axes.hlines(heights, shown.min(axis=1), shown.max(axis=1), color=plots.NEUTRAL, linewidth=1.5)
    axes.scatter(mean, heights, color=plots.MODEL_COLORS["logistic"], s=34, zorder=3)
    axes.set_xlabel(f"weight per standard deviation (right of 0: speaks for {state})")
    return figure


def _feature_rows(features: Iterable[str]) -> tuple[Figure, Axes]:
    names = [describe_feature(name) for name in features]
    figure, axes = plots.subplots(height=0.9 + 0.27 * len(names))
    axes.axvline(0, color="black", linewidth=0.8)
    plots.name_rows(axes, names, 0.7, fontsize=10)
    return figure, axes


def _panels(features: Iterable[str]) -> tuple[Figure, list[Axes]]:
    names = [fill(describe_feature(feature), 26) for feature in features]
    lines, columns = -(-len(names) // 3), min(3, len(names))
    figure, grid = plots.subplots(lines, columns, height=0.4 + 1.9 * lines, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        axes.set_title(name, fontsize=10)
    for unused in grid.flat[len(names) :]:
        unused.set_axis_off()
    return figure, grid.flat[: len(names)]
