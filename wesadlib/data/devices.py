"""The one table of devices: their channels, with unit and rate, and which of these gives beats."""

from pathlib import Path
from typing import NamedTuple

from wesadlib.errors import InputError


class Device(NamedTuple):
    """What a device records: signal -> (unit, rate in Hz), in the order in which windows hold them."""

    signals: dict[str, tuple[str, float]]
    beats: str


DEVICES: dict[str, Device] = {
    # RespiBAN Professional, at the chest.
    "chest": Device(
        {
            "ecg": ("mV", 700.0),
            "eda": ("uS", 700.0),
            "emg": ("mV", 700.0),
            "resp": ("percent", 700.0),
            "temp": ("degC", 700.0),
            **{f"acc_{axis}": ("g", 700.0) for axis in "xyz"},
        },
        beats="ecg",
    ),
    # Empatica E4, at the wrist.
    "wrist": Device(
        {
            "bvp": ("a.u.", 64.0),
            "eda": ("uS", 4.0),
            "temp": ("degC", 4.0),
            **{f"acc_{axis}": ("g", 32.0) for axis in "xyz"},
        },
        beats="bvp",
    ),
}

#: Device -> its channels, in the order in which windows hold them.
DEVICE_CHANNELS: dict[str, tuple[str, ...]] = {
    name: tuple(f"{name}_{signal}" for signal in device.signals) for name, device in DEVICES.items()
}

#: Channel -> (unit, rate in Hz).
CHANNELS: dict[str, tuple[str, float]] = {
    f"{name}_{signal}": facts for name, device in DEVICES.items() for signal, facts in device.signals.items()
}

#: Channels that beats are found in, one a device.
BEAT_SOURCES: tuple[str, ...] = tuple(f"{name}_{device.beats}" for name, device in DEVICES.items())


#: Signal -> its name in words.
SIGNAL_NAMES = {
    "bvp": "pulse",
    "ecg": "ECG",
    "eda": "skin conductance",
    "emg": "EMG",
    "resp": "respiration",
    "temp": "temperature",
    "acc": "acceleration",
}


def write_channel(name: str) -> str:
    """A channel or sensor in words: ``chest_acc_x`` is acceleration x; a device's own name stays."""
    signal, _, axis = name.partition("_")[2].partition("_")
    return f"{SIGNAL_NAMES.get(signal, signal)} {axis}".strip() or name


def write_unit(unit: str) -> str:
    """A unit as people write it: ``uS`` is µS, ``degC`` is °C."""
    for name, written in (("uS", "µS"), ("degC", "°C"), ("percent", "%")):
        unit = unit.replace(name, written)
    return unit


def channel_of(path: Path, name: str) -> str:
    """The channel that a user means by a signal of the wrist (``bvp``) or by its own name; `path` is what for."""
    channel = name if name in CHANNELS else f"wrist_{name}"
    if channel not in CHANNELS:
        raise InputError(f"{path}: unknown signal {name!r}; the wrist has {', '.join(DEVICES['wrist'].signals)}.")
    return channel


def sensor_of(channel: str) -> str:
    """A channel's sensor: the axes of an accelerometer are one."""
    return f"{channel.partition('_acc_')[0]}_acc" if "_acc_" in channel else channel
