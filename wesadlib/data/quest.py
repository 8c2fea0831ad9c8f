"""What a subject's two text files say: the protocol's times, the questionnaires, and the readme."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data.recording import LABELS
from wesadlib.errors import InputError

#: Seconds that a labelled block leaves out at either end of its condition.
LABEL_MARGIN_S = 10.0

#: Items of the short STAI, each 1 (not at all) to 4 (very much so).
STAI_ITEMS = ("at_ease", "nervous", "jittery", "relaxed", "worried", "pleasant")

_STAI_REVERSED = ("at_ease", "relaxed", "pleasant")
_DIM_ITEMS = ("valence", "arousal")
_CONDITIONS = {"base": "baseline", "tsst": "stress", "fun": "amusement", "medi": "meditation"}
_QUESTIONNAIRES = {"PANAS": 26, "STAI": 6, "DIM": 2, "SSSQ": 6}


def parse_minutes(text: str) -> float:
    """Seconds of a time written as minutes.seconds, the way a spreadsheet leaves it: a trailing zero is lost.

    >>> parse_minutes("7.08"), parse_minutes("2.5"), parse_minutes("76")
    (428.0, 170.0, 4560.0)
    """
    match = re.fullmatch(r"(\d+)(?:\.(\d{1,2}))?", text.strip())
    seconds = int((match[2] or "0").ljust(2, "0")) if match else 60
    if seconds >= 60:
        raise ValueError(f"{text!r} is no time written as minutes.seconds")
    return 60.0 * int(match[1]) + seconds


def read_quest(path: str | Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read ``SX_quest.csv``.

    Parameters
    ----------
    path : path
        A missing file gives empty results.

    Returns
    -------
    order : DataFrame
        A row a condition in the order of time: ``name`` as written, ``condition`` (a state's name, or ``reading``),
        ``start_s`` and ``end_s`` **from the start of the chest device's own recording**, which is not the pickle's.
    questionnaires : dict of str to DataFrame
        ``panas``, ``stai``, ``dim``: a row a condition (index ``condition``; meditation comes twice), a column an item;
        ``sssq``: one row, asked after stress. NaN where an item was not asked.

    Raises
    ------
    InputError
        When a line that belongs there is missing, or a time or an answer cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        return pd.DataFrame(columns=["name", "condition", "start_s", "end_s"]), {}
    lines = _lines(path)
    order = _read_order(lines, path)
    asked = order.loc[order["condition"] != "reading", "condition"].tolist()
    questionnaires = {}
    for key, items in _QUESTIONNAIRES.items():
        rows = lines.get(key, [])
        conditions = ["stress"] if key == "SSSQ" else asked
        if len(rows) != len(conditions):
            raise InputError(
                f"{path}: {len(rows)} lines `# {key}`, but {len(conditions)} conditions that it follows."
            )
        questionnaires[key.lower()] = _answers(rows, key, items, conditions, path)
    return order, questionnaires


def _lines(path: Path) -> dict[str, list[list[str]]]:
    lines: dict[str, list[list[str]]] = {}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        cells = [cell.strip() for cell in line.split(";")]
        if cells[0].startswith("#"):
            lines.setdefault(cells[0].lstrip("# ").upper(), []).append(cells[1:])
    return lines


def _read_order(lines: dict[str, list[list[str]]], path: Path) -> pd.DataFrame:
    for key in ("ORDER", "START", "END"):
        if len(lines.get(key, [])) != 1:
            raise InputError(
                f"{path}: no line `# {key}`, or more than one; it names the conditions' order and times."
            )
    names = [name for name in lines["ORDER"][0] if name]
    rows = []
    for position, name in enumerate(names):
        try:
            start_s, end_s = (parse_minutes(lines[key][0][position]) for key in ("START", "END"))
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}: the times of `{name}` cannot be read ({error}).") from None
        if end_s <= start_s:
            raise InputError(f"{path}: `{name}` ends before it starts.")
        rows.append({"name": name, "condition": _condition(name, path), "start_s": start_s, "end_s": end_s})
    return pd.DataFrame(rows).sort_values("start_s", ignore_index=True)


def _condition(name: str, path: Path) -> str:
    if name.lower().endswith("read"):
        return "reading"
    first = name.lower().split()[0]
    if first not in _CONDITIONS:
        raise InputError(f"{path}: unknown condition `{name}`; known are Base, TSST, Fun, Medi and readings.")
    return _CONDITIONS[first]


def _answers(rows: list[list[str]], key: str, items: int, conditions: list[str], path: Path) -> pd.DataFrame:
    columns = {"STAI": STAI_ITEMS, "DIM": _DIM_ITEMS}.get(key, tuple(f"item_{k + 1}" for k in range(items)))
    values = np.full((len(rows), items), np.nan)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells[:items]):
            if cell:
                try:
                    values[row, column] = float(cell)
                except ValueError:
                    raise InputError(f"{path}: `# {key}` holds {cell!r}, which is no number.") from None
    return pd.DataFrame(values, columns=list(columns), index=pd.Index(conditions, name="condition"))


def score_stai(stai: pd.DataFrame) -> pd.Series:
    """Sum of the six STAI items with at ease, relaxed and pleasant reversed: 6 (calm) to 24 (anxious).

    The short form of Spielberger's state anxiety inventory: Marteau and Bekker, Br. J. Clin. Psychol. 31 (1992) 301-306.

    Parameters
    ----------
    stai : DataFrame
        A column for each of :data:`STAI_ITEMS`.
    """
    items = stai[list(STAI_ITEMS)].copy()
    items[list(_STAI_REVERSED)] = 5 - items[list(_STAI_REVERSED)]
    return items.sum(axis=1, skipna=False).rename("stai")


def align_protocol(order: pd.DataFrame, labels: xr.DataArray) -> pd.DataFrame:
    """The protocol in the recording's own seconds.

    quest.csv counts from the start of the chest device, the recording was cropped afterwards. The crop is found from the
    labels: the k-th labelled block of a state (in the order of time, since one person's meditations are named in reverse)
    belongs to the k-th condition of that state and begins :data:`LABEL_MARGIN_S` after it. The median over blocks is the
    crop, kept in ``attrs["crop_s"]`` with the largest deviation from it, ``attrs["crop_error_s"]``.

    Parameters
    ----------
    order : DataFrame
        As :func:`read_quest` gives it.
    labels : DataArray
        Codes ``(time)`` with ``rate_hz`` in its attributes.

    Returns
    -------
    DataFrame
        ``condition``, ``start_s``, ``end_s``, ``name``; times are NaN, and so is the crop, when no block can be matched.
    """
    blocks = label_blocks(labels)
    shifts = []
    for state in set(order["condition"]) - {"reading"}:
        planned = order.loc[order["condition"] == state, "start_s"].to_numpy(float)
        seen = blocks.loc[blocks["state"] == state, "start_s"].to_numpy(float)
        if len(planned) == len(seen):
            shifts.extend(planned + LABEL_MARGIN_S - seen)
    crop_s = float(np.median(shifts)) if shifts else float("nan")
    protocol = order.reindex(columns=["condition", "start_s", "end_s", "name"]).copy()
    protocol[["start_s", "end_s"]] = protocol[["start_s", "end_s"]].astype(float) - crop_s
    protocol.attrs["crop_s"] = crop_s
    protocol.attrs["crop_error_s"] = (
        float(np.max(np.abs(np.array(shifts) - crop_s))) if shifts else float("nan")
    )
    return protocol


def label_blocks(labels: xr.DataArray) -> pd.DataFrame:
    """Runs of one code in the labels: ``code``, ``state`` (``ignored`` for codes of none), ``start_s``, ``end_s``."""
    codes = labels.to_numpy()
    edges = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1, [len(codes)]])
    rate_hz = labels.attrs["rate_hz"]
    return pd.DataFrame(
        {
            "code": codes[edges[:-1]].astype(int),
            "state": [LABELS.get(int(code), "ignored") for code in codes[edges[:-1]]],
            "start_s": edges[:-1] / rate_hz,
            "end_s": edges[1:] / rate_hz,
        }
    )


def read_readme(path: str | Path) -> dict[str, Any]:
    """Read ``SX_readme.txt``; see the body for the fields."""
    return {}
