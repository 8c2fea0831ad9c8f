"""Figures of the chapter on what carries the decision."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from wesadlib import plots
from wesadlib.data.devices import SIGNAL_NAMES, write_channel, write_unit

_SCORES = {"accuracy": "accuracy", "roc_auc": "area under ROC within the person"}


def plot_conditions(compared: pd.DataFrame) -> Figure:
    """A row a condition of `compare_people`: each model's accuracy and area, mean and interval over people.

    Filled: the part that comes first; open: the model trained again; dotted: the first condition.
    """
    row, conditions = pd.factorize(compared["condition"])
    model, models = pd.factorize(compared["model"])
    compared = compared.assign(height=row + 0.6 / max(len(models), 2) * (model - len(models) / 2))
    first = compared["part"].iloc[0]
    figure, panels = plots.subplots(1, 2, height=0.28 * len(conditions) + 1.0, sharey=True)
    for axes, (name, label) in zip(panels, _SCORES.items(), strict=True):
        for part, rows in compared.groupby("part", sort=False):
            plots.intervals(axes, rows, name, hollow=part != first, s=22)
        for row in compared[(compared["part"] == first) & (compared["condition"] == conditions[0])].itertuples():
            axes.axvline(getattr(row, name), color=plots.color_of(row.model), linewidth=0.8, linestyle=":")
        axes.axvline(0.5, color=plots.NEUTRAL, linewidth=0.5)
        axes.set_xlabel(label)
        plots.name_rows(axes, conditions)
    plots.in_percent(panels[0].xaxis, "accuracy")
    plots.write_names(panels[0], models, step=(0.45, 0))
    return figure


def plot_attribution(table: pd.DataFrame) -> Figure:
    """Size of attributions of `explain_people` around each kind of event, and what deleting seconds leaves.

    A line is the mean over people, a band the middle half of them; grey is chance.
    """
    figure, panels = plots.facets(table[~table["measure"].isin(["share", "agreement"])], "measure", 2.8)
    for axes, measure, rows in panels:
        for how, part in rows.groupby("how", sort=False):
            color = plots.NEUTRAL if how == "at random" else plots.color_of("resnet")
            people = part.groupby("x")["value"]
            low, high = people.quantile(0.25), people.quantile(0.75)
            axes.fill_between(low.index, low, high, color=color, alpha=0.25, linewidth=0)
            axes.plot(people.mean(), color=color, label=how)
        axes.set_title(measure, fontsize=9)
        axes.set_xlabel("share of seconds" if measure == "deleted" else "s from the event", fontsize=9)
        axes.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("size, in means", fontsize=9)
    axes.set_ylabel("probability of the answer", fontsize=9)
    axes.legend(fontsize=7)
    return figure


def plot_windows(explained: xr.Dataset, seconds: float = 15.0) -> Figure:
    """Signals of some windows of `explain_people`, a column each, red where they speak for stress, blue against it."""
    shown = explained.isel(time=slice(round(seconds * explained.attrs["rate_hz"])))
    shown = shown.isel(channel=~shown["channel"].str.match(".*(_y|_z|_temp)$").values)
    limits = np.abs(explained["attribution"]).quantile(0.99, ["window", "time"])
    size = {"height": 1.0 * shown.sizes["channel"] + 0.9, "sharex": True, "squeeze": False}
    figure, panels = plots.subplots(shown.sizes["channel"], shown.sizes["window"], **size)
    for column in range(shown.sizes["window"]):
        window = shown.isel(window=column)
        answer = "stress" if float(window["log_odds"]) > 0 else "baseline"
        title = f"{window['subject'].item()}, {window['label'].item()},\ntaken for {answer}"
        panels[0, column].set_title(title, fontsize=8, color=plots.STATE_COLORS[answer])
        for axes, name in zip(panels[:, column], window["channel"].values, strict=True):
            signal = window.sel(channel=name)
            limit = limits.sel(channel=name).item()
            axes.plot(window["time"], signal["signal"], color="#DDDDDD", linewidth=0.8, zorder=0)
            color = {"c": signal["attribution"], "cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
            axes.scatter(window["time"], signal["signal"], s=2, **color)
            axes.tick_params(labelsize=7)
            if column == 0:
                axes.set_ylabel(f"{write_channel(name)}\n{write_unit(signal['units'].item())}", fontsize=8)
    figure.supxlabel("s", fontsize=9)
    return figure


def plot_sensors(compared: pd.DataFrame) -> Figure:
    """A panel a part: what each model loses in accuracy where a sensor is permuted, missing, or alone, in points."""
    model = pd.factorize(compared["model"])[0]
    rows = compared.assign(model_row=model).dropna(subset=["difference"])
    row, sensors = pd.factorize(rows["condition"])
    rows = rows.rename(columns={"low": "difference_low", "high": "difference_high"})
    rows["height"] = row + 0.2 * (rows["model_row"] - 1)
    figure, panels = plots.facets(rows, "part", 0.5 * len(sensors) + 1.1, sharey=True)
    for axes, part, table in panels:
        plots.intervals(axes, table, "difference", 100, s=24)
        axes.axvline(0, color=plots.NEUTRAL, linewidth=0.8)
        axes.set_title(part)
        plots.name_rows(axes, [SIGNAL_NAMES.get(name, name) for name in sensors], fontsize=10)
    plots.write_names(figure.axes[0], rows["model"], at=(0, 1.16), step=(0.55, 0))
    figure.supxlabel("change of accuracy, points", fontsize=10)
    return figure
