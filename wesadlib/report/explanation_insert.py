"""What the chapter on what carries the decision shows of real people."""

from collections.abc import Iterable

import pandas as pd

from wesadlib.evaluation.sentences import describe_claim, describe_shapes, round_p
from wesadlib.report.findings import percent
from wesadlib.report.markdown import folded, markdown_table
from wesadlib.report.reference import ATTRIBUTION, LADDER, SENSORS, Reference

#: The network on which the claim is tried.
NETWORK = "resnet"
#: Parts of the table, in words.
PARTS = {
    "fixed": "fixed model",
    "again": "trained again",
    "permuted": "permuted within the person",
    "without": "trained without",
    "alone": "trained on alone",
}
#: Share of seconds that the sentence on deletion speaks of.
DELETED = 0.2


def describe_network(reference: Reference) -> str:
    """Whether the claim holds, and what is left of the network's accuracy where shapes or levels are destroyed."""
    compared = reference.compared(*PARTS)
    if compared.empty:
        return ""
    claim = describe_claim(reference.tables["explanation"], compared, NETWORK)
    return f"**Shapes and levels.** {claim} {describe_shapes(compared, NETWORK)}"


def show_conditions(reference: Reference) -> Iterable[str]:
    """Figures, and a table of every condition and model."""
    compared = reference.compared(*PARTS)
    if compared.empty:
        return
    yield f"![Accuracy and area of each model on destroyed windows, with intervals over people]({LADDER})"
    yield f"![What each model loses where a sensor is permuted, missing or alone]({SENSORS})"
    if "attribution" in reference.tables:
        yield _describe_attribution(reference.tables["attribution"])
        yield f"![Size of attributions around events, and what deleting seconds leaves of the answer]({ATTRIBUTION})"
    rows = [
        [
            f"{PARTS[row['part']]}: {row['condition']}",
            f"`{row['model']}`",
            percent(row, "accuracy"),
            f"{row['roc_auc']:.3f}",
            *(["", ""] if pd.isna(row["p"]) else [f"{100 * row['difference']:+.1f}", round_p(row["p_holm"])]),
        ]
        for row in compared.to_dict("records")
    ]
    header = ["condition", "model", "accuracy, %", "area within the person", "difference, points", "adjusted p"]
    yield folded("Every condition and model", markdown_table(header, rows))


def _describe_attribution(table: pd.DataFrame) -> str:
    """Where the network looks, and whether that could be believed."""
    mean = table.groupby(["measure", "how"])["value"].mean()
    peaks = table[table["how"] == "at events"].groupby(["measure", "x"])["value"].mean().groupby("measure").max()
    looks = ", ".join(f"{value:.1f} times at a {event}" for event, value in peaks.items())
    deleted = table[(table["measure"] == "deleted") & (table["x"] == DELETED)].groupby("how")["value"].mean()
    shapes = mean["share"].drop("levels").idxmax()
    untrained, another = (mean["agreement", how] for how in ("random weights", "another network"))
    return (
        f"**Where the network looks.** Of the size of its log odds, {100 * mean['share', 'levels']:.0f} % comes from "
        f"levels, the rest from shapes, most from those of `{shapes}`. Near events attributions are larger than on "
        f"average: up to {looks}. Two checks that could fail: their rank correlation with those of random weights is "
        f"{untrained:.2f}, with those of a network trained without another person {another:.2f}; where the "
        f"{100 * DELETED:.0f} % of seconds that speak most for an answer are deleted, its probability falls to "
        f"{deleted['by attribution']:.2f}, at random to {deleted['at random']:.2f}."
    )
