"""What chapters show of real people beside the reader's own run: Markdown that a chapter includes when it is rendered.

It is included rather than computed in a cell, so that no chapter is executed again when the kept results change. A
chapter includes it twice: what stands before :data:`ANSWER` after its question, what stands behind it in its last box.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from wesadlib.data.devices import SIGNAL_NAMES
from wesadlib.evaluation.abstention import abstention_by_state
from wesadlib.evaluation.protocols import PROTOCOLS
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import describe_claim, describe_hours, describe_shapes, round_p
from wesadlib.evaluation.whole_recordings import HEADLINE, WORDS, summarise_alarms
from wesadlib.report import findings
from wesadlib.report.findings import SHORTCUTS, percent, points
from wesadlib.report.markdown import folded, link, markdown_table, words, wrap
from wesadlib.report.reference import ATTRIBUTION, FIGURE, HOURS, INFLATION, LADDER, LEADERBOARD, SENSORS, Reference

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
    if len(inflation := reference.inflation()):
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
        rows = [
            {
                "control": row.get("what", words(row["control"])),
                "model": f"`{row['model']}`",
                "accuracy, %": percent(row, "accuracy"),
            }
            for row in controls.to_dict("records")
        ]
        yield markdown_table(rows)
        state, share = findings.majority(reference.cold)
        yield f"Always answering “{state}” would be correct in {100 * share:.1f} %."


def _comparison(reference: Reference) -> Iterable[str]:
    if len(board := reference.leaderboard()):
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
    shares = {
        "answered, %": "answered",
        "correct if all were answered, %": "correct_of_all",
        "answered and correct, %": "correct",
        "correct among answers, %": "correct_of_answers",
    }
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


def _alarms_raised(reference: Reference) -> str:
    people = _alarms_of(reference, HEADLINE)
    if people.empty:
        return ""
    return (
        f"**Alarms over whole recordings**, by “{HEADLINE[0]}” with a threshold that follows the person; its rule was "
        f"chosen on other people, allowing {HEADLINE[2]:g} false alarms an hour there. {describe_hours(people)} An "
        f"alarm is on during {100 * people['meditation_called_stress'].mean():.1f} % of meditation."
    )


def _alarms_of(reference: Reference, row: tuple[str, str, float]) -> pd.DataFrame:
    alarms = reference.table("alarms")
    return alarms[(alarms[["model", "protocol", "budget_per_h"]] == row).all(axis=1)] if len(alarms) else alarms


def _missed_with_rest(reference: Reference) -> str:
    """Whom the headline's model misses where it also knows the person's rest, and what the task did to them."""
    people = _alarms_of(reference, (HEADLINE[0], "running_reference", HEADLINE[2])).set_index("subject")
    missed, body = people[people["detected"] < 1], reference.table("reports").set_index("subject")
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
    if (alarms := reference.table("alarms")).empty:
        return
    rows = [
        {
            "model": f"`{row['model']}`",
            "known of the person": WORDS[row["protocol"]],
            "budget, 1/h": f"{row['budget_per_h']:g}",
            "detected": f"{row['detected']} of {row['people']}",
            "median latency, s": "" if pd.isna(row["latency_median_s"]) else f"{row['latency_median_s']:.0f}",
            "false alarms, 1/h": f"{row['false_alarms_per_h']:.2f}",
            "worst person": f"{row['worst_false_alarms_per_h']:.1f} ({row['worst_person']})",
            "meditation in alarm, %": f"{100 * row['meditation_called_stress']:.1f}",
            "meditation above 0.5, %": f"{100 * row['meditation_above_half']:.1f}",
        }
        for row in summarise_alarms(alarms).to_dict("records")
    ]
    yield f"![A row a person: probability of stress and alarms over the whole recording]({HOURS})"
    yield folded("Every model, reference and budget", markdown_table(rows))
    yield (
        f"Each person's rule was chosen on other people. The row that leads this page, however, was picked after all "
        f"{len(rows)} had been seen, so it is somewhat optimistic. “Running reference”: a threshold that follows the "
        "person. “Meditation above 0.5”: windows of meditation whose probability of stress exceeds 0.5, without a "
        "rule. No latency: less than half of the people are detected."
    )
    if len(reports := reference.table("reports")):
        yield _missed_with_rest(reference)
        rows = [
            {"person": row["subject"]}
            | {
                heading: f"{row[name]:.{digits}f}".replace("inf", "missed")
                for name, (heading, digits) in REPORTS.items()
            }
            for row in reports.to_dict("records")
        ]
        title = "Each person: change from baseline to stress, mean probability of stress in each, and alarms"
        yield folded(title, markdown_table(rows))


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
    if reference.cold.empty:
        return ""
    scores, (state, share) = score(reference.cold).set_index("model"), findings.majority(reference.cold)
    shown = [name for name in dict.fromkeys(("logistic", "resnet", reference.model)) if name in scores.index]
    parts = ", ".join(f"“{name}” {findings.share_of(scores.loc[name])}" for name in shown)
    return f"**Correct in people never seen**: {parts}; always answering “{state}” {100 * share:.1f} %."


def _counted(reference: Reference) -> str:
    return "" if reference.cold.empty else findings.count_windows(reference)


def _causes(reference: Reference) -> str:
    return f"{findings.shuffling(reference)} {findings.controls(reference)}".strip()


#: The network on which the claim is tried.
_NETWORK = "resnet"
#: Parts of the table, in words.
_PARTS = {
    "fixed": "fixed model",
    "again": "trained again",
    "permuted": "permuted within the person",
    "without": "trained without",
    "alone": "trained on alone",
}
#: Share of seconds that the sentence on deletion speaks of.
_DELETED = 0.2


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
    "23_loso": ([_baseline_score, _counted, findings.published], _scores),
    "24_audit": ([_causes, findings.drift], _audit),
    "25_comparison": ([findings.winner, findings.rest], _comparison),
    "31_reliability": ([findings.abstention], _by_state),
    "33_explanation": ([_network, _destruction], _conditions),
    "34_whole_recording": ([_alarms_raised], _alarms),
}
