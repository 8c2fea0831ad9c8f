"""The README's second table: models of some laboratories on the people of another, from what is kept of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wesadlib import artefacts
from wesadlib.bundle.open_wrist import list_left_out
from wesadlib.report.findings import percent
from wesadlib.report.markdown import markdown_table
from wesadlib.report.pages import fill_page

SUMMARY = "outputs/reference/three-labs/summary.json"
_PAGE = "README.md"
_NAMES = {"wesad": "WESAD", "stress-predict": "Stress-Predict", "hongn": "Hongn"}
_PROTOCOLS = {
    "cold_start": "nothing",
    "own_rest": "5 min of rest",
    "running_reference": "5 min of rest, and a threshold that follows the person",
}


def labs_block(summary: Mapping[str, Any]) -> str:
    """Whose results they are, and :func:`labs_results`, with chapters as ``<35_other_labs>``."""
    whose = (
        f"**Other people, other laboratories.** {summary['people']} real people of three laboratories wore the same "
        "kind of band. A small model of heart and skin (`physiology`) was trained in two laboratories and tested in "
        "the third (<35_other_labs>). The one tested in WESAD is `open-wrist`, the model of the package."
    )
    return f"{whose}\n\n{labs_results(summary)}"


def labs_results(summary: Mapping[str, Any]) -> str:
    """The table, and what becomes of exercise: for the README, and for the chapter that it links to."""
    rows = [
        [
            " + ".join(_NAMES[lab] for lab in row["train"].split("+")),
            _NAMES[row["test"]],
            str(row["people"]),
            _PROTOCOLS[row["protocol"]],
            percent(row, "balanced_accuracy"),
            f"{row['roc_auc_within']:.3f}",
            f"{100 * row['false_alarm_rate']:.0f}",
        ]
        for row in list_left_out(summary)
        if row["protocol"] in _PROTOCOLS
    ]
    header = ["trained in", "tested in", "people", "known of the new person"]
    header += ["balanced accuracy, %", "ROC AUC within a person", "false alarms, %"]
    exercise = {name: f"{100 * value:.1f} %" for name, value in summary["exercise"].items()}
    gate = (
        f"Exercise is not stress. A gate on movement withholds the answer for {exercise['abstained']} of it; "
        f"{exercise['called_stress']} is still called stress. The gate also withholds {exercise['abstained_at_home']} "
        f"of WESAD's windows ({exercise['abstained_at_home_stress']} of its stress windows)."
    )
    return f"{markdown_table(header, rows)}\n\n{gate}"


def write_labs_block(root: Path) -> None:
    """Write the block into the README anew."""
    summary = json.loads((root / SUMMARY).read_text(encoding="utf-8"))
    text = fill_page((root / _PAGE).read_text(encoding="utf-8"), {"labs": labs_block(summary)}, _PAGE)
    with artefacts.replacing(root / _PAGE) as partial:
        partial.write_text(text, encoding="utf-8")
