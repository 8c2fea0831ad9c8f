"""The one table of devices: their channels, with unit and rate, and which of these gives beats."""

from pathlib import Path

from wesadlib.errors import InputError

#: Channel -> (unit, rate in Hz), in the order in which windows hold them.
CHANNELS: dict[str, tuple[str, float]] = {
    # RespiBAN Professional, at the chest.
    "chest_ecg": ("mV", 700.0),
    "chest_eda": ("uS", 700.0),
    "chest_emg": ("mV", 700.0),
    "chest_resp": ("percent", 700.0),
    "chest_temp": ("degC", 700.0),
    **{f"chest_acc_{axis}": ("g", 700.0) for axis in "xyz"},
    # Empatica E4, at the wrist.
    "wrist_bvp": ("a.u.", 64.0),
    "wrist_eda": ("uS", 4.0),
    "wrist_temp": ("degC", 4.0),
    **{f"wrist_acc_{axis}": ("g", 32.0) for axis in "xyz"},
}

#: Device -> its channels.
DEVICE_CHANNELS: dict[str, tuple[str, ...]] = {
    device: tuple(name for name in CHANNELS if name.partition("_")[0] == device)
    for device in dict.fromkeys(name.partition("_")[0] for name in CHANNELS)
}

#: Channels that beats are found in, one a device.
BEAT_SOURCES: tuple[str, ...] = tuple(name for name in CHANNELS if name.endswith(("_ecg", "_bvp")))

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
    return unit.replace("uS", "µS").replace("degC", "°C").replace("percent", "%")


def channel_of(path: Path, name: str) -> str:
    """The channel that a user means by a signal of the wrist (``bvp``) or by its own name; `path` is what for."""
    channel = name if name in CHANNELS else f"wrist_{name}"
    if channel not in CHANNELS:
        known = ", ".join(channel.removeprefix("wrist_") for channel in DEVICE_CHANNELS["wrist"])
        raise InputError(f"{path}: unknown signal {name!r}; the wrist has {known}.")
    return channel


def sensor_of(channel: str) -> str:
    """A channel's sensor: the axes of an accelerometer are one."""
    return f"{channel.partition('_acc_')[0]}_acc" if "_acc_" in channel else channel
