"""What chapters show of real people beside the reader's own run: Markdown that a chapter includes when it is rendered.

It is included rather than computed in a cell, so that no chapter is executed again when the kept results change. A
chapter includes it twice: what stands before :data:`ANSWER` after its question, what stands behind it in its last box.
"""

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from wesadlib.data.devices import SIGNAL_NAMES
from wesadlib.evaluation.abstention import abstention_by_state
from wesadlib.evaluation.protocols import PROTOCOLS
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import describe_claim, describe_shapes, round_p
from wesadlib.report import findings
from wesadlib.report.alarms_insert import describe_alarms, tabulate_alarms
from wesadlib.report.findings import SHORTCUTS, percent, points
from wesadlib.report.markdown import folded, link, markdown_table, words, wrap
from wesadlib.report.reference import ATTRIBUTION, FIGURE, INFLATION, LADDER, LEADERBOARD, SENSORS, Reference

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
    return "\n\n".join(part if part.startswith(("|", "!", "`", "<")) else wrap(link(part)) for part in shown) + "\n"


def _scores(reference: Reference) -> Iterable[str]:
    results = pd.DataFrame(reference.summary["results"])
    results = results[(results["windows"] == "all") & (results["task"] == reference.task)]
    protocols = list(results["protocol"].unique())
    rows = []
    for model, part in results.groupby("model", sort=False):
        scores = part.set_index("protocol").to_dict("index")
        row = {"model": f"`{model}`"}
        row |= {words(name): percent(scores[name], "accuracy") if name in scores else "" for name in protocols}
        first = scores.get(protocols[0])
        rows.append(row | {f"ROC AUC, {words(protocols[0])}": f"{first['roc_auc']:.3f}" if first else ""})
    yield from [f"Accuracy in %, {reference.task}:", markdown_table(rows)]
    upper = [f"“{words(name)}”" for name in protocols if not PROTOCOLS[name].deployable]
    if upper:
        yield f"{', '.join(upper)} needs future data of the person: no device could use it."
    if failed := len(reference.summary.get("failed_folds", ())):
        yield f"{failed} folds failed; `summary.json` names them."
    yield f"![Accuracy for each real person when that person is left out]({FIGURE})"


def _audit(reference: Reference) -> Iterable[str]:
    if len(inflation := reference.table("inflation")):
        rows = [
            {
                "shortcut": SHORTCUTS.get(row["shortcut"], row["shortcut"]),
                "model": f"`{row['model']}`",
                "with it, %": f"{100 * row['accuracy']:.1f}",
                "without, %": f"{100 * row['reference']:.1f}",
                "difference, points": points(row, "inflation"),
            }
            for row in inflation.to_dict("records")
        ]
        yield f"![Accuracy with and without each shortcut, and the difference with its interval]({INFLATION})"
        yield folded("Every shortcut and model", markdown_table(rows))
    if len(controls := reference.table("controls")):
        yield markdown_table(
            {"control": row.get("what", words(row["control"])), "model": f"`{row['model']}`"}
            | {"accuracy, %": percent(row, "accuracy")}
            for row in controls.to_dict("records")
        )
        state, share = findings.majority(reference.cold)
        yield f"Always answering “{state}” would be correct in {100 * share:.1f} %."


def _comparison(reference: Reference) -> Iterable[str]:
    if len(board := reference.table("comparison", windows="all")):
        gains = board[(board["task"] == reference.task) & board["difference"].notna()]
        rows = [
            {
                "protocol": words(row["protocol"]),
                "model": f"`{row['model']}`",
                "accuracy": percent(row, "accuracy"),
                "cold start": f"{100 * row['accuracy_cold']:.1f}",
                "difference": points(row, "difference"),
            }
            for row in gains.to_dict("records")
        ]
        title = (
            "Accuracy under each protocol, in %, and the difference from a cold start on the same windows, in points"
        )
        yield f"![Accuracy of each model under each protocol, with intervals over people]({LEADERBOARD})"
        if rows:
            yield folded(title, markdown_table(rows))
        scores = {"balanced accuracy": "balanced_accuracy", "macro F1": "macro_f1", "ROC AUC": "roc_auc"}
        others = board[(board["task"] != reference.task) & (board["protocol"] == "cold_start")]
        rows = [
            {"task": row["task"], "model": f"`{row['model']}`", "accuracy, %": percent(row, "accuracy")}
            | {heading: f"{row[name]:.3f}" for heading, name in scores.items()}
            for row in others.to_dict("records")
        ]
        if rows:
            yield folded("Other tasks, cold start", markdown_table(rows))
    if len(learning := reference.table("learning")):
        accuracy = 100 * learning.groupby(["size", "model"], sort=False)["accuracy"].mean().unstack().sort_index()
        cells = accuracy.map(lambda value: "" if pd.isna(value) else f"{value:.1f}").rename(columns="`{}`".format)
        table = markdown_table(cells.rename_axis("training people").reset_index().to_dict("records"))
        yield folded("Accuracy in %, mean over people, by the number of training people", table)


def _by_state(reference: Reference) -> Iterable[str]:
    table = abstention_by_state(reference.headline, findings.threshold_of(reference))
    shares = {"answered, %": "answered", "correct if all were answered, %": "correct_of_all"}
    shares |= {"answered and correct, %": "correct", "correct among answers, %": "correct_of_answers"}
    yield markdown_table(
        {"state": row["label"], "windows": row["n_windows"]}
        | {heading: f"{100 * row[name]:.1f}" for heading, name in shares.items()}
        for row in table.to_dict("records")
    )
    state, share = findings.majority(reference.headline)
    yield (
        f"Always answering “{state}” would be correct in {100 * share:.1f} % of all windows; of those that are "
        f"answered the most frequent state makes up {100 * table['majority'].iloc[0]:.1f} %."
    )


def _baseline_score(reference: Reference) -> str:
    if reference.cold.empty:
        return ""
    scores, (state, share) = score(reference.cold).set_index("model"), findings.majority(reference.cold)
    shown = [name for name in dict.fromkeys(("logistic", "resnet", reference.model)) if name in scores.index]
    parts = ", ".join(f"“{name}” {findings.share_of(scores.loc[name])}" for name in shown)
    return f"**Correct in people never seen**: {parts}; always answering “{state}” {100 * share:.1f} %."


def _causes(reference: Reference) -> str:
    return f"{findings.shuffling(reference)} {findings.controls(reference)}".strip()


#: The network on which the claim is tried.
_NETWORK = "resnet"
#: Share of seconds that the sentence on deletion speaks of.
_DELETED = 0.2
#: Parts of the table, in words.
_PARTS = {
    "fixed": "fixed model",
    "again": "trained again",
    "permuted": "permuted within the person",
    "without": "trained without",
    "alone": "trained on alone",
}


def _network(reference: Reference) -> str:
    """Whether the claim holds."""
    compared = reference.compared
    if compared.empty:
        return ""
    return f"**Shapes and levels.** {describe_claim(reference.table('explanation'), compared, _NETWORK)}"


def _destruction(reference: Reference) -> str:
    """What is left of the network's accuracy where shapes or levels are destroyed."""
    return "" if reference.compared.empty else describe_shapes(reference.compared, _NETWORK)


def _conditions(reference: Reference) -> Iterable[str]:
    """Figures, and a table of every condition and model."""
    if reference.compared.empty:
        return
    yield f"![Accuracy and area of each model on destroyed windows, with intervals over people]({LADDER})"
    yield f"![What each model loses where a sensor is permuted, missing or alone]({SENSORS})"
    if len(attribution := reference.table("attribution")):
        yield _describe_attribution(attribution)
        yield f"![Size of attributions around events, and what deleting seconds leaves of the answer]({ATTRIBUTION})"
    rows = [
        {
            "condition": f"{_PARTS[row['part']]}: {row['condition']}",
            "model": f"`{row['model']}`",
            "accuracy, %": percent(row, "accuracy"),
            "area within the person": f"{row['roc_auc']:.3f}",
            "difference, points": "" if pd.isna(row["p"]) else f"{100 * row['difference']:+.1f}",
            "adjusted p": "" if pd.isna(row["p"]) else round_p(row["p_holm"]),
        }
        for row in reference.compared.to_dict("records")
    ]
    yield folded("Every condition and model", markdown_table(rows))


def _describe_attribution(table: pd.DataFrame) -> str:
    """Where the network looks, and whether that could be believed."""
    mean = table.groupby(["measure", "how"])["value"].mean()
    peaks = table[table["how"] == "at events"].groupby(["measure", "x"])["value"].mean().groupby("measure").max()
    looks = ", ".join(f"{value:.1f} times at a {event}" for event, value in peaks.items())
    deleted = table[(table["measure"] == "deleted") & (table["x"] == _DELETED)].groupby("how")["value"].mean()
    shapes = SIGNAL_NAMES[mean["share"].drop("levels").idxmax()]
    untrained, another = (mean["agreement", how] for how in ("random weights", "another network"))
    return (
        f"**Where the network looks.** Of the size of its log odds, {100 * mean['share', 'levels']:.0f} % comes from "
        f"levels, the rest from shapes, most from those of the {shapes}. Near events attributions are larger than on "
        f"average: up to {looks}. Two checks that could fail: their rank correlation with those of random weights is "
        f"{untrained:.2f}, with those of a network trained without another person {another:.2f}; where the "
        f"{100 * _DELETED:.0f} % of seconds that speak most for an answer are deleted, its probability falls to "
        f"{deleted['by attribution']:.2f}, at random to {deleted['at random']:.2f}."
    )


#: Chapter -> its findings on a reference, and the tables below them; nothing where the reference lacks them.
INSERTS: dict[str, tuple[Sequence[Callable[[Reference], str]], Callable[[Reference], Iterable[str]]]] = {
    "23_loso": ([_baseline_score, findings.count_windows, findings.published], _scores),
    "24_audit": ([_causes, findings.drift], _audit),
    "25_comparison": ([findings.winner, findings.rest], _comparison),
    "31_reliability": ([findings.abstention], _by_state),
    "33_explanation": ([_network, _destruction], _conditions),
    "34_whole_recording": ([describe_alarms], tabulate_alarms),
}
