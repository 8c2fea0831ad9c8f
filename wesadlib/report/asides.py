"""What chapters show of real people beside the reader's own run: Markdown that a chapter includes when it is rendered.

It is included rather than computed in a cell, so that no chapter is executed again when the kept results change.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wesadlib import artefacts
from wesadlib.evaluation.protocols import PROTOCOLS
from wesadlib.report.reference import FIGURE, INFLATION, LEADERBOARD, Reference
from wesadlib.report.text import markdown_table, percent, points, wrap

#: Columns of the table of other tasks; from the fourth on, scores by their names.
SCORES = ["task", "model", "accuracy, %", "balanced_accuracy", "macro_f1", "roc_auc"]


def write_asides(folder: Path, reference: Reference) -> list[Path]:
    """Write ``<chapter>.md`` of every chapter of :data:`ASIDES` into a reference's folder; the files that changed."""
    changed = []
    for chapter in ASIDES:
        path, text = folder / f"{chapter}.md", aside(chapter, reference)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with artefacts.replacing(path) as partial:
                partial.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def aside(chapter: str, reference: Reference) -> str:
    """What a chapter shows of real people, in Markdown without a heading."""
    data = reference.summary["data"]
    whose = (
        f"**{len(data['subjects'])} real people, {data['device']}, kept with the book**, from one run on their "
        "recordings; nothing below was computed by your own. In brackets the 95 % interval over people."
    )
    parts = [part for part in ASIDES[chapter](reference) if part]
    return "\n\n".join([wrap(whose), *(parts or ["The run that is kept was made without this chapter."])]) + "\n"


def _scores(reference: Reference) -> Iterable[str]:
    results = pd.DataFrame(reference.summary["results"])
    results = results[results["windows"] == "all"]
    for task, part in results.groupby("task", sort=False):
        protocols = list(dict.fromkeys(part["protocol"]))
        part = part.set_index(["model", "protocol"])
        rows = [
            [f"`{model}`", *(_accuracy(part, model, protocol) for protocol in protocols)]
            for model in dict.fromkeys(part.index.get_level_values("model"))
        ]
        yield f"Accuracy in %, {task}:"
        yield markdown_table(["model", *(f"`{protocol}`" for protocol in protocols)], rows)
    undeployable = [f"`{name}`" for name in dict.fromkeys(results["protocol"]) if not PROTOCOLS[name].deployable]
    yield f"No device could be used by the rule of {', '.join(undeployable)}." if undeployable else ""
    yield _failures(reference)
    yield f"![Accuracy on each real person when that person is left out]({FIGURE})"


def _accuracy(part: pd.DataFrame, model: str, protocol: str) -> str:
    if (model, protocol) not in part.index:
        return ""
    return _interval(part.loc[(model, protocol)], "accuracy")


def _failures(reference: Reference) -> str:
    failed = len(reference.summary.get("failed_folds", ()))
    return f"{failed} folds failed; `summary.json` names them." if failed else ""


def _audit(reference: Reference) -> Iterable[str]:
    inflation = reference.inflation()
    if len(inflation):
        rows = [
            [
                row["shortcut"].replace("_", " "),
                f"`{row['model']}`",
                f"{100 * row['accuracy']:.1f}",
                f"{100 * row['reference']:.1f}",
                _points(row, "inflation"),
            ]
            for _, row in inflation.iterrows()
        ]
        yield f"![Accuracy by honest and by broken rules, and the difference with its interval]({INFLATION})"
        yield markdown_table(["shortcut", "model", "accuracy, %", "honestly, %", "inflation, points"], rows)
    controls = reference.tables.get("controls")
    if controls is not None:
        rows = [
            [row["control"].replace("_", " "), f"`{row['model']}`", _interval(row, "accuracy")]
            for _, row in controls.iterrows()
        ]
        yield markdown_table(["control", "model", "accuracy, %"], rows)


def _comparison(reference: Reference) -> Iterable[str]:
    board, learning = reference.leaderboard(), reference.tables.get("learning")
    if len(board):
        yield f"![Accuracy of each model under each protocol, with intervals over people]({LEADERBOARD})"
        gains = board[(board["task"] == reference.task) & board["difference"].notna()]
        yield wrap(
            "Accuracy of each model, in %, beside that of its cold start on exactly the same minutes, and the mean "
            "over people of the difference, in points:"
        )
        yield markdown_table(
            ["protocol", "model", "accuracy", "cold start", "difference"], map(_gain, gains.to_dict("records"))
        )
        others = board[(board["task"] != reference.task) & (board["protocol"] == "cold_start")]
        yield "Other states, cold start:" if len(others) else ""
        yield markdown_table(SCORES, map(_scored, others.to_dict("records"))) if len(others) else ""
    if learning is not None:
        accuracy = 100 * learning.groupby(["size", "model"], sort=False)["accuracy"].mean().unstack().sort_index()
        rows = [
            [size, *("" if pd.isna(value) else f"{value:.1f}" for value in row)] for size, *row in accuracy.itertuples()
        ]
        yield "Accuracy in %, mean over people, of models that learnt from so many others:"
        yield markdown_table(["people", *(f"`{model}`" for model in accuracy)], rows)


def _gain(row: dict[str, Any]) -> list[str]:
    scores = [_interval(row, "accuracy"), f"{100 * row['accuracy_cold']:.1f}"]
    return [f"`{row['protocol']}`", f"`{row['model']}`", *scores, _points(row, "difference")]


def _scored(row: dict[str, Any]) -> list[str]:
    return [row["task"], f"`{row['model']}`", _interval(row, "accuracy"), *(f"{row[name]:.3f}" for name in SCORES[3:])]


def _interval(row: Mapping[str, Any], score: str) -> str:
    return percent(row[score], row[f"{score}_low"], row[f"{score}_high"])


def _points(row: Mapping[str, Any], score: str) -> str:
    return points(row[score], row[f"{score}_low"], row[f"{score}_high"])


#: Chapter -> what it shows of a reference, paragraphs and tables; nothing where the reference lacks it.
ASIDES: dict[str, Callable[[Reference], Iterable[str]]] = {
    "23_loso": _scores,
    "24_audit": _audit,
    "25_comparison": _comparison,
}
