"""What chapters show of real people beside the reader's own run: Markdown that a chapter includes when it is rendered.

It is included rather than computed in a cell, so that no chapter is executed again when the kept results change. A
chapter includes it twice: what stands before :data:`ANSWER` after its question, what stands behind it in its last box.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from wesadlib.evaluation.abstention import abstention_by_state
from wesadlib.evaluation.protocols import PROTOCOLS
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import describe_hours
from wesadlib.evaluation.whole_recordings import HEADLINE, WORDS, summarise_alarms
from wesadlib.report import findings
from wesadlib.report.explanation_insert import describe_network, show_conditions
from wesadlib.report.findings import SHORTCUTS, percent, points
from wesadlib.report.markdown import folded, markdown_table, words, wrap
from wesadlib.report.reference import FIGURE, HOURS, INFLATION, LEADERBOARD, Reference

#: The line between what leads a chapter and what stands in its last box.
ANSWER = "<!-- answer -->"


def chapter_insert(chapter: str, reference: Reference) -> str:
    """What a chapter shows of real people, in Markdown without a heading: findings, tables, origin; then the answer."""
    lead, tables = INSERTS[chapter]
    sentences = [sentence.replace(f" (<{chapter}>)", "") for part in lead if (sentence := part(reference))]
    parts = [*sentences, *tables(reference)] or ["The run that is kept was made without this chapter."]
    data = reference.summary["data"]
    whose = f"*{len(data['subjects'])} real people, {data['device']}.*"
    shown = [f"{whose} {parts[0]}", *parts[1:], findings.provenance(reference), ANSWER]
    shown.append(f"{whose} {sentences[0] if sentences else parts[0]}")
    return "\n\n".join(wrap(link(part)) if plain(part) else part for part in shown) + "\n"


def link(text: str, form: str = r"[](ch:\1)") -> str:
    """`text` with each ``<23_loso>`` as a link."""
    return re.sub(r"<(\d\d_\w+)>", form, text)


def plain(part: str) -> bool:
    """Whether a part is a paragraph, and no table, figure, box or mark."""
    return not part.startswith(("|", "!", "`", "<"))


def _scores(reference: Reference) -> Iterable[str]:
    results = pd.DataFrame(reference.summary["results"])
    results = results[results["windows"] == "all"]
    for task, part in results.groupby("task", sort=False):
        cells = {(row["model"], row["protocol"]): percent(row, "accuracy") for row in part.to_dict("records")}
        protocols = list(part["protocol"].unique())
        first = part[part["protocol"] == protocols[0]].set_index("model")["roc_auc"].map("{:.3f}".format)
        table = markdown_table(
            ["model", *map(words, protocols), f"ROC AUC, {words(protocols[0])}"],
            [
                [f"`{model}`", *(cells.get((model, protocol), "") for protocol in protocols), first.get(model, "")]
                for model in part["model"].unique()
            ],
        )
        title = f"Accuracy in %, {task}"
        yield from [f"{title}:", table] if task == reference.task else [folded(title, table)]
    upper = [f"“{words(name)}”" for name in results["protocol"].unique() if not PROTOCOLS[name].deployable]
    if upper:
        yield f"{', '.join(upper)} needs future data of the person: no device could use it."
    if failed := len(reference.summary.get("failed_folds", ())):
        yield f"{failed} folds failed; `summary.json` names them."
    yield f"![Accuracy for each real person when that person is left out]({FIGURE})"


def _audit(reference: Reference) -> Iterable[str]:
    inflation, controls = reference.inflation(), reference.tables.get("controls")
    if len(inflation):
        rows = [
            [
                SHORTCUTS.get(row["shortcut"], row["shortcut"]),
                f"`{row['model']}`",
                *(f"{100 * row[name]:.1f}" for name in ("accuracy", "reference")),
                points(row, "inflation"),
            ]
            for row in inflation.to_dict("records")
        ]
        yield f"![Accuracy with and without each shortcut, and the difference with its interval]({INFLATION})"
        header = ["shortcut", "model", "with it, %", "without, %", "difference, points"]
        yield folded("Every shortcut and model", markdown_table(header, rows))
    if controls is not None:
        rows = [
            [row.get("what", words(row["control"])), f"`{row['model']}`", percent(row, "accuracy")]
            for row in controls.to_dict("records")
        ]
        yield markdown_table(["control", "model", "accuracy, %"], rows)
        state, share = findings.majority(findings.cold_predictions(reference))
        yield f"Always answering “{state}” would be correct in {100 * share:.1f} %."


def _comparison(reference: Reference) -> Iterable[str]:
    board, learning = reference.leaderboard(), reference.tables.get("learning")
    if len(board):
        gains = board[(board["task"] == reference.task) & board["difference"].notna()]
        rows = [
            [
                words(row["protocol"]),
                f"`{row['model']}`",
                percent(row, "accuracy"),
                f"{100 * row['accuracy_cold']:.1f}",
                points(row, "difference"),
            ]
            for row in gains.to_dict("records")
        ]
        yield f"![Accuracy of each model under each protocol, with intervals over people]({LEADERBOARD})"
        yield folded(
            "Accuracy under each protocol, in %, and the difference from a cold start on the same windows, in points",
            markdown_table(["protocol", "model", "accuracy", "cold start", "difference"], rows),
        )
        others = board[(board["task"] != reference.task) & (board["protocol"] == "cold_start")]
        scores = ["balanced_accuracy", "macro_f1", "roc_auc"]
        rows = [
            [row["task"], f"`{row['model']}`", percent(row, "accuracy"), *(f"{row[name]:.3f}" for name in scores)]
            for row in others.to_dict("records")
        ]
        if rows:
            header = ["task", "model", "accuracy, %", "balanced accuracy", "macro F1", "ROC AUC"]
            yield folded("Other tasks, cold start", markdown_table(header, rows))
    if learning is not None:
        accuracy = 100 * learning.groupby(["size", "model"], sort=False)["accuracy"].mean().unstack().sort_index()
        cells = accuracy.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
        table = markdown_table(["training people", *(f"`{model}`" for model in accuracy)], cells.itertuples())
        yield folded("Accuracy in %, mean over people, by the number of training people", table)


def _by_state(reference: Reference) -> Iterable[str]:
    cold, threshold = findings.cold_predictions(reference), findings.threshold_of(reference)
    own = cold[cold["model"] == findings.headline_model(cold)]
    table = abstention_by_state(own, threshold)
    shares = ("answered", "correct_of_all", "correct", "correct_of_answers")
    rows = [
        [row["label"], row["n_windows"], *(f"{100 * row[name]:.1f}" for name in shares)]
        for row in table.to_dict("records")
    ]
    header = ["state", "windows", "answered, %", "correct if all were answered, %", "answered and correct, %"]
    header.append("correct among answers, %")
    yield markdown_table(header, rows)
    state, share = findings.majority(own)
    yield (
        f"Always answering “{state}” would be correct in {100 * share:.1f} % of all windows; of those that are "
        f"answered the most frequent state makes up {100 * table['majority'].iloc[0]:.1f} %."
    )


def _alarms_raised(reference: Reference) -> str:
    if "alarms" not in reference.tables:
        return ""
    people = _alarms_of(reference, HEADLINE)
    return (
        f"**Alarms over whole recordings**, by “{HEADLINE[0]}” with a threshold that follows the person; its rule was "
        f"chosen on other people, allowing {HEADLINE[2]:g} false alarms an hour there. {describe_hours(people)} An "
        f"alarm is on during {100 * people['meditation_called_stress'].mean():.1f} % of meditation."
    )


def _alarms_of(reference: Reference, row: tuple[str, str, float]) -> pd.DataFrame:
    alarms = reference.tables["alarms"]
    return alarms[(alarms[["model", "protocol", "budget_per_h"]] == row).all(axis=1)]


def _missed_with_rest(reference: Reference) -> str:
    """Whom the headline's model misses where it also knows the person's rest, and what the task did to them."""
    people = _alarms_of(reference, (HEADLINE[0], "running_reference", HEADLINE[2])).set_index("subject")
    missed, body = people[people["detected"] < 1], reference.tables["reports"].set_index("subject")
    each = [
        f"{name} ({'no alarm' if late == np.inf else f'after {late:.0f} s'}; heart rate "
        f"{body.loc[name, 'heart_rate']:+.0f}/min, conductance {body.loc[name, 'conductance']:.1f} times)"
        for name, late in missed["latency_s"].items()
    ]
    return (
        f"Where the person's rest is known as well, “{HEADLINE[0]}” detects {len(people) - len(missed)} of "
        f"{len(people)}; missed: {', '.join(each) or 'nobody'}. The median change over people is "
        f"{body['heart_rate'].median():+.0f}/min and {body['conductance'].median():.1f} times."
    )


def _alarms(reference: Reference) -> Iterable[str]:
    if "alarms" not in reference.tables:
        return
    rows = [
        [
            f"`{row['model']}`",
            WORDS[row["protocol"]],
            f"{row['budget_per_h']:g}",
            f"{row['detected']} of {row['people']}",
            "" if pd.isna(row["latency_median_s"]) else f"{row['latency_median_s']:.0f}",
            f"{row['false_alarms_per_h']:.2f}",
            f"{row['worst_false_alarms_per_h']:.1f} ({row['worst_person']})",
            *(f"{100 * row[name]:.1f}" for name in ("meditation_called_stress", "meditation_above_half")),
        ]
        for row in summarise_alarms(reference.tables["alarms"]).to_dict("records")
    ]
    header = ["model", "known of the person", "budget, 1/h", "detected", "median latency, s", "false alarms, 1/h"]
    header += ["worst person", "meditation in alarm, %", "meditation above 0.5, %"]
    yield f"![A row a person: probability of stress and alarms over the whole recording]({HOURS})"
    yield markdown_table(header, rows)
    yield (
        f"Each person's rule was chosen on other people. The row that leads this page, however, was picked after all "
        f"{len(rows)} had been seen, so it is somewhat optimistic. “Running reference”: a threshold that follows the "
        "person. “Meditation above 0.5”: windows of meditation whose probability of stress exceeds 0.5, without a rule."
    )
    if "reports" in reference.tables:
        yield _missed_with_rest(reference)
        table = reference.tables["reports"]
        rows = [
            [
                row["subject"],
                *(f"{row[name]:.{digits}f}".replace("inf", "missed") for name, (_, digits) in REPORTS.items()),
            ]
            for row in table.to_dict("records")
        ]
        yield folded(
            "Each person: change from baseline to stress, mean probability of stress in each, and alarms",
            markdown_table(["person", *(heading for heading, _ in REPORTS.values())], rows),
        )


#: Columns of the table of people, each with its heading and decimals.
REPORTS = {
    "stai": ("anxiety, STAI points", 0),
    "arousal": ("arousal, points", 0),
    "heart_rate": ("heart rate, 1/min", 0),
    "conductance": ("conductance, factor", 1),
    "calm": ("probability of stress, baseline", 2),
    "strained": ("probability of stress, stress", 2),
    "latency_s": ("latency, s", 0),
    "false_alarms_per_h": ("false alarms, 1/h", 1),
}


def _baseline_score(reference: Reference) -> str:
    cold = findings.cold_predictions(reference)
    if cold.empty:
        return ""
    scores, (state, share) = score(cold).set_index("model"), findings.majority(cold)
    shown = [
        name for name in dict.fromkeys(("logistic", "resnet", findings.headline_model(cold))) if name in scores.index
    ]
    parts = ", ".join(f"“{name}” {findings.share_of(scores.loc[name])}" for name in shown)
    return (
        f"**Correct in people never seen**: {parts}; always answering “{state}” {100 * share:.1f} %. "
        f"{findings.count_windows(reference)}"
    )


def _causes(reference: Reference) -> str:
    controls = findings.controls(reference, findings.cold_predictions(reference))
    return f"{findings.shuffling(reference)} {controls}".strip()


#: Chapter -> its findings on a reference, and the tables below them; nothing where the reference lacks them.
INSERTS: dict[str, tuple[Sequence[Callable[[Reference], str]], Callable[[Reference], Iterable[str]]]] = {
    "23_loso": ([_baseline_score, findings.published], _scores),
    "24_audit": ([_causes, findings.drift], _audit),
    "25_comparison": ([findings.winner, findings.rest], _comparison),
    "31_reliability": ([findings.abstention], _by_state),
    "33_explanation": ([describe_network], show_conditions),
    "34_whole_recording": ([_alarms_raised], _alarms),
}
