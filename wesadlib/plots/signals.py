"""Figures of the chapter on signals: a minute before and after, what a beat loses, the protocol, purity."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from wesadlib.data.devices import write_channel, write_unit
from wesadlib.plots import BLUE, NEUTRAL, STATE_COLORS, name_states, subplots, write_beside


def plot_minute(
    minute: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], window: xr.Dataset, zoom_s: tuple[float, float]
) -> Figure:
    """Every channel of one window as it came and as it is used, whole and enlarged."""
    height = 1.05 * len(minute) + 0.7
    figure, panels = subplots(len(minute), 2, height=height, width_ratios=(3, 2), sharex="col", squeeze=False)
    after_s = window["time"].to_numpy()
    for row, (name, values) in zip(panels, minute.items(), strict=True):
        native_s = np.arange(len(values)) / rates_hz[name]
        after = window["signal"].sel(channel=name).to_numpy()
        for axes, (low, high), size in zip(row, ((0, window.attrs["window_s"]), zoom_s), (0, 2.5), strict=True):
            before, used = ((time >= low) & (time <= high) for time in (native_s, after_s))
            few = 3.5 if rates_hz[name] < 10 else 2
            style = {"marker": "o", "markersize": few, "linestyle": ""} if size and rates_hz[name] < 100 else {}
            axes.plot(native_s[before], values[before], color="#999999", linewidth=1.6, **style)
            axes.plot(after_s[used], after[used], color=BLUE, linewidth=0.8, marker="." if size else "", ms=size)
            axes.margins(x=0)
            axes.locator_params(axis="y", nbins=3)
        unit = write_unit(str(window["units"].sel(channel=name).values))
        row[0].set_ylabel(f"{write_channel(name)}\n{unit}", fontsize=9)
        row[1].set_title(f"{rates_hz[name]:g} Hz", fontsize=9, color=NEUTRAL, loc="right", pad=2)
    panels[0, 0].set_title("as it came", color="#777777", fontsize=10, loc="left")
    panels[0, 0].set_title(f"as it is used, {window.attrs['rate_hz']:g} Hz", color=BLUE, fontsize=10, loc="right")
    panels[0, 1].set_title("enlarged", fontsize=10, loc="left")
    figure.supxlabel("time in the window, s", fontsize=10)
    figure.align_ylabels(panels[:, 0])
    return figure


def plot_beat(
    native: np.ndarray, rate_hz: float, spectrum: tuple, window: xr.Dataset, source: str, beat_s: float
) -> Figure:
    """One beat before and after harmonising, and the frequencies that go with the difference."""
    figure, (beat, power) = subplots(1, 2, height=3.2, width_ratios=(3, 2))
    reach = 0.45
    native_s = np.arange(len(native)) / rate_hz - beat_s
    shown = np.abs(native_s) <= reach
    beat.plot(native_s[shown], native[shown], color="#999999", linewidth=2, label=f"{rate_hz:g} Hz, as it came")
    near = window["signal"].sel(channel=source, time=slice(beat_s - reach, beat_s + reach))
    label = f"{window.attrs['rate_hz']:g} Hz, as it is used"
    beat.plot(near["time"] - beat_s, near, color=BLUE, linewidth=1, marker="o", markersize=4, label=label)
    unit = write_unit(str(window["units"].sel(channel=source).values))
    beat.set(xlabel="time from the beat, s", ylabel=f"{write_channel(source)}, {unit}")
    beat.legend(fontsize=9, loc="upper left", bbox_to_anchor=(0, 1.22))
    density = pd.Series(spectrum[1], spectrum[0])
    limit = window.attrs["rate_hz"] / 2
    power.semilogy(density[0.5 : min(60, rate_hz / 2)], color="#999999", linewidth=1.6)
    power.semilogy(density[0.5 : min(60, rate_hz / 2, limit)], color=BLUE, linewidth=1.6)
    power.axvline(limit, color=NEUTRAL, linewidth=1, linestyle=":")
    text = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 9, "color": NEUTRAL}
    write_beside(power, f"half of {window.attrs['rate_hz']:g} Hz", (limit, 1), (4, -2), **text)
    power.set(xlabel="frequency, Hz", ylabel=f"power density, {unit}²/Hz")
    return figure


def plot_courses(courses: pd.DataFrame, blocks: pd.DataFrame) -> Figure:
    """Skin conductance and heart rate through each recording, over the states of the protocol."""
    people = list(courses.groupby("subject", sort=False))
    shape = {"height": 0.72 * len(people) + 1.1, "squeeze": False}
    figure, panels = subplots(len(people), 2, sharex=True, sharey="col", **shape)
    panels[0, 0].set_yscale("log")
    for row, (subject, course) in zip(panels, people, strict=True):
        for axes, quantity in zip(row, ("eda", "heart_rate"), strict=True):
            for block in blocks[blocks["subject"] == subject].itertuples():
                edges = block.start_s / 60, block.end_s / 60
                axes.axvspan(*edges, color=STATE_COLORS[block.state], alpha=0.3, linewidth=0)
            axes.plot(course["time_s"] / 60, course[quantity], color="black", linewidth=1)
            axes.margins(x=0)
        row[0].set_ylabel(subject, rotation=0, ha="right", va="center")
    panels[0, 0].yaxis.set_major_formatter("{x:g}")
    panels[0, 0].yaxis.set_minor_formatter("")
    panels[0, 0].set_title("skin conductance, µS", fontsize=10)
    panels[0, 1].set_title("heart rate, beats per minute", fontsize=10)
    figure.supxlabel("time, min", fontsize=10)
    name_states(figure, [state for state in STATE_COLORS if (blocks["state"] == state).any()])
    return figure


def plot_purity(windows: xr.Dataset, min_purity: float) -> Figure:
    """Share of the windows of each state that remain when purity is asked for."""
    figure, axes = subplots(height=3.2)
    for state in (state for state in STATE_COLORS if (windows["label"] == state).any()):
        purity = np.sort(windows["purity"].to_numpy()[windows["label"].to_numpy() == state])
        remaining = 100 * (1 - np.arange(len(purity)) / len(purity))
        # Of equally pure windows all are lost at once, so the line ends at the first of the purest.
        last = np.searchsorted(purity, purity[-1])
        steps = np.append(0, purity[: last + 1]), np.append(100, remaining[: last + 1])
        axes.step(*steps, where="pre", color=STATE_COLORS[state], linewidth=2)
        text = {"va": "center", "fontweight": "bold", "fontsize": 9, "annotation_clip": False}
        write_beside(axes, f"{state}, {len(purity)}", (1, remaining[last]), (5, 0), color=STATE_COLORS[state], **text)
    if min_purity > 0:
        axes.axvline(min_purity, color=NEUTRAL, linewidth=1, linestyle=":")
        axes.text(min_purity, 50, " in use", color=NEUTRAL, fontsize=9)
    axes.set_xlim(max(float(windows["purity"].min()) - 0.05, 0), 1.0)
    axes.set_ylim(top=101)
    axes.set(xlabel="least share of a window that carries its label", ylabel="windows that remain, %")
    return figure
