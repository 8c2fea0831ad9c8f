"""What a WESAD person's two text files say: the protocol's times, the questionnaires, and the readme."""

import itertools
import re
from collections import defaultdict
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
README_QUESTIONS = {
    "did you drink coffee today": "coffee_today",
    "did you drink coffee within the last hour": "coffee_last_hour",
    "did you do any sports today": "sports_today",
    "are you a smoker": "smoker",
    "did you smoke within the last hour": "smoked_last_hour",
    "do you feel ill today": "ill_today",
}

#: What a readme says of a person.
PERSON_FIELDS = (*_README_NUMBERS.values(), *_README_WORDS.values(), *README_QUESTIONS.values(), "notes")


def parse_minutes(text: str) -> float:
    """Seconds of a time written as minutes.seconds, the way a spreadsheet leaves it: ``2.5`` is 2 min 50 s."""
    match = re.fullmatch(r"(\d+)(?:\.(\d{1,2}))?", text.strip())
    seconds = int((match[2] or "0").ljust(2, "0")) if match else 60
    if seconds >= 60:
        raise ValueError(f"{text!r} is no time written as minutes.seconds")
    return 60.0 * int(match[1]) + seconds


def read_quest(path: Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read the protocol, by the chest device's own clock, and the questionnaires of ``SX_quest.csv``.

    A condition is a state's name, or ``reading``; NaN where an item was not asked or not answered.
    """
    lines = defaultdict(list)
    for line in _read_lines(path):
        key, *cells = (cell.strip() for cell in line.split(";"))
        if key.startswith("#"):
            lines[key.lstrip("# ").lower()].append(cells)
    for key in ("order", "start", "end"):
        if len(lines[key]) != 1:
            raise InputError(f"{path}: it needs one line `# {key.upper()}` with the conditions' names or times.")
    order = _read_order(*lines["order"], *lines["start"], *lines["end"], path)
    # Questionnaires follow the order of the line, the protocol is told in the order of time.
    asked = {name: order.loc[order["condition"] != "reading", "condition"].tolist() for name in _QUESTIONNAIRES}
    asked["sssq"] = ["stress"]
    questionnaires = {name: _read_answers(lines[name], name, asked[name], path) for name in _QUESTIONNAIRES}
    return order.sort_values("start_s", ignore_index=True), questionnaires


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return path.read_text(encoding="latin1").splitlines()


def _read_order(names: list[str], starts: list[str], ends: list[str], path: Path) -> pd.DataFrame:
    rows = []
    for name, start, end in itertools.zip_longest(names, starts[: len(names)], ends[: len(names)], fillvalue=""):
        if not name:
            continue
        try:
            start_s, end_s = parse_minutes(start), parse_minutes(end)
        except ValueError as error:
            raise InputError(f"{path}: the times of `{name}` cannot be read ({error}).") from None
        if end_s <= start_s:
            raise InputError(f"{path}: `{name}` ends before it starts.")
        condition = "reading" if name.lower().endswith("read") else _CONDITIONS.get(name.lower().split()[0])
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
    cells = pd.DataFrame(rows, pd.Index(conditions, name="condition"))
    # One person left an item out, which the file writes as Nan.
    given = cells.notna() & ~cells.isin(["", "Nan", "nan", "NaN"])
    wrong = given & ~(cells.isin([str(answer) for answer in range(1, largest + 1)]) & (cells.columns < len(items)))
    if wrong.any(axis=None):
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: `# {name.upper()}` holds {cells.iat[row, column]!r} as item {column + 1}; it has {len(items)} "
            f"items, answered 1 to {largest}."
        )
    return cells.where(given).reindex(columns=range(len(items))).astype(float).set_axis(list(items), axis=1)


def score_stai(stai: pd.DataFrame) -> pd.Series:
    """Sum of the six STAI items, at ease, relaxed and pleasant reversed: 6 (calm) to 24 (anxious).

    A score a row of ``questionnaires["stai"]`` of a recording; NaN where an item is missing. The short form of
    Spielberger's state anxiety inventory: Marteau and Bekker, Br. J. Clin. Psychol. 31 (1992) 301.
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
    if separator == "?" and question in README_QUESTIONS and answer in ("yes", "no"):
        return {README_QUESTIONS[question]: answer == "yes"}
    if separator == ":" and question in _README_WORDS and answer:
        return {_README_WORDS[question]: answer}
    if separator == ":" and question in _README_NUMBERS and re.fullmatch(r"\d+(\.\d+)?", answer):
        return {_README_NUMBERS[question]: float(answer)}
    expected = ", ".join(f"`{entry}`" for entry in (*_README_NUMBERS, *_README_WORDS, *README_QUESTIONS))
    raise InputError(f"{path}: the line `{line}` is not understood; expected are {expected}.")
