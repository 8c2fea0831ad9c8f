"""Recordings of an Empatica E4: the zip that its maker's site exports, the same as a folder, or a zip of such zips.

A session holds ``BVP.csv EDA.csv TEMP.csv ACC.csv tags.csv``: the first line of each is the start (Unix seconds, or a
date and time in UTC), the second the rate in Hz (both once a column in ``ACC.csv``), then a sample a line, of
acceleration in 1/64 g.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from wesadlib.artefacts import replacing
from wesadlib.data.archives import File, read_files
from wesadlib.data.devices import CHANNELS
from wesadlib.data.joining import Stretch, join_recording
from wesadlib.data.recording import Recording
from wesadlib.errors import InputError

_CHANNELS = {
    "BVP": ("wrist_bvp",),
    "EDA": ("wrist_eda",),
    "TEMP": ("wrist_temp",),
    "ACC": ("wrist_acc_x", "wrist_acc_y", "wrist_acc_z"),
}
#: Counts of the accelerometer in one g.
COUNTS_PER_G = 64
CHANNEL_FILE = re.compile(r"(?:^|.*_)(ACC|BVP|EDA|TEMP)\.csv$", re.IGNORECASE)
_TAGS = re.compile(r"(?:^|.*_)tags(?:_.*)?\.csv$", re.IGNORECASE)
#: A session's name, as the maker gives it: the start, and the device's serial number.
SERIAL = re.compile(r"\d{10}_([A-Z]\d{5})")


def is_e4(path: Path) -> bool:
    """Whether a path may be an export: a zip, be it broken, or a folder with ``BVP.csv`` or the like at any depth."""
    if path.is_dir():
        return any(CHANNEL_FILE.match(file.name) for file in path.rglob("*"))
    return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))


def find_exports(folder: Path, people: str) -> dict[str, list[Path]]:
    """Person -> zips or folders called by the name, which matches `people`, or by parts of it: ``S11_a``, ``S11_b``."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; it should hold an export a person.")
    exports: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = path.name if path.is_dir() else path.stem
        if (match := re.fullmatch(f"({people})(?:_[a-z])?", name)) and is_e4(path):
            exports.setdefault(match[1], []).append(path)
    if not exports:
        raise InputError(f"{folder} holds no person's export; it should hold zips or folders such as S01.")
    return exports


def list_files(exports: Iterable[Path]) -> list[Path]:
    """Files of zips and folders."""
    files = [file for path in exports for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [file for file in files if file.is_file()]


def last_s(recording: Recording) -> float:
    """When the last sample of skin conductance ends, s from the start; of the recording where it has none."""
    signal = recording.signals.get("wrist_eda")
    if signal is None:
        return recording.duration_s
    return float((np.flatnonzero(~np.isnan(signal.values))[-1] + 1) / signal.attrs["rate_hz"])


def read_e4(path: str | Path) -> Recording:
    """Read one person's recording, a zip or a folder, of one session or of several, which are joined in time."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    files = list(read_files(path, lambda name: bool(CHANNEL_FILE.match(name) or _TAGS.match(name))))
    serials = sorted({serial for file in files for serial in SERIAL.findall(file.where.removeprefix(str(path.parent)))})
    if len(serials) > 1:
        raise InputError(f"{path}: sessions of the devices {' and '.join(serials)}; give those of one at a time.")
    stretches: list[Stretch] = []
    presses: list[float] = []
    notes: list[str] = []
    sessions, kinds = set(), set()
    for file in files:
        if match := CHANNEL_FILE.match(file.name):
            sessions.add(file.folder)
            kinds.add(match[1].upper())
            stretches += _read_samples(file, match[1].upper(), notes)
        else:
            presses += _read_tags(file)
    if not any(stretch.channel == "wrist_bvp" for stretch in stretches):
        raise InputError(f"{path}: no BVP.csv with samples here; an export of an E4 has BVP, EDA, TEMP and ACC.")
    notes += [f"{kind}.csv is not in the export" for kind in _CHANNELS if kind not in kinds]
    notes.insert(0, f"{len(sessions)} session{'s' * (len(sessions) > 1)} of an E4")
    return join_recording(path, stretches, "E4", notes, presses=presses)


def write_e4(recording: Recording, path: str | Path) -> Path:
    """Write the wrist of a recording as the zip that the maker's site exports, rounded to what the format holds."""
    start_s = recording.start.timestamp() if recording.start else 0.0
    decimals = {"BVP": 2, "EDA": 6, "TEMP": 2, "ACC": 0}
    with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, channels in _CHANNELS.items():
            signals = [recording.signals[channel] for channel in channels]
            values = np.stack([signal.values for signal in signals], axis=1) * (COUNTS_PER_G if name == "ACC" else 1)
            if np.isnan(values).any():
                raise InputError(f"{recording.subject}: {channels[0]} has missing samples, which an E4 cannot tell.")
            header = np.full((2, len(channels)), [[start_s], [signals[0].attrs["rate_hz"]]])
            text = io.StringIO()
            np.savetxt(text, header, fmt="%.6f", delimiter=", ")
            np.savetxt(text, values, fmt=f"%.{decimals[name]}f", delimiter=",")
            archive.writestr(f"{name}.csv", text.getvalue())
        archive.writestr("tags.csv", "".join(f"{start_s + mark:.2f}\n" for mark in recording.marks_s))
    return Path(path)


def _read_samples(file: File, kind: str, notes: list[str]) -> Iterator[Stretch]:
    columns = _CHANNELS[kind]
    *header, text = f"{_decode(file)}\n\n".split("\n", 2)
    if not text.strip():
        notes.append(f"{file.name}: no sample")
        return
    start_s, rate_hz = _read_header(file, header, columns)
    values = _read_numbers(file, text, len(columns), notes)
    if kind == "ACC":
        values = values / COUNTS_PER_G
    for column, channel in enumerate(columns):
        yield Stretch(channel, start_s, rate_hz, np.ascontiguousarray(values[:, column], np.float32))


def _decode(file: File) -> str:
    try:
        text = io.TextIOWrapper(io.BytesIO(file.content), "utf-8-sig").read()
        if "\0" in text:
            raise ValueError
    except ValueError:
        raise InputError(f"{file.where}: not plain text; export it again.") from None
    return text


def _read_header(file: File, lines: Sequence[str], channels: Sequence[str]) -> tuple[float, float]:
    cells = [[cell.strip() for cell in line.split(",")] for line in lines]
    try:
        (start,), (rate,) = ({*row} for row in cells)
        if any(len(row) not in (1, len(channels)) for row in cells):
            raise ValueError
        start_s, rate_hz = _read_time(start), float(rate)
    except (ValueError, TypeError):
        raise InputError(
            f"{file.where}: the first two lines are {lines[0][:40]!r} and {lines[1][:40]!r}, not the start (Unix "
            "seconds, or a date and time) and the rate in Hz."
        ) from None
    if rate_hz != (e4_hz := CHANNELS[channels[0]][1]):
        raise InputError(
            f"{file.where}: the second line says {rate_hz:g} Hz, and an E4 records this at {e4_hz:g} Hz; give what was "
            "resampled as a table, by `--columns`."
        )
    return start_s, rate_hz


def _read_time(text: str) -> float:
    try:
        time_s = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not np.isfinite(time_s):
        raise ValueError
    return time_s


def _read_numbers(file: File, text: str, columns: int, notes: list[str]) -> np.ndarray:
    text = text.rstrip("\n")
    head, _, last = text.rpartition("\n")
    if last.count(",") < columns - 1 and head:
        notes.append(f"{file.name}: the last line was cut off, and is left out")
        text = head
    try:
        if text.count(",") != (columns - 1) * (text.count("\n") + 1):
            raise ValueError
        values = pd.read_csv(io.StringIO(text), header=None, names=range(columns), dtype=np.float64).to_numpy()
        if not np.isfinite(values).all():
            raise ValueError
    except ValueError:
        raise _bad_line(file, text, columns) from None
    return values


def _bad_line(file: File, text: str, columns: int) -> InputError:
    for number, line in enumerate(text.split("\n"), start=3):
        cells = line.split(",")
        if len(cells) == 2 * columns or ";" in line:
            return InputError(f"{file.where}: line {number} is {line!r}: a decimal comma; save it with decimal points.")
        try:
            if len(cells) != columns or not np.isfinite([float(cell) for cell in cells]).all():
                raise ValueError
        except ValueError:
            return InputError(f"{file.where}: line {number} is {line[:40]!r}, and has to be {columns} number(s).")
    return InputError(f"{file.where}: not a table of numbers; export it again.")


def _read_tags(file: File) -> list[float]:
    times = []
    for number, line in enumerate(_decode(file).split("\n"), start=1):
        if line.strip():
            try:
                times.append(_read_time(line.strip()))
            except ValueError:
                raise InputError(f"{file.where}: line {number} is {line[:40]!r}, no time of a press.") from None
    return times
