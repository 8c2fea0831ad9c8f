"""One person's recording, and the labels of windows in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data.devices import CHANNELS, DEVICE_CHANNELS


@dataclass(frozen=True)
class Recording:
    """The recording of one person, the subject."""

    subject: str
    #: Channel -> values ``(time)``, float32; ``time`` in seconds from the start, `attrs` ``units`` and ``rate_hz``. A
    #: device that was not worn has no channels here.
    signals: dict[str, xr.DataArray]
    #: A row a block in the order of time: ``state``, ``start_s``, ``end_s``; what lies in none of them has no label.
    labels: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["state", "start_s", "end_s"]))
    #: What is known of the person.
    person: dict[str, Any] = field(default_factory=dict)
    #: A row a condition in the order of time: ``condition``, ``start_s``, ``end_s``, ``name``.
    protocol: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: A row a condition, a column an item.
    questionnaires: dict[str, pd.DataFrame] = field(default_factory=dict)
    #: What the reader did to the files' content.
    notes: tuple[str, ...] = ()
    #: What is wrong with the files, and did not cost the signals.
    problems: tuple[str, ...] = ()
    #: What recorded it, as far as the files tell.
    device: str = ""
    #: When it began, in UTC.
    start: datetime | None = None
    #: Presses of the device's button, seconds from the start.
    marks_s: tuple[float, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length that all signals have, s."""
        lengths = (values.sizes["time"] / values.attrs["rate_hz"] for values in self.signals.values())
        return float(min(lengths, default=0.0))

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that were worn."""
        return tuple(device for device, channels in DEVICE_CHANNELS.items() if self.signals.keys() & set(channels))

    def between(self, start_s: float, stop_s: float) -> "Recording":
        """The part from `start_s` to `stop_s`, whose time starts anew at 0; `protocol` and the like are left out."""
        signals = {}
        for name, values in self.signals.items():
            rate_hz = values.attrs["rate_hz"]
            part = values.isel(time=slice(round(start_s * rate_hz), round(stop_s * rate_hz)))
            signals[name] = part.assign_coords(time=np.arange(part.sizes["time"]) / rate_hz)
        labels = self.labels.copy()
        labels[["start_s", "end_s"]] = labels[["start_s", "end_s"]].clip(start_s, stop_s) - start_s
        labels = labels[labels["end_s"] > labels["start_s"]].reset_index(drop=True)
        return Recording(self.subject, signals, labels, self.person)


def make_signals(
    samples: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
) -> dict[str, xr.DataArray]:
    """Channels, of values (time,) each, as a recording holds them, in the order of the table of devices.

    Rates and units are those of the table where nothing else is said.
    """
    alike: dict[tuple[int, float], dict[str, tuple]] = {}
    for channel, values in samples.items():
        unit, rate_hz = CHANNELS[channel]
        rate_hz = float((rates_hz or {}).get(channel, rate_hz))
        attrs = {"units": (units or {}).get(channel, unit), "rate_hz": rate_hz}
        variable = ("time", np.asarray(values, np.float32), attrs)
        alike.setdefault((len(values), rate_hz), {})[channel] = variable
    signals = {}
    for (length, rate_hz), variables in alike.items():
        # A Dataset's channels share one time axis, which is twice as heavy as their values.
        dataset = xr.Dataset(variables, {"time": ("time", np.arange(length) / rate_hz, {"units": "s"})})
        signals |= {channel: dataset[channel] for channel in variables}
    return {channel: signals[channel] for channel in CHANNELS if channel in signals}


def label_windows(
    labels: pd.DataFrame, duration_s: float, *, window_s: float, hop_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label windows that start with the recording and every `hop_s` from there, each by what most of it is.

    `labels` are blocks of a recording, ``state start_s end_s``; a window that would reach beyond `duration_s` is not
    made. Arrays (window,): its start in s; the state of most of it (of several with as much, the one that the recording
    has first; empty where most has no label); its share.

    Examples
    --------
    >>> import pandas as pd
    >>> labels = pd.DataFrame({"state": ["rest", "stress"], "start_s": [0, 4], "end_s": [4, 8]})
    >>> start_s, state, purity = label_windows(labels, 10, window_s=4, hop_s=3)
    >>> start_s.tolist(), state.tolist(), purity.tolist()
    ([0, 3, 6], ['rest', 'stress', ''], [1.0, 0.75, 0.5])
    """
    start_s = np.arange(max(int(np.floor((duration_s - window_s) / hop_s + 1e-9)) + 1, 0)) * hop_s
    begin, end = (labels[name].to_numpy(float) for name in ("start_s", "end_s"))
    overlap = np.minimum(end, start_s[:, None] + window_s) - np.maximum(begin, start_s[:, None])
    names = ["", *labels["state"].unique()]
    members = labels["state"].to_numpy() == np.array(names)[:, None]
    shares = np.clip(overlap, 0, None) @ members.T / window_s
    shares[:, 0] = 1 - shares.sum(axis=1)
    # Rounded, so that halves are ties whatever their last bit.
    shares = shares.round(9)
    return start_s, np.array(names)[shares.argmax(axis=1)], shares.max(axis=1)
