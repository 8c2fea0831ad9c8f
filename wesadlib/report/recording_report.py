"""One person's answer as a page that needs nothing else, and a page over people; nothing is computed here."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wesadlib.data.devices import write_unit

#: Below this share of windows that were judged, a page warns by its colour.
LEAST_JUDGED = 0.5


def render_recording(summary: Mapping[str, Any], figure: bytes, state: str, *, marked: bool) -> str:
    """The page on a recording, in HTML, of its ``summary.json`` and a PNG in which presses of a button are `marked`."""
    image = base64.b64encode(figure).decode()
    doubtful = (
        summary["bundle"]["simulated"]
        or summary["problems"]
        or summary["judged_share"] < LEAST_JUDGED
        or not summary["answered"]
    )
    return _template("recording.html").render(**summary, figure=image, state=state, marked=marked, low_trust=doubtful)


def render_people(folder: str, people: Sequence[Mapping[str, Any]], states: Sequence[str], command: str) -> str:
    """The page over the people of a folder, in HTML, with a link to each one's own."""
    return _template("people.html").render(folder=folder, people=people, states=states, command=command)


def _template(name: str) -> Any:
    # Names of files and people are shown as they are, and never become markup.
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.globals |= {
        "percent": _percent,
        "minutes": _minutes,
        "clock": _clock,
        "place": _place,
        "unit": write_unit,
    }
    return environment.get_template(name)


def _percent(share: float) -> str:
    # What is not quite all, or not quite nothing, does not read as if it were.
    text = f"{100 * share:.0f}"
    return f"{'over 99' if text == '100' and share < 1 else 'under 1' if text == '0' and share > 0 else text} %"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f}" if seconds >= 600 else f"{seconds / 60:.1f}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _place(row: Mapping[str, float], name: str) -> str:
    """Where a value is drawn in a picture of 120 units, whose middle third holds all people of the model."""
    width = row["highest"] - row["lowest"]
    share = (row[name] - row["lowest"]) / width if width else 0.5
    return f"{min(max(40 + 40 * share, 5), 115):.1f}"
