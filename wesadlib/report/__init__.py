"""From chapters to the rendered book: execution in order, rendering, and the run in one file."""

from collections.abc import Mapping
from typing import Any


def say(chapter: str, named: Mapping[str, Any] | None = None, /, **values: Any) -> None:
    """Give numbers and words to a chapter's text: ``say("23", people=15)`` is shown by ``{glue:text}`23_people```.

    `named` are those whose names are not known before the cell runs. A NumPy or xarray scalar counts as a number.
    """
    from myst_nb import glue

    for name, value in {**(named or {}), **values}.items():
        glue(f"{chapter}_{name}", value.item() if hasattr(value, "item") else value, display=False)
