"""What chapters show of real people beside the reader's own run: Markdown that a chapter includes when it is rendered.

It is included rather than computed in a cell, so that no chapter is executed again when the kept results change.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from wesadlib import artefacts
from wesadlib.report.reference import FIGURE, Reference
from wesadlib.report.text import markdown_table, percent, wrap


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
    yield wrap(_failures(reference))
    yield f"![Accuracy on each real person when that person is left out]({FIGURE})"


def _accuracy(part: pd.DataFrame, model: str, protocol: str) -> str:
    if (model, protocol) not in part.index:
        return ""
    row = part.loc[(model, protocol)]
    return percent(row["accuracy"], row["accuracy_low"], row["accuracy_high"])


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
        yield markdown_table(["shortcut", "model", "accuracy, %", "honestly, %", "inflation, points"], rows)
    controls = reference.tables.get("controls")
    if controls is not None:
        rows = [
            [row["control"].replace("_", " "), f"`{row['model']}`", _interval(row, "accuracy")]
            for _, row in controls.iterrows()
        ]
        yield markdown_table(["control", "model", "accuracy, %"], rows)


def _comparison(reference: Reference) -> Iterable[str]:
    comparison = reference.tables.get("comparison")
    if comparison is None:
        return
    rows = [
        [
            row["task"],
            f"`{row['protocol']}`",
            f"`{row['model']}`",
            _interval(row, "accuracy"),
            f"{row['balanced_accuracy']:.3f}",
            f"{row['roc_auc']:.3f}",
            _points(row, "difference") if pd.notna(row["difference"]) else "",
        ]
        for _, row in comparison[comparison["windows"] == "all"].iterrows()
    ]
    header = [
        "task",
        "protocol",
        "model",
        "accuracy, %",
        "balanced",
        "ROC AUC",
        "points over a cold start, same windows",
    ]
    yield markdown_table(header, rows)


def _interval(row: pd.Series, score: str) -> str:
    return percent(row[score], row[f"{score}_low"], row[f"{score}_high"])


def _points(row: pd.Series, score: str) -> str:
    low, high = 100 * row[f"{score}_low"], 100 * row[f"{score}_high"]
    return f"{100 * row[score]:+.1f} [{low:+.1f}, {high:+.1f}]"


#: Chapter -> what it shows of a reference, paragraphs and tables; nothing where the reference lacks it.
ASIDES: dict[str, Callable[[Reference], Iterable[str]]] = {
    "23_loso": _scores,
    "24_audit": _audit,
    "25_comparison": _comparison,
}
