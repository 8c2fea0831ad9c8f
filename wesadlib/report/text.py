"""Markdown that is written by a program and read by people."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any


def wrap(paragraph: str, indent: str = "") -> str:
    """A paragraph in lines of at most 120 characters; `indent` is before all but the first."""
    return textwrap.fill(paragraph, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; columns of numbers, or of nothing, are set to the right.

    Examples
    --------
    >>> print(markdown_table(["model", "windows"], [["a", 3]]))
    | model | windows |
    |---|--:|
    | a | 3 |
    """
    rows = [[str(value) for value in row] for row in rows]
    numeric = [all(not row[k] or _is_number(row[k]) for row in rows) for k in range(len(header))]
    lines = [header, *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text.insert(1, "|" + "|".join("--:" if right else "---" for right in numeric) + "|")
    return "\n".join(text)


def percent(value: float, low: float, high: float) -> str:
    """A share with its interval, in percent.

    Examples
    --------
    >>> percent(0.9434, 0.9117, 0.9738)
    '94.3 [91.2, 97.4]'
    """
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def points(value: float, low: float, high: float, unit: str = "") -> str:
    """A difference of shares with its interval, in points, which `unit` may name.

    Examples
    --------
    >>> points(0.061, 0.03, 0.0902), points(-0.01, -0.02, 0.0, " points")
    ('+6.1 [+3.0, +9.0]', '-1.0 points [-2.0, +0.0]')
    """
    return f"{100 * value:+.1f}{unit} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _is_number(text: str) -> bool:
    # a number may have its interval behind it
    try:
        float(text.partition(" [")[0])
    except ValueError:
        return False
    return True
