"""Figures of the chapter on what carries the decision."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wesadlib.data.devices import SIGNAL_NAMES, write_channel, write_unit
from wesadlib.plots import NEUTRAL, STATE_COLORS, bare_rows, color_of, in_percent, intervals, subplots, write_names

_SCORES = {"accuracy": "accuracy", "roc_auc": "area under ROC within the person"}


def plot_conditions(compared: pd.DataFrame) -> Figure:
    """A row a condition: each model's accuracy and area, mean and interval over people.

    `compared` is what :func:`~wesadlib.evaluation.held_out.compare_people` gives. Filled: the part that comes first;
    open: the model trained again; dotted: the first condition.
    """
    conditions, models = (list(dict.fromkeys(compared[name])) for name in ("condition", "model"))
    first = compared["part"].iloc[0]
    figure, panels = subplots(1, 2, height=0.28 * len(conditions) + 1.0, sharey=True)
    step = 0.6 / max(len(models), 2)
    for axes, (name, label) in zip(panels, _SCORES.items(), strict=True):
        for part, rows in compared.groupby("part", sort=False):
            place = rows["condition"].map(conditions.index) + step * (rows["model"].map(models.index) - len(models) / 2)
            intervals(axes, rows.assign(height=place), name, hollow=part != first, s=22)
        for row in compared[(compared["part"] == first) & (compared["condition"] == conditions[0])].itertuples():
            axes.axvline(getattr(row, name), color=color_of(row.model), linewidth=0.8, linestyle=":")
        axes.axvline(0.5, color=NEUTRAL, linewidth=0.5)
        axes.set_xlabel(label)
        bare_rows(axes)
    in_percent(panels[0].xaxis, "accuracy")
    panels[0].set_yticks(range(len(conditions)), conditions, fontsize=9)
    panels[0].invert_yaxis()
    write_names(panels[0], models, step=(0.45, 0))
    return figure


def _draw_people(axes: Axes, table: pd.DataFrame, label: str, color: str) -> None:
    """A line at the mean over people of `value` by `x`, and a band of the middle half of them."""
    people = table.groupby("x")["value"]
    low, high = people.quantile(0.25), people.quantile(0.75)
    axes.fill_between(low.index, low, high, color=color, alpha=0.25, linewidth=0)
    axes.plot(people.mean(), color=color, label=label)


def plot_attribution(table: pd.DataFrame) -> Figure:
    """Size of attributions around each kind of event, and last what deleting seconds leaves of the answer.

    `table` is that of :func:`~wesadlib.explain.explain_people`; grey is chance.
    """
    measures = [name for name in dict.fromkeys(table["measure"]) if name not in ("share", "agreement")]
    figure, panels = subplots(1, len(measures), height=2.8)
    for axes, measure in zip(panels, measures, strict=True):
        for how, part in table[table["measure"] == measure].groupby("how", sort=False):
            _draw_people(axes, part, how, NEUTRAL if how == "at random" else color_of("resnet"))
        axes.set_title(measure, fontsize=9)
        axes.set_xlabel("share of seconds" if measure == "deleted" else "s from the event", fontsize=9)
        axes.tick_params(labelsize=8)
    panels[0].set_ylabel("size, in means", fontsize=9)
    panels[-1].set_ylabel("probability of the answer", fontsize=9)
    panels[-1].legend(fontsize=7)
    return figure


def plot_windows(explained: xr.Dataset, seconds: float = 15.0) -> Figure:
    """Signals of some windows, a column each, coloured by what speaks for stress (red) and against it (blue).

    `explained` is that of :func:`~wesadlib.explain.explain_people`.
    """
    shown = explained.isel(time=slice(round(seconds * explained.attrs["rate_hz"])))
    channels = [name for name in map(str, shown["channel"].values) if not name.endswith(("_y", "_z", "_temp"))]
    units = dict(zip(map(str, shown["channel"].values), map(str, shown["units"].values), strict=True))
    size = {"height": 1.0 * len(channels) + 0.9, "sharex": True, "squeeze": False}
    figure, panels = subplots(len(channels), shown.sizes["window"], **size)
    for column in range(shown.sizes["window"]):
        window = shown.isel(window=column)
        answer = "stress" if float(window["log_odds"]) > 0 else "baseline"
        title = f"{window['subject'].item()}, {window['label'].item()},\ntaken for {answer}"
        panels[0, column].set_title(title, fontsize=8, color=STATE_COLORS[answer])
        for axes, name in zip(panels[:, column], channels, strict=True):
            value, weight = (window[of].sel(channel=name).values for of in ("signal", "attribution"))
            limit = np.quantile(np.abs(explained["attribution"].sel(channel=name)), 0.99)
            axes.plot(window["time"], value, color="#DDDDDD", linewidth=0.8, zorder=0)
            axes.scatter(window["time"], value, c=weight, cmap="RdBu_r", vmin=-limit, vmax=limit, s=2)
            axes.tick_params(labelsize=7)
    for axes, name in zip(panels[:, 0], channels, strict=True):
        axes.set_ylabel(f"{write_channel(name)}\n{write_unit(units[name])}", fontsize=8)
    figure.supxlabel("s", fontsize=9)
    return figure


def plot_sensors(compared: pd.DataFrame) -> Figure:
    """A panel a part: what each model loses in accuracy where a sensor is permuted, missing, or alone, in points."""
    parts, models = (list(dict.fromkeys(compared[name])) for name in ("part", "model"))
    rows = compared.dropna(subset=["difference"])
    sensors = list(dict.fromkeys(rows["condition"]))
    figure, panels = subplots(1, len(parts), height=0.5 * len(sensors) + 1.1, sharey=True, squeeze=False)
    for axes, part in zip(panels[0], parts, strict=True):
        table = rows[rows["part"] == part]
        place = table["condition"].map(sensors.index) + 0.2 * (table["model"].map(models.index) - 1)
        table = table.rename(columns={"low": "difference_low", "high": "difference_high"})
        intervals(axes, table.assign(height=place), "difference", 100, s=24)
        axes.axvline(0, color=NEUTRAL, linewidth=0.8)
        axes.set_title(part)
        bare_rows(axes)
    panels[0, 0].set_yticks(range(len(sensors)), [SIGNAL_NAMES.get(name, name) for name in sensors])
    panels[0, 0].invert_yaxis()
    write_names(panels[0, 0], dict.fromkeys(rows["model"]), at=(0, 1.16), step=(0.55, 0))
    figure.supxlabel("change of accuracy, points", fontsize=10)
    return figure
