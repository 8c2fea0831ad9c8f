"""What chapters show of real people beside the reader's own run: Markdown that a chapter includes when it is rendered.

It is included rather than computed in a cell, so that no chapter is executed again when the kept results change.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from wesadlib.evaluation.protocols import PROTOCOLS
from wesadlib.report.reference import FIGURE, INFLATION, LEADERBOARD, Reference


def chapter_insert(chapter: str, reference: Reference) -> str:
    """What a chapter shows of real people, in Markdown without a heading."""
    data = reference.summary["data"]
    whose = (
        f"**{len(data['subjects'])} real people, {data['device']}, kept with the book**, from one run on their "
        "recordings; nothing below was computed by your own. In brackets the 95 % interval over people."
    )
    parts = list(INSERTS[chapter](reference)) or ["The run that is kept was made without this chapter."]
    return "\n\n".join([wrap(whose), *parts]) + "\n"


def _scores(reference: Reference) -> Iterable[str]:
    results = pd.DataFrame(reference.summary["results"])
    results = results[results["windows"] == "all"]
    for task, part in results.groupby("task", sort=False):
        cells = {(row["model"], row["protocol"]): percent(row, "accuracy") for row in part.to_dict("records")}
        protocols = list(part["protocol"].unique())
        yield f"Accuracy in %, {task}:"
        yield markdown_table(
            ["model", *(f"`{protocol}`" for protocol in protocols)],
            [
                [f"`{model}`", *(cells.get((model, protocol), "") for protocol in protocols)]
                for model in part["model"].unique()
            ],
        )
    upper = [f"`{name}`" for name in results["protocol"].unique() if not PROTOCOLS[name].deployable]
    if upper:
        yield f"No device could be used by the rule of {', '.join(upper)}."
    if failed := len(reference.summary.get("failed_folds", ())):
        yield f"{failed} folds failed; `summary.json` names them."
    yield f"![Accuracy on each real person when that person is left out]({FIGURE})"


def _audit(reference: Reference) -> Iterable[str]:
    inflation, controls = reference.inflation(), reference.tables.get("controls")
    if len(inflation):
        rows = [
            [
                words(row["shortcut"]),
                f"`{row['model']}`",
                *(f"{100 * row[name]:.1f}" for name in ("accuracy", "reference")),
                points(row, "inflation"),
            ]
            for row in inflation.to_dict("records")
        ]
        yield f"![Accuracy by honest and by broken rules, and the difference with its interval]({INFLATION})"
        yield markdown_table(["shortcut", "model", "accuracy, %", "honestly, %", "inflation, points"], rows)
    if controls is not None:
        rows = [
            [words(row["control"]), f"`{row['model']}`", percent(row, "accuracy")]
            for row in controls.to_dict("records")
        ]
        yield markdown_table(["control", "model", "accuracy, %"], rows)


def _comparison(reference: Reference) -> Iterable[str]:
    board, learning = reference.leaderboard(), reference.tables.get("learning")
    if len(board):
        gains = board[(board["task"] == reference.task) & board["difference"].notna()]
        rows = [
            [
                *(f"`{row[name]}`" for name in ("protocol", "model")),
                percent(row, "accuracy"),
                f"{100 * row['accuracy_cold']:.1f}",
                points(row, "difference"),
            ]
            for row in gains.to_dict("records")
        ]
        yield f"![Accuracy of each model under each protocol, with intervals over people]({LEADERBOARD})"
        yield wrap(
            "Accuracy of each model, in %, beside that of its cold start on exactly the same minutes, and the mean "
            "over people of the difference, in points:"
        )
        yield markdown_table(["protocol", "model", "accuracy", "cold start", "difference"], rows)
        others = board[(board["task"] != reference.task) & (board["protocol"] == "cold_start")]
        scores = ["balanced_accuracy", "macro_f1", "roc_auc"]
        rows = [
            [row["task"], f"`{row['model']}`", percent(row, "accuracy"), *(f"{row[name]:.3f}" for name in scores)]
            for row in others.to_dict("records")
        ]
        if rows:
            yield "Other states, cold start:"
            yield markdown_table(["task", "model", "accuracy, %", *scores], rows)
    if learning is not None:
        accuracy = 100 * learning.groupby(["size", "model"], sort=False)["accuracy"].mean().unstack().sort_index()
        cells = accuracy.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
        yield "Accuracy in %, mean over people, of models that learnt from so many others:"
        yield markdown_table(["people", *(f"`{model}`" for model in accuracy)], cells.itertuples())


#: Chapter -> what it shows of a reference, paragraphs and tables; nothing where the reference lacks it.
INSERTS: dict[str, Callable[[Reference], Iterable[str]]] = {
    "23_loso": _scores,
    "24_audit": _audit,
    "25_comparison": _comparison,
}


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


def percent(row: Mapping[str, Any], score: str) -> str:
    """A share with its interval, in percent: ``94.3 [91.2, 97.4]``."""
    return f"{100 * row[score]:.1f} [{100 * row[f'{score}_low']:.1f}, {100 * row[f'{score}_high']:.1f}]"


def points(row: Mapping[str, Any], score: str, unit: str = "") -> str:
    """A difference of shares with its interval, in points, which `unit` may name: ``+6.1 points [+3.0, +9.0]``."""
    return f"{100 * row[score]:+.1f}{unit} [{100 * row[f'{score}_low']:+.1f}, {100 * row[f'{score}_high']:+.1f}]"
