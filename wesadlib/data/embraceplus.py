"""Recordings of an Empatica EmbracePlus: a file, or a folder of files, in Avro.

A file is one record: ``timezone``, ``enrollment`` (who it is, which is not kept) and ``rawData``, in which each sensor
has ``timestampStart`` (microseconds UTC, 0 where it was off), ``samplingFrequency`` and its samples: schema 6 of the
maker's description of its raw data files.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from wesadlib.artefacts import replacing
from wesadlib.data.archives import starts_with
from wesadlib.data.joining import Stretch, join_recording
from wesadlib.data.recording import Recording
from wesadlib.errors import InputError

#: sensor of the file -> our channel
_SENSORS = {"bvp": "wrist_bvp", "eda": "wrist_eda", "temperature": "wrist_temp"}
_AXES = {axis: f"wrist_acc_{axis}" for axis in "xyz"}
_LIMITS = ("physicalMin", "physicalMax", "digitalMin", "digitalMax")
#: The scale of its pulse is its own, about a thousandth of the E4's.
UNITS = {"wrist_bvp": "nW"}
#: What the pulse of an E4 is divided by when one is written, so that it is of this device's size.
PULSE_SCALE = 1000.0
_RATES = {"wrist_bvp": 64.0, "wrist_eda": 4.0, "wrist_temp": 1.0, **dict.fromkeys(_AXES.values(), 64.0)}


def find_files(path: Path) -> list[Path]:
    """Avro files at or below a path, told by their content."""
    candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in candidates if starts_with(file, b"Obj\x01")]


def read_embraceplus(path: str | Path) -> Recording:
    """Read one person's recording, and nothing of who it is, in the device's units and at the rates that it counted."""
    path = Path(path)
    files = find_files(path)
    if not files:
        raise InputError(f"{path}: no Avro file here; an EmbracePlus writes files that end in .avro.")
    records = [_read_record(file) for file in files]
    serials = {record.get("deviceSn") for record in records}
    if len(serials) > 1:
        raise InputError(f"{path}: files of {len(serials)} devices; give those of one device at a time.")
    pairs = zip(files, records, strict=True)
    stretches = [stretch for file, record in pairs for stretch in _stretches(file, record["rawData"])]
    if not stretches:
        raise InputError(f"{path}: every sensor was off; there is nothing to read.")
    present = {stretch.channel for stretch in stretches}
    notes = [f"{len(files)} file{'s' * (len(files) > 1)} of an EmbracePlus"]
    notes += [f"{channel}: the sensor was off" for channel in _SENSORS.values() if channel not in present]
    tags = [record["rawData"].get("tags") or {} for record in records]
    presses = [time / 1e6 for content in tags for time in content.get("tagsTimeMicros", ())]
    return join_recording(path, stretches, "EmbracePlus", notes, units=UNITS, presses=presses)


def write_embraceplus(recording: Recording, folder: str | Path, *, file_s: float = 900.0) -> Path:
    """Write the wrist of a recording as the device does, at its rates and scales: a folder of files, `file_s` each."""
    import fastavro

    start_s = recording.start.timestamp() if recording.start else 0.0
    samples = {name: _as_recorded(name, recording.signals[name]) for name in _RATES if name in recording.signals}

    def cut(channel: str, begin_s: float) -> dict[str, Any]:
        if channel not in samples:
            return {"timestampStart": 0, "samplingFrequency": 0.0, "values": []}
        first, last = (round(time_s * _RATES[channel]) for time_s in (begin_s, begin_s + file_s))
        clock = {"timestampStart": round((start_s + begin_s) * 1e6), "samplingFrequency": _RATES[channel]}
        return {**clock, "values": samples[channel][first:last].tolist()}

    with replacing(folder) as partial:
        partial.mkdir()
        for begin_s in np.arange(0, recording.duration_s, file_s):
            axes = {axis: cut(channel, begin_s) for axis, channel in _AXES.items()}
            counts = {axis: [round(value * 2048) for value in part.pop("values")] for axis, part in axes.items()}
            scale = dict(zip(_LIMITS, (-16, 16, -32768, 32768), strict=True))
            marks = [mark for mark in recording.marks_s if begin_s <= mark < begin_s + file_s]
            raw = {
                **{sensor: cut(channel, begin_s) for sensor, channel in _SENSORS.items()},
                "accelerometer": {**axes["x"], "imuParams": scale, **counts},
                "tags": {"tagsTimeMicros": [round((start_s + mark) * 1e6) for mark in marks]},
            }
            record = {"timezone": 0, "deviceSn": "0000000000", "deviceModel": "EMBRACEPLUS", "rawData": raw}
            with open(partial / f"{recording.subject}_{round(start_s + begin_s)}.avro", "wb") as file:
                fastavro.writer(file, _SCHEMA, [record], codec="deflate")
    return Path(folder)


def _as_recorded(name: str, signal: xr.DataArray) -> np.ndarray:
    """Samples at the device's own rate and scale."""
    values, rate_hz, wanted_hz = signal.values.astype(float), signal.attrs["rate_hz"], _RATES[name]
    if name == "wrist_bvp":
        values = values / PULSE_SCALE
    if wanted_hz < rate_hz:
        factor = round(rate_hz / wanted_hz)
        return values[: len(values) // factor * factor].reshape(-1, factor).mean(axis=1)
    time = np.arange(round(len(values) * wanted_hz / rate_hz)) / wanted_hz
    return np.interp(time, np.arange(len(values)) / rate_hz, values)


def _read_record(file: Path) -> Mapping[str, Any]:
    import fastavro

    try:
        with open(file, "rb") as opened:
            records = list(fastavro.reader(opened))
    except Exception as error:
        # fastavro raises what it meets: EOFError, ValueError, KeyError, struct.error …
        raise InputError(f"{file}: not a whole Avro file ({type(error).__name__}); copy it again.") from None
    if len(records) != 1 or not isinstance(records[0], dict) or not isinstance(records[0].get("rawData"), dict):
        raise InputError(f"{file}: an Avro file of another maker: an EmbracePlus's holds one record with `rawData`.")
    return records[0]


def _stretches(file: Path, raw: Mapping[str, Any]) -> Iterator[Stretch]:
    for sensor, channel in _SENSORS.items():
        content = raw.get(sensor) or {}
        if content.get("timestampStart") and content.get("values"):
            yield _stretch(file, sensor, channel, content, np.asarray(content["values"], np.float32))
    content = raw.get("accelerometer") or {}
    if content.get("timestampStart") and content.get("x"):
        if len({len(content.get(axis) or ()) for axis in _AXES}) > 1:
            raise InputError(f"{file}: the accelerometer's axes have not as many samples each; copy it again.")
        scale, offset = _scale(file, content.get("imuParams") or {})
        for axis, channel in _AXES.items():
            values = np.asarray(content[axis], np.float64) * scale + offset
            yield _stretch(file, "accelerometer", channel, content, values)


def _stretch(file: Path, sensor: str, channel: str, content: Mapping[str, Any], values: np.ndarray) -> Stretch:
    rate_hz = float(content.get("samplingFrequency") or 0)
    if not 0 < rate_hz < 1000:
        raise InputError(f"{file}: {sensor} has samples at {rate_hz:g} Hz; the file is damaged, so copy it again.")
    if np.isinf(values).any():
        raise InputError(f"{file}: {sensor} has an infinite sample; the file is damaged, so copy it again.")
    return Stretch(channel, content["timestampStart"] / 1e6, rate_hz, values.astype(np.float32))


def _scale(file: Path, parameters: Mapping[str, Any]) -> tuple[float, float]:
    """From counts to g, (factor, offset), by whatever the schema's version gives for it."""
    if all(name in parameters for name in _LIMITS):
        low, high, lowest, highest = (float(parameters[name]) for name in _LIMITS)
        if highest > lowest and high > low:
            factor = (high - low) / (highest - lowest)
            return factor, low - lowest * factor
    if parameters.get("conversionFactor"):
        return float(parameters["conversionFactor"]), 0.0
    raise InputError(f"{file}: `imuParams` does not tell how counts of the accelerometer become g.")


def _schema(name: str, example: Any) -> Any:
    """Avro's description of what is like an example."""
    if isinstance(example, dict):
        fields = [{"name": key, "type": _schema(key.capitalize(), value)} for key, value in example.items()]
        return {"type": "record", "name": name, "fields": fields}
    if isinstance(example, list):
        return {"type": "array", "items": _schema(name, example[0])}
    return {int: "long", float: "float", str: "string"}[type(example)]


_CLOCK = {"timestampStart": 0, "samplingFrequency": 0.0}
_RAW = {
    "accelerometer": {**_CLOCK, "imuParams": dict.fromkeys(_LIMITS, 0), **{axis: [0] for axis in _AXES}},
    **{sensor: {**_CLOCK, "values": [0.0]} for sensor in _SENSORS},
    "tags": {"tagsTimeMicros": [0]},
}
_SCHEMA = _schema("RawFile", {"timezone": 0, "deviceSn": "", "deviceModel": "", "rawData": _RAW})
