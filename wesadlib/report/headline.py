"""What the README and the book's first page say of real people, written from the kept results and from nothing else."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.evaluation.comparison import published_figures
from wesadlib.report.findings import findings, inflated
from wesadlib.report.reference import Reference
from wesadlib.report.text import markdown_table, percent, wrap

#: The run whose results the README and the book's first page show.
RUN = "wesad-wrist"

#: Rows of the table, as far as a reference has them: models, in plain words.
MODELS = {
    "logistic": "logistic regression on features",
    "forest": "random forest on features",
    "boosting": "gradient boosting on features",
    "resnet": "residual network on signals",
    "joint": "residual network on signals and features",
    "mean": "plain mean of several",
    "chosen": "**chosen among all, inside the training people**",
}

#: Models whose rows under ``rest_calibrated`` are shown as well.
CALIBRATED = ("resnet", "mean", "chosen")

#: The published pipeline that the table stands against, by its key in the list of references.
PUBLISHED = "matteucci2026biomarker"

BEGIN, END = "<!-- headline:begin -->", "<!-- headline:end -->"

#: Pages that hold the block, and how a page links to a chapter.
PAGES: dict[str, Callable[[str], str]] = {
    "README.md": lambda name: f"[`{name}`](book/{name}.ipynb)",
    "book/intro.md": lambda name: f"[](ch:{name})",
}


def rewrite(root: Path, reference: Reference) -> list[Path]:
    """Write the block of every page of :data:`PAGES` anew.

    Returns
    -------
    list of Path
        The pages that changed.

    Raises
    ------
    InputError
        When a page has no place for the block.
    """
    changed = []
    for page, link in PAGES.items():
        path = root / page
        old = path.read_text(encoding="utf-8")
        new = replace_block(old, headline(reference, link), page)
        if new != old:
            with artefacts.replacing(path) as partial:
                partial.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed


def replace_block(text: str, block: str, page: str) -> str:
    """`text`, of the page called `page`, with `block` between its two markers.

    Raises
    ------
    InputError
        When the page does not have exactly one pair of markers.
    """
    between = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)
    new, count = between.subn(lambda _: f"{block}\n", text)
    if count != 1:
        raise InputError(f"{page}: {count} pairs of lines {BEGIN} and {END}; it needs exactly one.")
    return new


def headline(reference: Reference, link: Callable[[str], str]) -> str:
    """The block, in Markdown: whose results, the table, what is published, what the book finds.

    Parameters
    ----------
    reference : Reference
        Kept results.
    link : callable
        From a chapter's name to a link to it, in the manner of the page.
    """
    found = [wrap(f"- {sentence}", "  ") for sentence in findings(reference, link)]
    return "\n\n".join([wrap(whose(reference)), table(reference), wrap(published(reference)), "\n".join(found)])


def whose(reference: Reference) -> str:
    """Whose results they are, what they mean, and where it is written how they were made."""
    summary = reference.summary
    return (
        f"**Real people, kept with the book.** {len(summary['data']['subjects'])} real people, "
        f"{summary['data']['device']}: the share of minutes in which a model tells stress from baseline rightly in "
        "people it has never seen, and in brackets the 95 % interval over people. Commit, versions, machine and the "
        f"recordings' digest are in `outputs/reference/{summary['run']}/summary.json`."
    )


def table(reference: Reference) -> str:
    """Scores of the run's own task as a Markdown table; rows that a reference lacks are left out."""
    results = pd.DataFrame(reference.summary["results"])
    results = results[(results["windows"] == "all") & (results["task"] == reference.task)]
    results = results.set_index(["protocol", "model"])
    rest = f"first {reference.parameters.get('rest_minutes', 0):g} min of rest"
    wanted = [("cold_start", model, "nothing") for model in MODELS]
    wanted += [("rest_calibrated", model, rest) for model in CALIBRATED]
    rows = []
    for protocol, model, seen in wanted:
        if (protocol, model) in results.index:
            row = results.loc[(protocol, model)]
            accuracy = percent(row["accuracy"], row["accuracy_low"], row["accuracy_high"])
            name = f"`{model}`: {MODELS[model]}"
            rows.append([name, seen, row["n_windows"], accuracy, f"{row['roc_auc']:.3f}", len(row["seeds"])])
    header = ["model", "sees of the new person", "minutes", "accuracy, %", "ROC AUC", "seeds"]
    return markdown_table(header, rows)


def published(reference: Reference) -> str:
    """The published figures that the table stands against, and what their rule is worth where that was measured."""
    told = published_figures().query("key == @PUBLISHED").set_index(["model", "metric"])["value"]
    network, baseline = (100 * told[model, "accuracy"] for model in ("ResNet-1D", "logistic"))
    text = (
        f"Published for the same people and task, from the chest: {network:.1f} % (AUC "
        f"{told['ResNet-1D', 'area under ROC']:.3f}) by a residual network whose weights were chosen by the person it "
        f"was tested on, beside a logistic regression at about {baseline:.0f} %."
    )
    shortcut = reference.inflation("test_selected_epoch")
    if shortcut.empty:
        return text
    worth = " and ".join(f"{inflated(row)} for “{row['model']}”" for _, row in shortcut.iterrows())
    return f"{text} That choice alone is worth {worth} here."
