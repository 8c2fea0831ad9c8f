"""What a subject's two text files say: the protocol's times, the questionnaires, and the readme."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.errors import InputError

#: Items of the short STAI, each 1 (not at all) to 4 (very much so).
STAI_ITEMS = ("at_ease", "nervous", "jittery", "relaxed", "worried", "pleasant")

#: Columns of the protocol's order.
ORDER_COLUMNS = ("condition", "start_s", "end_s", "name")

_STAI_REVERSED = ["at_ease", "relaxed", "pleasant"]
_CONDITIONS = {"base": "baseline", "tsst": "stress", "fun": "amusement", "medi": "meditation"}

# questionnaire -> its items and the largest answer; the smallest is 1
_QUESTIONNAIRES: dict[str, tuple[tuple[str, ...], int]] = {
    "panas": (tuple(f"item_{k + 1}" for k in range(26)), 5),
    "stai": (STAI_ITEMS, 4),
    "dim": (("valence", "arousal"), 9),
    "sssq": (tuple(f"item_{k + 1}" for k in range(6)), 5),
}

_README_NUMBERS = {"age": "age_years", "height (cm)": "height_cm", "weight (kg)": "weight_kg"}
_README_WORDS = {"gender": "gender", "dominant hand": "dominant_hand"}
_README_QUESTIONS = {
    "did you drink coffee today": "coffee_today",
    "did you drink coffee within the last hour": "coffee_last_hour",
    "did you do any sports today": "sports_today",
    "are you a smoker": "smoker",
    "did you smoke within the last hour": "smoked_last_hour",
    "do you feel ill today": "ill_today",
}

#: What a readme says of a person; see :func:`read_readme`.
PERSON_FIELDS = (*_README_NUMBERS.values(), *_README_WORDS.values(), *_README_QUESTIONS.values(), "notes")


def parse_minutes(text: str) -> float:
    """Seconds of a time written as minutes.seconds, the way a spreadsheet leaves it: a trailing zero is lost.

    Raises
    ------
    ValueError
        When `text` is no such time.

    Examples
    --------
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
        A row a condition in the order of time: ``condition`` (a state's name, or ``reading``), ``start_s`` and
        ``end_s`` **from the start of the chest device's own recording**, which is not the pickle's, and ``name`` as
        the file writes it.
    questionnaires : dict of str to DataFrame
        ``panas``, ``stai``, ``dim``: a row a condition (index ``condition``; meditation comes twice), a column an
        item; ``sssq``: one row, asked after stress. NaN where an item was not asked or not answered.

    Raises
    ------
    InputError
        When a line that belongs there is missing, or a time or an answer cannot be read or is out of range.
    """
    path = Path(path)
    if not path.is_file():
        return pd.DataFrame(columns=list(ORDER_COLUMNS)), {}
    lines = _lines(path)
    order, asked = _read_order(lines, path)
    questionnaires = {}
    for name in _QUESTIONNAIRES:
        rows = lines.get(name, [])
        conditions = ["stress"] if name == "sssq" else asked
        if len(rows) != len(conditions):
            raise InputError(
                f"{path}: {len(rows)} lines `# {name.upper()}`, not {len(conditions)}, one for each time it was asked."
            )
        questionnaires[name] = _answers(rows, name, conditions, path)
    return order, questionnaires


def _read_text(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return path.read_text(encoding="latin1").splitlines()


def _lines(path: Path) -> dict[str, list[list[str]]]:
    lines: dict[str, list[list[str]]] = {}
    for line in _read_text(path):
        cells = [cell.strip() for cell in line.split(";")]
        if cells[0].startswith("#"):
            lines.setdefault(cells[0].lstrip("# ").lower(), []).append(cells[1:])
    return lines


def _read_order(lines: dict[str, list[list[str]]], path: Path) -> tuple[pd.DataFrame, list[str]]:
    for key in ("order", "start", "end"):
        if len(lines.get(key, [])) != 1:
            raise InputError(f"{path}: it needs one line `# {key.upper()}` with the conditions' names or times.")
    rows = []
    for position, name in enumerate(lines["order"][0]):
        if not name:
            continue
        try:
            start_s, end_s = (parse_minutes(lines[key][0][position]) for key in ("start", "end"))
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}: the times of `{name}` cannot be read ({error}).") from None
        if end_s <= start_s:
            raise InputError(f"{path}: `{name}` ends before it starts.")
        rows.append({"condition": _condition(name, path), "start_s": start_s, "end_s": end_s, "name": name})
    order = pd.DataFrame(rows, columns=list(ORDER_COLUMNS))
    # Questionnaires follow the order of the line, the protocol is told in the order of time.
    asked = [condition for condition in order["condition"] if condition != "reading"]
    return order.sort_values("start_s", ignore_index=True), asked


def _condition(name: str, path: Path) -> str:
    if name.lower().endswith("read"):
        return "reading"
    first = name.lower().split()[0]
    if first not in _CONDITIONS:
        raise InputError(f"{path}: unknown condition `{name}`; known are Base, TSST, Fun, Medi and readings.")
    return _CONDITIONS[first]


def _answers(rows: list[list[str]], name: str, conditions: list[str], path: Path) -> pd.DataFrame:
    items, largest = _QUESTIONNAIRES[name]
    values = np.full((len(rows), len(items)), np.nan)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            # One person left an item out, which the file writes as Nan.
            if cell.lower() in ("", "nan"):
                continue
            if column >= len(items) or not cell.isdigit() or not 1 <= int(cell) <= largest:
                raise InputError(
                    f"{path}: `# {name.upper()}` holds {cell!r} as item {column + 1}; it has {len(items)} items, "
                    f"answered 1 to {largest}."
                )
            values[row, column] = int(cell)
    return pd.DataFrame(values, columns=list(items), index=pd.Index(conditions, name="condition"))


def score_stai(stai: pd.DataFrame) -> pd.Series:
    """Sum of the six STAI items, at ease, relaxed and pleasant reversed: 6 (calm) to 24 (anxious).

    The short form of Spielberger's state anxiety inventory: Marteau and Bekker, Br. J. Clin. Psychol. 31 (1992) 301.

    Parameters
    ----------
    stai : DataFrame
        A column for each of :data:`STAI_ITEMS`.

    Returns
    -------
    Series
        A score a row; NaN where an item is missing.
    """
    items = stai[list(STAI_ITEMS)].copy()
    items[_STAI_REVERSED] = 5 - items[_STAI_REVERSED]
    return items.sum(axis=1, skipna=False).rename("stai")


def read_readme(path: str | Path) -> dict[str, Any]:
    """Read ``SX_readme.txt``.

    Parameters
    ----------
    path : path
        A missing file gives an empty result.

    Returns
    -------
    dict
        ``age_years``, ``height_cm``, ``weight_kg`` (float), ``gender``, ``dominant_hand`` (str), ``coffee_today``,
        ``coffee_last_hour``, ``sports_today``, ``smoker``, ``smoked_last_hour``, ``ill_today`` (bool), ``notes`` (str,
        empty where the file has a dash).

    Raises
    ------
    InputError
        When a line before the notes cannot be understood.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    person: dict[str, Any] = {}
    lines = [line.strip() for line in _read_text(path)]
    notes_at = next((k for k, line in enumerate(lines) if "additional notes" in line.lower()), len(lines))
    for line in lines[:notes_at]:
        if line and not line.startswith("#"):
            key, value = _readme_entry(line, path)
            person[key] = value
    notes = [line for line in lines[notes_at + 1 :] if line not in ("", "-")]
    return {**person, "notes": " ".join(notes)}


def _readme_entry(line: str, path: Path) -> tuple[str, Any]:
    question, separator, answer = line.partition("?" if "?" in line else ":")
    question, answer = question.strip().lower(), answer.strip().lower()
    if separator == "?" and question in _README_QUESTIONS and answer in ("yes", "no"):
        return _README_QUESTIONS[question], answer == "yes"
    if separator == ":" and question in _README_WORDS and answer:
        return _README_WORDS[question], answer
    if separator == ":" and question in _README_NUMBERS and re.fullmatch(r"\d+(\.\d+)?", answer):
        return _README_NUMBERS[question], float(answer)
    raise InputError(f"{path}: the line `{line}` is not understood; expected are {', '.join(_expected())}.")


def _expected() -> list[str]:
    lines = [*_README_NUMBERS, *_README_WORDS, *_README_QUESTIONS]
    return [f"`{line}`" for line in lines]
