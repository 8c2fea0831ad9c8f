"""What a WESAD person's two text files say: the protocol's times, the questionnaires, and the readme."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.errors import InputError

#: Items of the short STAI, each 1 (not at all) to 4 (very much so), and those that count reversed.
STAI_ITEMS = ("at_ease", "nervous", "jittery", "relaxed", "worried", "pleasant")
STAI_REVERSED = ("at_ease", "relaxed", "pleasant")

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

#: What a readme says of a person.
PERSON_FIELDS = (*_README_NUMBERS.values(), *_README_WORDS.values(), *_README_QUESTIONS.values(), "notes")


def parse_minutes(text: str) -> float:
    """Seconds of a time written as minutes.seconds, the way a spreadsheet leaves it: a trailing zero is lost.

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


def read_quest(path: Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read the protocol and the questionnaires of ``SX_quest.csv``.

    The protocol has a row a condition in the order of time: ``condition`` (a state's name, or ``reading``), ``start_s``
    and ``end_s`` **from the start of the chest device's own recording**, which is not the pickle's, and ``name`` as the
    file writes it. Of the questionnaires, ``panas``, ``stai`` and ``dim`` have a row a condition (meditation comes
    twice), ``sssq`` one, asked after stress; NaN where an item was not asked or not answered.
    """
    lines: dict[str, list[list[str]]] = {}
    for line in _read_lines(path):
        key, *cells = (cell.strip() for cell in line.split(";"))
        if key.startswith("#"):
            lines.setdefault(key.lstrip("# ").lower(), []).append(cells)
    for key in ("order", "start", "end"):
        if len(lines.get(key, [])) != 1:
            raise InputError(f"{path}: it needs one line `# {key.upper()}` with the conditions' names or times.")
    order = _read_order(*(lines[key][0] for key in ("order", "start", "end")), path)
    # Questionnaires follow the order of the line, the protocol is told in the order of time.
    asked = [condition for condition in order["condition"] if condition != "reading"]
    questionnaires = {
        name: _read_answers(lines.get(name, []), name, ["stress"] if name == "sssq" else asked, path)
        for name in _QUESTIONNAIRES
    }
    return order.sort_values("start_s", ignore_index=True), questionnaires


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return path.read_text(encoding="latin1").splitlines()


def _read_order(names: list[str], starts: list[str], ends: list[str], path: Path) -> pd.DataFrame:
    rows = []
    for position, name in enumerate(names):
        if not name:
            continue
        try:
            start_s, end_s = (parse_minutes(cells[position]) for cells in (starts, ends))
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}: the times of `{name}` cannot be read ({error}).") from None
        if end_s <= start_s:
            raise InputError(f"{path}: `{name}` ends before it starts.")
        word = name.lower().split()[0]
        condition = "reading" if name.lower().endswith("read") else _CONDITIONS.get(word)
        if condition is None:
            raise InputError(f"{path}: unknown condition `{name}`; known are Base, TSST, Fun, Medi and readings.")
        rows.append((condition, start_s, end_s, name))
    return pd.DataFrame(rows, columns=["condition", "start_s", "end_s", "name"])


def _read_answers(rows: list[list[str]], name: str, conditions: list[str], path: Path) -> pd.DataFrame:
    if len(rows) != len(conditions):
        raise InputError(
            f"{path}: {len(rows)} lines `# {name.upper()}`, not {len(conditions)}, one for each time it was asked."
        )
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
        A column for each of the six items, as ``questionnaires["stai"]`` of a recording has them.

    Returns
    -------
    Series
        A score a row; NaN where an item is missing.
    """
    scores = stai[list(STAI_ITEMS)].assign(**{item: 5 - stai[item] for item in STAI_REVERSED})
    return scores.sum(axis=1, skipna=False).rename("stai")


def read_readme(path: Path) -> dict[str, Any]:
    """Read ``SX_readme.txt``: :data:`PERSON_FIELDS`; ``notes`` is empty where the file has a dash."""
    person: dict[str, Any] = {}
    lines = [line.strip() for line in _read_lines(path)]
    notes_at = next((k for k, line in enumerate(lines) if "additional notes" in line.lower()), len(lines))
    for line in lines[:notes_at]:
        if line and not line.startswith("#"):
            person |= _readme_entry(line, path)
    return {**person, "notes": " ".join(line for line in lines[notes_at + 1 :] if line not in ("", "-"))}


def _readme_entry(line: str, path: Path) -> dict[str, Any]:
    question, separator, answer = (part.strip().lower() for part in line.partition("?" if "?" in line else ":"))
    if separator == "?" and question in _README_QUESTIONS and answer in ("yes", "no"):
        return {_README_QUESTIONS[question]: answer == "yes"}
    if separator == ":" and question in _README_WORDS and answer:
        return {_README_WORDS[question]: answer}
    if separator == ":" and question in _README_NUMBERS and re.fullmatch(r"\d+(\.\d+)?", answer):
        return {_README_NUMBERS[question]: float(answer)}
    expected = ", ".join(f"`{entry}`" for entry in (*_README_NUMBERS, *_README_WORDS, *_README_QUESTIONS))
    raise InputError(f"{path}: the line `{line}` is not understood; expected are {expected}.")
