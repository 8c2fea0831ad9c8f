"""Recordings of the Lab Streaming Layer: XDF files, whose streams are told by name, type and label of channel."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wesadlib.data.archives import starts_with
from wesadlib.data.devices import channel_of
from wesadlib.data.joining import Stretch, join_recording, split_stretches
from wesadlib.data.recording import Recording
from wesadlib.errors import InputError

#: Words that streams and their channels go by, where no map is given -> signal.
_WORDS = {
    "bvp": "bvp",
    "ppg": "bvp",
    "eda": "eda",
    "gsr": "eda",
    "temp": "temp",
    "temperature": "temp",
    **{f"{name}{axis}": f"acc_{axis}" for name in ("acc", "acc_", "accelerometer", "accelerometer_") for axis in "xyz"},
}


def is_xdf(path: Path) -> bool:
    """Whether a path is an XDF file."""
    return starts_with(path, b"XDF:")


def read_xdf(path: str | Path, columns: Mapping[str, str] | None = None) -> Recording:
    """Read an XDF file; `columns` maps signals to ``stream`` or ``stream:label``, by default those of known names."""
    path = Path(path)
    streams, notes = _load(path)
    places = _places(streams)
    chosen = _choose(path, places, columns)
    stretches: list[Stretch] = []
    for signal, (stream, column) in chosen.items():
        channel = channel_of(path, signal)
        values = np.asarray(streams[stream]["time_series"], np.float64)[:, column]
        parts, note = split_stretches(path, channel, streams[stream]["time_stamps"], values)
        stretches += parts
        notes += [f"{channel}: stream {streams[stream]['info']['name'][0]!r}", note]
    return join_recording(path, stretches, "XDF, read as wrist", notes)


def _load(path: Path) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Streams of a file, and what pyxdf warned of; it would leave out what it calls an error, which is refused here."""
    try:
        import pyxdf
    except ImportError:
        raise InputError(f"{path}: XDF needs an extra: `pip install 'wesadlib[xdf]'`.") from None
    records: list[logging.LogRecord] = []
    logger = logging.getLogger("pyxdf.pyxdf")
    # What it returns, nothing, says that a record is not passed on.
    logger.addFilter(records.append)
    try:
        streams, _ = pyxdf.load_xdf(str(path))
        errors = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
    except Exception as error:
        # pyxdf raises what it meets in a damaged file.
        errors = [f"{type(error).__name__}: {error}"]
    finally:
        logger.removeFilter(records.append)
    if errors:
        raise InputError(f"{path}: not a whole XDF file ({' '.join(errors[0].split())}); copy it again.")
    return streams, [f"pyxdf: {record.getMessage()}" for record in records]


def _places(streams: list[Mapping[str, Any]]) -> dict[str, set[tuple[int, int]]]:
    """Names by which a column of a stream can be asked for, in lower case -> the (stream, column) of that name."""
    places: dict[str, set[tuple[int, int]]] = {}
    for k, stream in enumerate(streams):
        info = stream["info"]
        if not len(stream["time_stamps"]) or info["channel_format"][0] == "string":
            continue
        names = [str(info[key][0]).lower() for key in ("name", "type")]
        labels, count = _labels(info), int(info["channel_count"][0])
        for column in range(count):
            label = labels[column].lower() if column < len(labels) else str(column)
            alone = names if count == 1 else ()
            for name in (*(f"{name}:{label}" for name in names), label, *alone):
                places.setdefault(name, set()).add((k, column))
    return places


def _labels(info: Mapping[str, Any]) -> list[str]:
    try:
        return [str(channel["label"][0]) for channel in info["desc"][0]["channels"][0]["channel"]]
    except (KeyError, IndexError, TypeError):
        return []


def _choose(
    path: Path, places: Mapping[str, set[tuple[int, int]]], columns: Mapping[str, str] | None
) -> dict[str, tuple[int, int]]:
    if absent := [place for place in (columns or {}).values() if place.lower() not in places]:
        raise InputError(f"{path}: no stream {absent[0]!r}; there are {', '.join(places) or 'none'}.")
    chosen = {signal: places[place.lower()] for signal, place in (columns or {}).items()}
    for name in [] if columns else filter(_WORDS.get, places):
        chosen[_WORDS[name]] = chosen.get(_WORDS[name], set()) | places[name]
    if not chosen:
        raise InputError(
            f"{path}: no stream of a known name ({', '.join(places) or 'none at all'}); map them by `--columns`."
        )
    for signal, options in chosen.items():
        if len(options) > 1:
            raise InputError(f"{path}: several streams may be {signal}; map one of {', '.join(places)} by `--columns`.")
    return {signal: place for signal, (place,) in chosen.items()}
