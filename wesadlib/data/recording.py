"""What a recording is: its signals with units and rates, its labels, and what is known of the person."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

#: Code in a recording's labels -> state; the codes of :data:`IGNORED_LABELS` are known and belong to none.
LABELS: dict[int, str] = {0: "transient", 1: "baseline", 2: "stress", 3: "amusement", 4: "meditation"}

#: Codes that the data set says to ignore: the readings between the conditions.
IGNORED_LABELS: tuple[int, ...] = (5, 6, 7)

#: The states that windows are made of.
STATES: tuple[str, ...] = ("baseline", "stress", "amusement")

#: Rate of the labels, Hz.
LABEL_RATE_HZ = 700.0

#: Channel -> (unit, rate in Hz).
CHANNELS: dict[str, tuple[str, float]] = {
    "chest_ecg": ("mV", 700.0),
    "chest_eda": ("uS", 700.0),
    "chest_emg": ("mV", 700.0),
    "chest_resp": ("percent", 700.0),
    "chest_temp": ("degC", 700.0),
    "chest_acc_x": ("g", 700.0),
    "chest_acc_y": ("g", 700.0),
    "chest_acc_z": ("g", 700.0),
    "wrist_bvp": ("a.u.", 64.0),
    "wrist_eda": ("uS", 4.0),
    "wrist_temp": ("degC", 4.0),
    "wrist_acc_x": ("g", 32.0),
    "wrist_acc_y": ("g", 32.0),
    "wrist_acc_z": ("g", 32.0),
}

#: Device -> its channels, in the order in which windows hold them.
DEVICE_CHANNELS: dict[str, tuple[str, ...]] = {
    device: tuple(channel for channel in CHANNELS if channel.startswith(device)) for device in ("chest", "wrist")
}


@dataclass(frozen=True)
class Recording:
    """One person's recording.

    Attributes
    ----------
    subject : str
        Name of the person's folder, such as ``S2``.
    signals : dict of str to DataArray
        Channel -> values ``(time)``, float32, in the units of :data:`CHANNELS`; ``time`` in seconds from the
        start, `attrs` ``units`` and ``rate_hz``. A device that was not worn has no channels here.
    labels : DataArray
        Codes ``(time)``, int8, at 700 Hz; see :data:`LABELS` and :data:`IGNORED_LABELS`.
    person : dict
        What the readme says, as :func:`~wesadlib.data.quest.read_readme` gives it.
    protocol : DataFrame
        A row a condition in the order of time, as :func:`~wesadlib.data.protocol.align_protocol` gives it:
        ``condition``, ``start_s``, ``end_s`` in seconds of this recording, ``name``.
    questionnaires : dict of str to DataFrame
        As :func:`~wesadlib.data.quest.read_quest` gives them: a row a condition, a column an item.
    """

    subject: str
    signals: dict[str, xr.DataArray]
    labels: xr.DataArray
    person: dict[str, Any] = field(default_factory=dict)
    protocol: pd.DataFrame = field(default_factory=pd.DataFrame)
    questionnaires: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return self.labels.sizes["time"] / self.labels.attrs["rate_hz"]

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that were worn."""
        return tuple(device for device in DEVICE_CHANNELS if any(name.startswith(device) for name in self.signals))

    def between(self, start_s: float, stop_s: float) -> "Recording":
        """The part of the recording from `start_s` to `stop_s`, whose time starts anew at 0.

        What is said of the whole, such as `protocol`, is left out.
        """

        def cut(values: xr.DataArray) -> xr.DataArray:
            rate_hz = values.attrs["rate_hz"]
            part = values.isel(time=slice(round(start_s * rate_hz), round(stop_s * rate_hz)))
            return part.assign_coords(time=np.arange(part.sizes["time"]) / rate_hz)

        signals = {name: cut(values) for name, values in self.signals.items()}
        return Recording(self.subject, signals, cut(self.labels), self.person)
