"""What README, first page and chapters say of real people, written from the kept results and from nothing else."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.evaluation.abstention import risk_coverage_counts, risk_coverage_curve
from wesadlib.evaluation.comparison import against_cold_start, published_figures
from wesadlib.evaluation.predictions import of_every_seed
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import round_p
from wesadlib.evaluation.statistics import SIGNIFICANCE, paired_test
from wesadlib.params import Params
from wesadlib.report.inserts import INSERTS, chapter_insert, markdown_table, percent, points, words, wrap
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
    "mean": "plain mean of several",
    "physiology": "six readings of heart and skin",
    "chosen": "**chosen among all, inside the training people**",
}

#: Models whose rows under ``rest_calibrated`` are shown as well.
CALIBRATED = ("resnet", "mean", "chosen")

#: The model that others are held against, and the share of minutes in which a model that serves a person is right.
BASELINE, SERVED = "logistic", 0.95

#: The published pipeline that the table stands against, by its key in the list of references.
PUBLISHED = "matteucci2026biomarker"

BEGIN, END = "<!-- headline:begin -->", "<!-- headline:end -->"

#: Pages that hold the block of key results, and how each links to the chapter ``\1``.
PAGES = {"README.md": r"[`\1`](book/\1.ipynb)", "book/intro.md": r"[](ch:\1)"}


def write_pages(root: Path, folder: Path, reference: Reference) -> list[Path]:
    """Write what chapters include into a reference's folder, and of :data:`RUN` the block of every page anew.

    Returns the files that changed.
    """
    texts = {folder / f"{chapter}.md": chapter_insert(chapter, reference) for chapter in INSERTS}
    if folder.name == RUN:
        sentences = key_results(reference)
        for page, link in PAGES.items():
            old = (root / page).read_text(encoding="utf-8")
            texts[root / page] = replace_block(old, readme_block(reference, sentences, link), page)
    changed = []
    for path, text in texts.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with artefacts.replacing(path) as partial:
                partial.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def replace_block(text: str, block: str, page: str) -> str:
    """`text`, of the page called `page`, with `block` between its two markers."""
    between = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)
    new, count = between.subn(lambda _: f"{block}\n", text)
    if count != 1:
        raise InputError(f"{page}: {count} pairs of lines {BEGIN} and {END}; it needs exactly one.")
    return new


def readme_block(reference: Reference, sentences: Iterable[str], link: str) -> str:
    """Whose results they are, the table, what is published and the key results, with links, in Markdown."""
    summary = reference.summary
    whose = (
        f"**Real people, kept with the book.** {len(summary['data']['subjects'])} real people, "
        f"{summary['data']['device']}: the share of minutes in which a model tells stress from baseline rightly in "
        "people it has never seen, and in brackets the 95 % interval over people. Commit, versions, machine and the "
        f"recordings' digest are in `outputs/reference/{summary['run']}/summary.json`."
    )
    results = [wrap("- " + re.sub(r"<(\d\d_\w+)>", link, sentence), "  ") for sentence in sentences]
    return "\n\n".join([wrap(whose), score_table(reference), wrap(published(reference)), "\n".join(results)])


def score_table(reference: Reference) -> str:
    """Scores of the run's own task as a Markdown table; rows that a reference lacks are left out."""
    results = pd.DataFrame(reference.summary["results"])
    results = results[(results["windows"] == "all") & (results["task"] == reference.task)]
    results = results.set_index(["protocol", "model"])
    minutes = f"first {reference.parameters.get('rest_minutes', 0):g} min of rest"
    wanted = [("cold_start", model, "nothing") for model in MODELS]
    wanted += [("rest_calibrated", model, minutes) for model in CALIBRATED]
    rows = []
    for protocol, model, rest in wanted:
        if (protocol, model) in results.index:
            row = results.loc[(protocol, model)]
            scores = [row["n_windows"], percent(row, "accuracy"), f"{row['roc_auc']:.3f}", len(row["seeds"])]
            rows.append([f"`{model}`: {MODELS[model]}", rest, *scores])
    header = ["model", "sees of the new person", "minutes", "accuracy, %", "ROC AUC", "seeds"]
    return markdown_table(header, rows)


def published(reference: Reference) -> str:
    """The published figures that the table stands against, and what their rule is worth where that was measured."""
    figures = published_figures().query("key == @PUBLISHED").set_index(["model", "metric"])["value"]
    network, baseline = (100 * figures[model, "accuracy"] for model in ("ResNet-1D", "logistic"))
    text = (
        f"Published for the same people and task, from the chest: {network:.1f} % (AUC "
        f"{figures['ResNet-1D', 'area under ROC']:.3f}) by a residual network whose weights were chosen by the person "
        f"it was tested on, beside a logistic regression at about {baseline:.0f} %."
    )
    rows = reference.inflation("test_selected_epoch").to_dict("records")
    worth = " and ".join(f"{points(row, 'inflation', ' points')} for “{row['model']}”" for row in rows)
    return f"{text} That choice alone is worth {worth} here." if rows else text


def key_results(reference: Reference) -> list[str]:
    """Who wins and for whom, what flatters, what rest and silence bring, as far as the reference tells.

    A chapter that a sentence refers to stands in it as ``<23_loso>``.
    """
    cold = _predictions(reference, "cold_start")
    # The configuration chosen inside the training people; where none was, the last model, whatever its score.
    names = list(cold["model"].unique())
    model = "chosen" if "chosen" in names else names[-1]
    sentences = (
        _winner(cold, model),
        _shortcuts(reference),
        _rest(reference, cold, model),
        _silence(reference, cold, model),
    )
    return [sentence for sentence in sentences if sentence]


def _predictions(reference: Reference, protocol: str) -> pd.DataFrame:
    return of_every_seed(reference.predictions.query("task == @reference.task and protocol == @protocol"))


def _verdict(p: float) -> str:
    shown = "show" if p < SIGNIFICANCE else "do not show"
    return f"these people {shown} a difference (p = {round_p(p)})"


def _winner(cold: pd.DataFrame, model: str) -> str:
    # (person, model), NaN where a fold failed
    accuracy = score(cold, by="subject").pivot(index="subject", columns="model", values="accuracy")
    shares = accuracy[model].dropna().sort_values(kind="stable")
    people = (
        f"It is right in at least {100 * SERVED:.0f} % of the minutes of {(shares >= SERVED).sum()} of {len(shares)} "
        f"people, and on the hardest, {shares.index[0]}, in {100 * shares.iloc[0]:.0f} % (<25_comparison>)."
    )
    if model == BASELINE or BASELINE not in accuracy:
        return f"**Who wins, and for whom.** There is “{model}” alone. {people}"
    test = paired_test(accuracy[BASELINE], accuracy[model])
    return (
        f"**Who wins, and for whom.** “{model}” does better than “{BASELINE}” on {test.better} of {test.people} people "
        f"and worse on {test.worse}, {100 * test.difference:+.1f} points in the mean: {_verdict(test.p_permutation)}. "
        f"{people}"
    )


def _shortcuts(reference: Reference) -> str:
    table = reference.inflation()
    if table.empty:
        return ""
    largest = table.sort_values("inflation", ascending=False, kind="stable").drop_duplicates("shortcut")
    rows = [f"{words(row['shortcut'])} {points(row, 'inflation', ' points')}" for row in largest.to_dict("records")]
    return (
        "**What flatters.** Each shortcut against the honest score of the same model, the model that gains most: "
        f"{'; '.join(rows)} (<24_audit>)."
    )


def _rest(reference: Reference, cold: pd.DataFrame, model: str) -> str:
    both = pd.concat([cold, _predictions(reference, "rest_calibrated")])
    gains = against_cold_start(both, bootstrap=1).dropna(subset="p_permutation").set_index("model")
    parts = [
        f"“{name}” {100 * gains.loc[name, 'difference']:+.1f} points, {_verdict(gains.loc[name, 'p_permutation'])}"
        for name in dict.fromkeys(("resnet", model))
        if name in gains.index
    ]
    if not parts:
        return ""
    minutes = reference.parameters["rest_minutes"]
    return (
        f"**What the first {minutes:g} minutes of a person's rest bring**, against a cold start on the same minutes: "
        f"{'; '.join(parts)} (<25_comparison>)."
    )


def _silence(reference: Reference, cold: pd.DataFrame, model: str) -> str:
    threshold = reference.parameters.get("min_confidence", Params.model_fields["min_confidence"].default)
    curve = risk_coverage_curve(risk_coverage_counts(cold[cold["model"] == model], [0.0, threshold])).set_index(
        "threshold"
    )
    row, whole = curve.loc[threshold], curve.loc[0.0]
    return (
        f"**What silence brings.** “{model}”, answering only when its confidence is at least {threshold:g}, answers "
        f"{100 * row['coverage']:.1f} % of the minutes and is right in {100 * row['accuracy']:.1f} % of its answers; "
        f"it is right in {100 * whole['accuracy']:.1f} % of all minutes (<31_reliability>)."
    )
