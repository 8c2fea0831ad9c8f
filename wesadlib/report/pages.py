"""What README and first page say of real people, written from the kept results and from nothing else."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.report import findings
from wesadlib.report.findings import SHORTCUTS, percent
from wesadlib.report.inserts import INSERTS, chapter_insert, link
from wesadlib.report.markdown import markdown_table, wrap
from wesadlib.report.reference import Reference

#: The run whose results the README and the book's first page show.
RUN = "wesad-wrist"

#: Rows of the README's table, as far as a reference has them: models, in plain words.
MODELS = {
    "logistic": "logistic regression on features",
    "forest": "random forest on features",
    "boosting": "gradient boosting on features",
    "resnet": "residual network on signals",
    "joint": "residual network on signals and features",
    "mean": "mean of the probabilities of several models",
    "physiology": "six readings of heart and skin",
    "chosen": "for each person, the model or mean that scored best on other people",
}

#: Pages that hold blocks, each between two comments, with the form of a link to a chapter.
PAGES = {"README.md": r"[`\1`](book/\1.ipynb)", "book/intro.md": r"[](ch:\1)"}


def write_pages(root: Path, folder: Path, reference: Reference) -> list[Path]:
    """Write what chapters include into a reference's folder, and of :data:`RUN` the blocks of every page anew.

    Returns the files that changed.
    """
    texts = {folder / f"{chapter}.md": chapter_insert(chapter, reference) for chapter in INSERTS}
    if folder.name == RUN:
        blocks = write_blocks(reference)
        for page in PAGES:
            texts[root / page] = fill_page((root / page).read_text(encoding="utf-8"), blocks, page)
    changed = []
    for path, text in texts.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with artefacts.replacing(path) as partial:
                partial.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def write_blocks(reference: Reference) -> dict[str, str]:
    """Every block, in Markdown, with chapters as ``<23_loso>``."""
    return {"answer": findings.answer(reference), "headline": headline(reference, key_results(reference))}


def fill_page(text: str, blocks: dict[str, str], page: str) -> str:
    """`text`, of the page called `page`, with each block between its two comments."""
    for name, block in blocks.items():
        between = re.compile(f"(?<=<!-- {name}:begin -->\n).*?(?=<!-- {name}:end -->)", re.DOTALL)
        linked = "\n".join(_wrapped(line) for line in link(block, PAGES[page]).splitlines())
        text, count = between.subn(lambda _, linked=linked: f"{linked}\n", text)
        if count != 1:
            raise InputError(f"{page}: {count} pairs of comments {name}:begin and {name}:end; it needs exactly one.")
    return text


def _wrapped(line: str) -> str:
    return line if line.startswith("|") or not line else wrap(line, "  " if line.startswith("- ") else "")


def headline(reference: Reference, sentences: Iterable[str]) -> str:
    """Whose results they are, the table, what is published, the key results and what each shortcut adds."""
    summary = reference.summary
    whose = (
        f"**Real people, kept with the book.** {len(summary['data']['subjects'])} people, {summary['data']['device']}: "
        "windows classified correctly as stress or baseline in people never seen, in brackets the 95 % interval over "
        f"people. {findings.count_windows(reference)} Commit, versions, machine and the recordings' digest are in "
        f"`outputs/reference/{summary['run']}/summary.json`."
    )
    results = "\n".join(f"- {sentence}" for sentence in sentences)
    models = {row["model"] for row in summary["results"] if row["task"] == reference.task}
    names = "; ".join(f"`{name}`: {meaning}" for name, meaning in MODELS.items() if name in models)
    parts = [whose, score_table(reference), f"{names}.", findings.published(reference), results]
    return "\n\n".join([*parts, *shortcut_table(reference)])


def score_table(reference: Reference) -> str:
    """Scores of the run's own task as a Markdown table; rows that a reference lacks are left out."""
    results = pd.DataFrame(reference.summary["results"])
    results = results[(results["windows"] == "all") & (results["task"] == reference.task)]
    results = results.set_index(["protocol", "model"])
    header = [
        "model",
        "accuracy, %",
        "ROC AUC",
        f"after {reference.parameters.get('rest_minutes', 0):g} min of rest, %",
    ]
    rows = []
    for model in MODELS:
        if ("cold_start", model) in results.index:
            cold, rest = results.loc[("cold_start", model)], ("rest_calibrated", model)
            rested = percent(results.loc[rest], "accuracy") if rest in results.index else ""
            rows.append([f"`{model}`", percent(cold, "accuracy"), f"{cold['roc_auc']:.3f}", rested])
    return markdown_table(header, rows)


def shortcut_table(reference: Reference) -> list[str]:
    """What each shortcut adds, for every model that was audited: a table between two sentences, or nothing."""
    inflation = reference.inflation()
    if inflation.empty:
        return []
    gains = (100 * inflation.set_index(["shortcut", "model"])["inflation"]).unstack().map("{:+.1f}".format)
    models = list(inflation["model"].unique())
    rows = [[SHORTCUTS[name], *gains.loc[name, models].replace("+nan", "")] for name in inflation["shortcut"].unique()]
    table = markdown_table(["shortcut", *(f"`{model}`" for model in models)], rows)
    note = "Each shortcut is compared with the honest score of the same model (<24_audit>)."
    return ["**What flatters**, in points of accuracy:", table, note]


def key_results(reference: Reference) -> list[str]:
    """Who wins and for whom, what rest and abstention bring, as far as the reference tells."""
    parts = (findings.winner, findings.rest, findings.abstention)
    return [sentence for part in parts if (sentence := part(reference))]
