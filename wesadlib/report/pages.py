"""What README and first page say of real people, written from the kept results and from nothing else."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.plots.labs import NAMES as LAB_NAMES
from wesadlib.report import findings
from wesadlib.report.findings import SHORTCUTS, percent
from wesadlib.report.inserts import INSERTS, chapter_insert
from wesadlib.report.markdown import link, markdown_table, wrap
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

#: The kept summary of three laboratories, and the protocols that the README shows, in words.
LABS = "outputs/reference/three-labs/summary.json"
LAB_PROTOCOLS = {
    "cold_start": "nothing",
    "own_rest": "5 min of rest",
    "running_reference": "5 min of rest, and a threshold that follows the person",
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
        texts |= {root / page: fill_page((root / page).read_text(encoding="utf-8"), blocks, page) for page in PAGES}
    return [path for path, text in texts.items() if _replace(path, text)]


def write_labs_block(root: Path) -> None:
    """Write the block on other laboratories into the README anew."""
    page, summary = root / "README.md", json.loads((root / LABS).read_text(encoding="utf-8"))
    whose = (
        f"**Other people, other laboratories.** {summary['people']} real people of three laboratories wore the same "
        "kind of band. A small model of heart and skin (`physiology`) was trained in two laboratories and tested in "
        "the third (<35_other_labs>). The model tested in WESAD is `open-wrist`, which is part of the package."
    )
    blocks = {"labs": f"{whose}\n\n{labs_results(summary)}"}
    _replace(page, fill_page(page.read_text(encoding="utf-8"), blocks, page.name))


def _replace(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    with artefacts.replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return True


def write_blocks(reference: Reference) -> dict[str, str]:
    """Every block, in Markdown, with chapters as ``<23_loso>``."""
    return {"answer": findings.answer(reference), "headline": headline(reference)}


def fill_page(text: str, blocks: dict[str, str], page: str) -> str:
    """`text`, of the page called `page`, with each block between its two comments."""
    for name, block in blocks.items():
        between = re.compile(f"(?<=<!-- {name}:begin -->\n).*?(?=<!-- {name}:end -->)", re.DOTALL)
        lines = [wrap(line, "  " * line.startswith("- ")) for line in link(block, PAGES[page]).splitlines()]
        linked = "\n".join(lines)
        text, count = between.subn(lambda _, linked=linked: f"{linked}\n", text)
        if count != 1:
            raise InputError(f"{page}: {count} pairs of comments {name}:begin and {name}:end; it needs exactly one.")
    return text


def headline(reference: Reference) -> str:
    """Whose results they are, the table, what is published, the key results and what each shortcut adds."""
    summary = reference.summary
    whose = (
        f"**Real people, kept with the book.** {len(summary['data']['subjects'])} people, {summary['data']['device']}: "
        "windows classified correctly as stress or baseline in people never seen, in brackets the 95 % interval over "
        f"people. {findings.count_windows(reference)} Commit, versions, machine and the recordings' digest are in "
        f"`outputs/reference/{summary['run']}/summary.json`."
    )
    results = "\n".join(f"- {sentence}" for sentence in key_results(reference))
    models = {row["model"] for row in summary["results"] if row["task"] == reference.task}
    names = "; ".join(f"`{name}`: {meaning}" for name, meaning in MODELS.items() if name in models)
    parts = [whose, score_table(reference), f"{names}.", findings.published(reference), results]
    return "\n\n".join([*parts, *shortcut_table(reference)])


def score_table(reference: Reference) -> str:
    """Scores of the run's own task as a Markdown table; rows that a reference lacks are left out."""
    results = {
        (row["protocol"], row["model"]): row
        for row in reference.summary["results"]
        if row["windows"] == "all" and row["task"] == reference.task
    }
    rest = f"after {reference.parameters.get('rest_minutes', 0):g} min of rest, %"
    return markdown_table(
        {
            "model": f"`{model}`",
            "accuracy, %": percent(cold, "accuracy"),
            "ROC AUC": f"{cold['roc_auc']:.3f}",
            rest: percent(rested, "accuracy") if (rested := results.get(("rest_calibrated", model))) else "",
        }
        for model in MODELS
        if (cold := results.get(("cold_start", model)))
    )


def shortcut_table(reference: Reference) -> list[str]:
    """What each shortcut adds, for every model that was audited: a table between two sentences, or nothing."""
    if (inflation := reference.table("inflation")).empty:
        return []
    gains = (100 * inflation.set_index(["shortcut", "model"])["inflation"]).unstack().map("{:+.1f}".format)
    gains = gains.replace("+nan", "").loc[inflation["shortcut"].unique(), inflation["model"].unique()]
    table = gains.rename(SHORTCUTS).rename(columns="`{}`".format).rename_axis("shortcut").reset_index()
    note = "Each shortcut is compared with the honest score of the same model (<24_audit>)."
    return ["**What flatters**, in points of accuracy:", markdown_table(table.to_dict("records")), note]


def key_results(reference: Reference) -> list[str]:
    """Who wins and for whom, what rest and abstention bring, as far as the reference tells."""
    parts = (findings.winner, findings.rest, findings.abstention)
    return [sentence for part in parts if (sentence := part(reference))]


def list_left_out(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of ``three-labs/summary.json`` scores of stress in each lab by the bundle's model, taught in the others."""
    wanted = ("leave_one_lab_out", "physiology", "stress")
    rows = [row for row in summary["transfer"] if (row["design"], row["model"], row["task"]) == wanted]
    return [row for row in rows if "+" in row["train"]]


def labs_results(summary: Mapping[str, Any]) -> str:
    """The table, and what becomes of exercise: for the README, and for the chapter that it links to."""
    table = markdown_table(
        {
            "trained in": " + ".join(LAB_NAMES[lab] for lab in row["train"].split("+")),
            "tested in": LAB_NAMES[row["test"]],
            "people": row["people"],
            "known of the new person": LAB_PROTOCOLS[row["protocol"]],
            "balanced accuracy, %": percent(row, "balanced_accuracy"),
            "ROC AUC within a person": f"{row['roc_auc_within']:.3f}",
            "false alarms, %": f"{100 * row['false_alarm_rate']:.0f}",
        }
        for row in list_left_out(summary)
        if row["protocol"] in LAB_PROTOCOLS
    )
    exercise = {name: f"{100 * value:.1f} %" for name, value in summary["exercise"].items()}
    return (
        f"{table}\n\nExercise is not stress. A gate on movement withholds the answer for {exercise['abstained']} of "
        f"it; {exercise['called_stress']} is still called stress. The gate also withholds "
        f"{exercise['abstained_at_home']} of WESAD's windows ({exercise['abstained_at_home_stress']} of its stress "
        "windows)."
    )
