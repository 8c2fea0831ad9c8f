"""A recording's answers as a summary in plain values, whose keys the glossary explains, and as a page of these."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wesadlib import __version__
from wesadlib.bundle import Bundle, RecordingAnswers
from wesadlib.bundle.compatibility import feature_units, fit_to_recording, scaled_features
from wesadlib.bundle.recording import format_time
from wesadlib.data import Recording
from wesadlib.data.devices import write_unit
from wesadlib.drift.person import compare_person, describe_feature, describe_person
from wesadlib.models.exertion import REASON
from wesadlib.quality.recordings import describe_recording

#: Below this share of windows that were judged, a page warns by its colour.
LEAST_JUDGED = 0.5


def summarise(bundle: Bundle, recording: Recording, answers: RecordingAnswers, step_s: float) -> dict[str, Any]:
    """What ``summary.json`` holds of a recording's answers; every key is in :mod:`wesadlib.report.glossary`."""
    config, windows = bundle.config, answers.windows
    counts = {name: int((windows["status"] == name).sum()) for name in ("answered", "abstained", "rejected")}
    named = windows["state"].value_counts()
    reasons = windows.loc[windows["status"] == "rejected", "reasons"].str.split(";").str[0].value_counts()
    scores, summary = _scores(config, answers.protocol), describe_recording(recording, answers.wear)
    return summary | {
        "subject": recording.subject,
        "judged_share": 1 - counts["rejected"] / len(windows),
        "window_s": config["window_s"],
        "step_s": step_s,
        "windows": len(windows),
        **counts,
        "exertion": int(windows["reasons"].str.startswith(REASON).sum()),
        "states": {
            state: {"windows": int(count), "share": float(count / max(counts["answered"], 1))}
            for state, count in named.reindex(config["states"], fill_value=0).items()
        },
        "reasons": {str(reason): int(count) for reason, count in reasons.items()},
        "alarms": list_alarms(windows) if config.get("alarm") else None,
        "because": list(answers.because),
        "rest": answers.rest,
        "protocol": answers.protocol,
        "min_confidence": config["min_confidence"],
        "bundle": {
            "path": str(bundle.folder),
            "version": bundle.version,
            "model": config["model"],
            "device": config["device"],
            "subjects": config["data"]["subjects"],
            "simulated": config["data"]["simulated"],
        },
        "bundle_score": min(scores, key=lambda row: row["accuracy"]) if scores else None,
        "bundle_scores": scores,
        **_distance(fit_to_recording(bundle, recording), recording, answers),
        "notes": [*summary["notes"], *answers.notes],
        "wesadlib_version": __version__,
    }


def list_alarms(windows: pd.DataFrame) -> list[dict[str, float]]:
    """When alarms were on, ``start_s end_s``: each is told at the end of a window."""
    begins = windows["alarm"] & ~windows["alarm"].shift(fill_value=False)
    on = windows[windows["alarm"]].groupby(begins.cumsum())["end_s"]
    return [{"start_s": float(start), "end_s": float(end)} for start, end in zip(on.min(), on.max(), strict=True)]


def _scores(config: Mapping[str, Any], protocol: str) -> list[dict[str, Any]]:
    """Scores on people left out under a protocol: one, or one for each laboratory that was left out."""
    rows = [row for row in config["metrics"] if row.get("protocol") == protocol and row.get("accuracy") is not None]
    # Windows of poor quality are refused here, too.
    rows = [row for row in rows if row.get("windows") == "accepted"] or rows
    names = ("accuracy", "accuracy_low", "accuracy_high")
    facts = {"task": "task", "people": "people", "windows": "n_windows"}
    scores = [
        {name: row["accuracy"] if row.get(name) is None else row[name] for name in names}
        | {name: row.get(key) for name, key in facts.items()}
        | {"protocol": protocol}
        for row in rows
    ]
    return list({score["task"]: score for score in reversed(scores)}.values())[::-1]


def _distance(bundle: Bundle, recording: Recording, answers: RecordingAnswers) -> dict[str, Any]:
    reference = bundle.reference
    if reference is None or answers.features.empty:
        sentence = "No comparison with the training people is possible."
        return {"unlike_training": sentence, "compared_with_training": []}
    channels, signals = bundle.config["channels"], recording.signals
    foreign = {name for name in channels if signals[name].attrs["units"] != channels[name]["units"]}
    leave_out = [name for name, channel in scaled_features(bundle).items() if channel in foreign]
    table = compare_person(reference, answers.features, leave_out, feature_units(bundle))
    rows = table.assign(name=table["feature"].map(describe_feature)).to_dict(orient="records")
    rows = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    return {"unlike_training": describe_person(table), "compared_with_training": rows}


def render_recording(summary: Mapping[str, Any], figure: bytes, state: str, *, marked: bool) -> str:
    """The page on a recording, in HTML, of its ``summary.json`` and a PNG in which presses of a button are `marked`."""
    image = base64.b64encode(figure).decode()
    doubtful = summary["bundle"]["simulated"] or summary["problems"] or not summary["answered"]
    doubtful = doubtful or summary["judged_share"] < LEAST_JUDGED
    return _template("recording.html").render(**summary, figure=image, state=state, marked=marked, low_trust=doubtful)


def render_people(folder: str, people: Sequence[Mapping[str, Any]], states: Sequence[str], command: str) -> str:
    """The page over the people of a folder, in HTML, with a link to each one's own."""
    return _template("people.html").render(folder=folder, people=people, states=states, command=command)


def _template(name: str) -> Any:
    # Names of files and people are shown as they are, and never become markup.
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.globals |= {"percent": _percent, "minutes": _minutes, "place": _place, "unit": write_unit}
    environment.globals["clock"] = lambda seconds: format_time(seconds).removeprefix("0")
    return environment.get_template(name)


def _percent(share: float) -> str:
    # What is not quite all, or not quite nothing, does not read as if it were.
    text = f"{100 * share:.0f}"
    return f"{'over 99' if text == '100' and share < 1 else 'under 1' if text == '0' and share > 0 else text} %"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f}" if seconds >= 600 else f"{seconds / 60:.1f}"


def _place(row: Mapping[str, float], name: str) -> str:
    """Where a value is drawn in a picture of 120 units, whose middle third holds all people of the model."""
    width = row["highest"] - row["lowest"]
    share = (row[name] - row["lowest"]) / width if width else 0.5
    return f"{min(max(40 + 40 * share, 5), 115):.1f}"
