"""Recordings in tables: CSV or Parquet of any device, by a map of columns and units.

One table, whose columns may come at different rates (empty cells where one has no sample), or a folder of tables.
"""

import csv
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wesadlib.data.checks import EXPECTED, explain_unit
from wesadlib.data.devices import CHANNELS, channel_of
from wesadlib.data.joining import Stretch, join_recording, split_stretches
from wesadlib.data.recording import Recording
from wesadlib.errors import InputError

#: Names that a column of times goes by, where none is named.
TIME_COLUMNS = ("time", "timestamp", "time_s", "t", "seconds", "datetime", "date", "unix", "time (s)", "time_ms")
#: unit -> (unit of the table of devices, function to it)
_CONVERSIONS = {
    "degF": ("degC", lambda values: (values - 32) / 1.8),
    "K": ("degC", lambda values: values - 273.15),
    "nS": ("uS", lambda values: values / 1000),
    "S": ("uS", lambda values: values * 1e6),
    "kOhm": ("uS", lambda values: 1000 / values),
    "m/s2": ("g", lambda values: values / 9.80665),
    "1/64 g": ("g", lambda values: values / 64),
    "mg": ("g", lambda values: values / 1000),
    "V": ("mV", lambda values: values * 1000),
    "uV": ("mV", lambda values: values / 1000),
}


def parse_pairs(text: str, what: str) -> dict[str, str]:
    """A map that is written ``bvp=PPG,eda=GSR``."""
    pairs = dict(pair.partition("=")[::2] for pair in next(csv.reader([text])) if pair)
    if not pairs or not all(name.strip() and value.strip() for name, value in pairs.items()):
        raise InputError(f"{what} {text!r}: write signal=column, several parted by commas.")
    return {name.strip(): value.strip() for name, value in pairs.items()}


def read_table(
    path: str | Path,
    columns: Mapping[str, str],
    *,
    units: Mapping[str, str] | None = None,
    time: str | None = None,
) -> Recording:
    """Read a recording from a table (CSV or Parquet), or from several in a folder.

    `columns` maps signals (``bvp``) or channels (``wrist_bvp``) to columns, in a folder to ``file:column``; `units`
    are of those that are not in the device's own; `time` names the column of times: seconds (milliseconds where its
    name ends in ``_ms``), Unix times or dates.
    """
    path = Path(path)
    units = {channel_of(path, name): unit for name, unit in (units or {}).items()}
    chosen = {channel_of(path, name): column for name, column in columns.items()}
    if twice := [place for place in chosen.values() if list(chosen.values()).count(place) > 1]:
        raise InputError(f"{path}: the column {twice[0]!r} is given for several signals; each has its own.")
    tables: dict[Path, pd.DataFrame] = {}
    stretches: list[Stretch] = []
    notes: list[str] = []
    for channel, place in chosen.items():
        file, column = (path / place.partition(":")[0], place.partition(":")[2]) if path.is_dir() else (path, place)
        if file not in tables:
            tables[file] = _load(file)
        time_s, values = _times(file, tables[file], time), _numbers(file, tables[file], column)
        values = _convert(file, channel, values, units, notes)
        parts, note = split_stretches(file, channel, time_s, values)
        stretches += parts
        notes.append(note)
    _check_gravity(path, stretches)
    return join_recording(path, stretches, "table, read as wrist", notes)


def _load(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise InputError(f"{file}: no such file.")
    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(file)
        form = {"sep": None, "engine": "python", "encoding": "utf-8-sig"}
        table = pd.read_csv(file, **form)
        # pandas gives the second of two equal names another one.
        names = pd.read_csv(file, **form, header=None, nrows=1, dtype=str).iloc[0]
        table.attrs["twice"] = set(names[names.duplicated()])
        return table
    except ImportError:
        raise InputError(f"{file}: Parquet needs the package pyarrow; `pip install pyarrow`, or give a CSV.") from None
    except (ValueError, OSError, csv.Error, pd.errors.ParserError) as error:
        raise InputError(f"{file}: not a table ({str(error).splitlines()[0]}); give a CSV or Parquet.") from None


def _column(file: Path, table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        raise InputError(f"{file}: no column {column!r}; there are {', '.join(map(repr, map(str, table)))}.")
    if column in table.attrs.get("twice", ()):
        raise InputError(f"{file}: two columns are called {column!r}; give each a name of its own.")
    return table[column]


def _numbers(file: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    cells = _column(file, table, column)
    values = pd.to_numeric(cells, errors="coerce")
    _refuse_cells(file, cells, (values.isna() & cells.notna()) | np.isinf(values), "not a number")
    return values.to_numpy(np.float64)


def _times(file: Path, table: pd.DataFrame, column: str | None) -> np.ndarray:
    if column is None:
        lower = {str(name).strip().lower(): name for name in table}
        column = next((lower[name] for name in TIME_COLUMNS if name in lower), None)
        if column is None:
            raise InputError(f"{file}: no column of times ({', '.join(map(str, table))}); name it by `--time`.")
    cells = _column(file, table, column)
    if cells.dtype.kind in "iuf":
        values = cells.to_numpy(np.float64)
        # Unix time in seconds is of the order of 1e9, in milli-, micro- and nanoseconds of 1e12, 1e15 and 1e18.
        power = int(np.log10(max(abs(np.nanmedian(values)), 1)) / 3) - 3 if np.nanmedian(np.abs(values)) > 1e8 else 0
        in_ms = str(column).lower().endswith(("_ms", "(ms)"))
        return values / 1000.0 ** max(power, 0) / (1000.0 if in_ms and power == 0 else 1.0)
    with warnings.catch_warnings():
        # Cells that are no dates are refused below; pandas would warn of them as well.
        warnings.simplefilter("ignore", UserWarning)
        dates = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce")
        if (dates.isna() & cells.notna()).any():
            dates = pd.to_datetime(cells, utc=True, errors="coerce")
    _refuse_cells(file, cells, dates.isna() & cells.notna(), "no number or date")
    return (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()


def _refuse_cells(file: Path, cells: pd.Series, wrong: pd.Series, what: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        cell = str(cells.iloc[row])
        comma = ": a decimal comma; save it with decimal points" if re.fullmatch(r"-?\d+,\d+", cell) else ""
        raise InputError(f"{file}: row {row + 2}, column {cells.name!r} is {cell[:40]!r}, {what}{comma}.")


def _convert(file: Path, channel: str, values: np.ndarray, units: Mapping[str, str], notes: list[str]) -> np.ndarray:
    target, unit = CHANNELS[channel][0], units.get(channel)
    if unit in (None, target):
        # Of acceleration the axes together tell.
        if target != "g":
            _check_middle(file, channel, values, target)
        if unit is None:
            notes.append(f"{channel}: taken to be in {target}, as nothing else was said")
        return values
    if unit not in _CONVERSIONS or _CONVERSIONS[unit][0] != target:
        allowed = [target, *(name for name, (to, _) in _CONVERSIONS.items() if to == target)]
        raise InputError(f"{file}: {channel} comes in {', '.join(allowed)}, and cannot be in {unit!r}.")
    notes.append(f"{channel}: converted from {unit} to {target}")
    return _CONVERSIONS[unit][1](values)


def _check_middle(path: Path, name: str, values: np.ndarray, unit: str, *, whole: bool = True) -> None:
    """Refuse values in a unit that was not said; of two axes of an accelerometer gravity may be in the third."""
    if unit not in EXPECTED or not np.isfinite(values).any():
        return
    low, high, *_ = EXPECTED[unit]
    if not (low if whole else 0) <= (middle := float(np.nanmedian(values))) <= high:
        raise InputError(
            f"{path}: {name} is {middle:.3g} {unit} in the middle, {explain_unit(unit, middle)}; say its unit."
        )


def _check_gravity(path: Path, stretches: Sequence[Stretch]) -> None:
    names = dict.fromkeys(stretch.channel for stretch in stretches if "_acc_" in stretch.channel)
    axes = [np.concatenate([part.values for part in stretches if part.channel == name]) for name in names]
    if axes and len({len(axis) for axis in axes}) == 1:
        magnitude = np.sqrt(sum(axis**2 for axis in axes))
        _check_middle(path, "the magnitude of acceleration", magnitude, "g", whole=len(axes) == 3)
