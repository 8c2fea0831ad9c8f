"""Markdown of tables and paragraphs."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any


def folded(title: str, table: str) -> str:
    """A table that opens on request."""
    return f"```{{dropdown}} {title}\n{table}\n```"


def markdown_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table of rows by column; numbers, which may have an interval behind them, are set to the right.

    Examples
    --------
    >>> print(markdown_table([{"model": "a", "windows": 3}]))
    | model | windows |
    |---|--:|
    | a | 3 |
    """
    table = [{name: str(value) for name, value in row.items()} for row in rows]
    number = re.compile(r"([-+]?\d+(\.\d+)?( \[.*\])?)?")
    right = [all(number.fullmatch(row[name]) for row in table) for name in table[0]]
    lines = [list(table[0]), ["--:" if numeric else "---" for numeric in right], *(row.values() for row in table)]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], text[1].replace(" ", ""), *text[2:]])


def link(text: str, form: str = r"[](ch:\1)") -> str:
    """`text` with each ``<23_loso>`` as a link."""
    return re.sub(r"<(\d\d_\w+)>", form, text)


def wrap(paragraph: str, indent: str = "") -> str:
    """A paragraph in lines of at most 120 characters, a table's row as it is; `indent` is before all but the first."""
    if paragraph.startswith("|"):
        return paragraph
    return textwrap.fill(paragraph, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def words(name: str) -> str:
    """A name without its underscores."""
    return name.replace("_", " ")
