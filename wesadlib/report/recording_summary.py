"""A recording's answers as one summary in plain values, whose keys the glossary explains."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wesadlib import __version__
from wesadlib.bundle import Bundle, RecordingAnswers
from wesadlib.bundle.compatibility import feature_units, fit_to_recording, scaled_features
from wesadlib.data import Recording
from wesadlib.drift.person import compare_person, describe_feature, describe_person
from wesadlib.models.exertion import REASON
from wesadlib.quality.recordings import describe_recording


def summarise(bundle: Bundle, recording: Recording, answers: RecordingAnswers, step_s: float) -> dict[str, Any]:
    """What ``summary.json`` holds of a recording's answers; every key is in :mod:`wesadlib.report.glossary`."""
    config, windows = bundle.config, answers.windows
    counts = {name: int((windows["status"] == name).sum()) for name in ("answered", "abstained", "rejected")}
    named = windows["state"].value_counts()
    reasons = windows.loc[windows["status"] == "rejected", "reasons"].str.split(";").str[0].value_counts()
    protocol = answers.protocol
    scores = _scores(config, protocol)
    summary = describe_recording(recording, answers.wear)
    return summary | {
        "subject": recording.subject,
        "judged_share": 1 - counts["rejected"] / len(windows),
        "window_s": config["window_s"],
        "step_s": step_s,
        "windows": len(windows),
        **counts,
        "exertion": int(windows["reasons"].str.startswith(REASON).sum()),
        "states": {
            state: {
                "windows": int(named.get(state, 0)),
                "share": float(named.get(state, 0) / max(counts["answered"], 1)),
            }
            for state in config["states"]
        },
        "reasons": {str(reason): int(count) for reason, count in reasons.items()},
        "alarms": list_alarms(windows) if config.get("alarm") else None,
        "because": list(answers.because),
        "rest": answers.rest,
        "protocol": protocol,
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
    known = [{name: row["accuracy"] if row.get(name) is None else row[name] for name in names} for row in rows]
    facts = [{"task": row.get("task"), "people": row.get("people"), "windows": row.get("n_windows")} for row in rows]
    scores = [{**score, **fact, "protocol": protocol} for score, fact in zip(known, facts, strict=True)]
    return list({score["task"]: score for score in reversed(scores)}.values())[::-1]


def _distance(bundle: Bundle, recording: Recording, answers: RecordingAnswers) -> dict[str, Any]:
    reference = bundle.reference
    if reference is None or answers.features.empty:
        return {
            "unlike_training": "No comparison with the training people is possible.",
            "compared_with_training": [],
        }
    known = {name: facts["units"] for name, facts in bundle.config["channels"].items()}
    foreign = {name for name, unit in known.items() if recording.signals[name].attrs["units"] != unit}
    leave_out = [name for name, channel in scaled_features(bundle).items() if channel in foreign]
    table = compare_person(reference, answers.features, leave_out, feature_units(bundle))
    rows = table.assign(name=table["feature"].map(describe_feature)).to_dict(orient="records")
    rows = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    return {"unlike_training": describe_person(table), "compared_with_training": rows}
