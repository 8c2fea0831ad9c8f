"""A recording's answers as one summary in plain values, whose keys the glossary explains."""

from collections.abc import Mapping
from typing import Any

from wesadlib import __version__
from wesadlib.bundle import Bundle, RecordingAnswers
from wesadlib.bundle.recording import feature_units, fit_to_recording, scaled_features
from wesadlib.data import Recording
from wesadlib.drift.person import compare_person, describe_feature, describe_person
from wesadlib.quality.recordings import describe_recording


def summarise(bundle: Bundle, recording: Recording, answers: RecordingAnswers, step_s: float) -> dict[str, Any]:
    """What ``summary.json`` holds of a recording's answers; every key is in :mod:`wesadlib.report.glossary`."""
    config, windows = bundle.config, answers.windows
    counts = {name: int((windows["status"] == name).sum()) for name in ("answered", "abstained", "rejected")}
    named = windows["state"].value_counts()
    reasons = windows.loc[windows["status"] == "rejected", "reasons"].str.split(";").str[0].value_counts()
    protocol = answers.protocol
    summary = describe_recording(recording, answers.wear)
    return summary | {
        "subject": recording.subject,
        "judged_share": 1 - counts["rejected"] / len(windows),
        "window_s": config["window_s"],
        "step_s": step_s,
        "windows": len(windows),
        **counts,
        "states": {
            state: {
                "windows": int(named.get(state, 0)),
                "share": float(named.get(state, 0) / max(counts["answered"], 1)),
            }
            for state in config["states"]
        },
        "reasons": {str(reason): int(count) for reason, count in reasons.items()},
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
        "bundle_score": _score(config, protocol),
        **_distance(fit_to_recording(bundle, recording), recording, answers),
        "notes": [*summary["notes"], *answers.notes],
        "wesadlib_version": __version__,
    }


def _score(config: Mapping[str, Any], protocol: str) -> dict[str, Any] | None:
    rows = [row for row in config["metrics"] if row.get("protocol") == protocol and row.get("accuracy") is not None]
    # Windows of poor quality are refused here, too.
    rows = [row for row in rows if row.get("windows") == "accepted"] or rows
    if not rows:
        return None
    scores = {name: rows[0].get(name) for name in ("accuracy", "accuracy_low", "accuracy_high")}
    known = {name: rows[0]["accuracy"] if value is None else value for name, value in scores.items()}
    return {**known, "windows": rows[0].get("n_windows"), "protocol": protocol}


def _distance(bundle: Bundle, recording: Recording, answers: RecordingAnswers) -> dict[str, Any]:

    reference = bundle.reference
    if reference is None or answers.features.empty:
        return {"unlike_training": "How unlike the model's people this person is cannot be said.", "far_from_home": []}
    known = {name: facts["units"] for name, facts in bundle.config["channels"].items()}
    foreign = {name for name, unit in known.items() if recording.signals[name].attrs["units"] != unit}
    leave_out = [name for name, channel in scaled_features(bundle).items() if channel in foreign]
    table = compare_person(reference, answers.features, leave_out, feature_units(bundle))
    rows = table.assign(name=table["feature"].map(describe_feature)).to_dict(orient="records")
    rows = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    return {"unlike_training": describe_person(table), "far_from_home": rows}
