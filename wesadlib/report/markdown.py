"""Markdown of tables and paragraphs."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any


def folded(title: str, table: str) -> str:
    """A table that opens on request."""
    return f"```{{dropdown}} {title}\n{table}\n```"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; columns of numbers, which may have an interval behind them, are set to the right.

    Examples
    --------
    >>> print(markdown_table(["model", "windows"], [["a", 3]]))
    | model | windows |
    |---|--:|
    | a | 3 |
    """
    rows = [[str(value) for value in row] for row in rows]
    number = re.compile(r"([-+]?\d+(\.\d+)?( \[.*\])?)?")
    right = [all(number.fullmatch(row[k]) for row in rows) for k in range(len(header))]
    lines = [header, ["--:" if numeric else "---" for numeric in right], *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], text[1].replace(" ", ""), *text[2:]])


def wrap(paragraph: str, indent: str = "") -> str:
    """A paragraph in lines of at most 120 characters; `indent` is before all but the first."""
    return textwrap.fill(paragraph, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def words(name: str) -> str:
    """A name without its underscores."""
    return name.replace("_", " ")
