"""What the book finds on the people whose results are kept, a sentence each, every number from those results."""

from collections.abc import Callable

import pandas as pd

from wesadlib.evaluation.abstention import answers, coverage_curve
from wesadlib.evaluation.metrics import score
from wesadlib.evaluation.statistics import SIGNIFICANCE, PairedTest, paired_test
from wesadlib.params import Params
from wesadlib.report.reference import Reference

Link = Callable[[str], str]

#: The model that others are held against.
BASELINE = "logistic"

#: A model that is right in this share of a person's minutes serves that person.
SERVED = 0.95


def findings(reference: Reference, link: Link) -> list[str]:
    """Who wins and for whom, what flatters, what rest and silence bring: as far as the reference tells.

    Parameters
    ----------
    reference : Reference
        Kept results.
    link : callable
        From a chapter's name to a link to it.
    """
    found = [finding(reference, link) for finding in (_winner, _shortcuts, _rest, _silence)]
    return [sentence for sentence in found if sentence]


def points(row: pd.Series) -> str:
    """Inflation with its interval over people, in points of accuracy."""
    low, high = 100 * row["inflation_low"], 100 * row["inflation_high"]
    return f"{100 * row['inflation']:+.1f} points [{low:+.1f}, {high:+.1f}]"


def main_model(reference: Reference) -> str:
    """The configuration chosen inside the training people; where none was, the last model, whatever its score."""
    models = list(_own(reference, "cold_start")["model"].unique())
    return "chosen" if "chosen" in models else models[-1]


def _winner(reference: Reference, link: Link) -> str:
    model = main_model(reference)
    accuracy = _by_person(_own(reference, "cold_start"))
    own = accuracy[model].sort_values(kind="stable")
    served = int((own >= SERVED).sum())
    people = (
        f"It is right in at least {100 * SERVED:.0f} % of the minutes of {served} of {len(own)} people, and in "
        f"{100 * own.iloc[0]:.0f} % of those of {own.index[0]} ({link('25_comparison')})."
    )
    if model == BASELINE or BASELINE not in accuracy:
        return f"**Who wins, and for whom.** There is “{model}” alone. {people}"
    test = paired_test(accuracy[BASELINE], accuracy[model])
    return (
        f"**Who wins, and for whom.** “{model}” does better than “{BASELINE}” on {test.better} of {test.people} people "
        f"and worse on {test.worse}, {100 * test.difference:+.1f} points in the mean: {_verdict(test)}. {people}"
    )


def _shortcuts(reference: Reference, link: Link) -> str:
    table = reference.inflation()
    if table.empty:
        return ""
    largest = table.sort_values("inflation", ascending=False, kind="stable").drop_duplicates("shortcut")
    told = "; ".join(f"{row['shortcut'].replace('_', ' ')} {points(row)}" for _, row in largest.iterrows())
    return (
        "**What flatters.** Each shortcut against the honest score of the same model, the model that gains most: "
        f"{told} ({link('24_audit')})."
    )


def _rest(reference: Reference, link: Link) -> str:
    rested, cold = _own(reference, "rest_calibrated"), _own(reference, "cold_start")
    told = []
    for model in dict.fromkeys(("resnet", main_model(reference))):
        after, before = rested[rested["model"] == model], cold[cold["model"] == model]
        before = before[before["window"].isin(after["window"])]
        if len(before):
            test = paired_test(_by_person(before)[model], _by_person(after)[model])
            told.append(f"“{model}” {100 * test.difference:+.1f} points, {_verdict(test)}")
    if not told:
        return ""
    minutes = reference.parameters["rest_minutes"]
    return (
        f"**What the first {minutes:g} minutes of a person's rest bring**, against a cold start on the same minutes: "
        f"{'; '.join(told)} ({link('25_comparison')})."
    )


def _silence(reference: Reference, link: Link) -> str:
    model = main_model(reference)
    threshold = reference.parameters.get("min_confidence", Params.model_fields["min_confidence"].default)
    own = _own(reference, "cold_start").query("model == @model")
    curve = coverage_curve(answers(own, [0.0, threshold])).set_index("threshold")
    row, whole = curve.loc[threshold], curve.loc[0.0]
    return (
        f"**What silence brings.** “{model}”, answering only when its confidence is at least {threshold:g}, answers "
        f"{100 * row['coverage']:.1f} % of the minutes and is right in {100 * row['accuracy']:.1f} % of its answers; "
        f"it is right in {100 * whole['accuracy']:.1f} % of all minutes ({link('31_reliability')})."
    )


def _own(reference: Reference, protocol: str) -> pd.DataFrame:
    predictions = reference.predictions
    return predictions[(predictions["task"] == reference.task) & (predictions["protocol"] == protocol)]


def _by_person(predictions: pd.DataFrame) -> pd.DataFrame:
    # (person, model), NaN where a fold failed
    return score(predictions, by="subject").pivot(index="subject", columns="model", values="accuracy")


def _verdict(test: PairedTest) -> str:
    p = f"{test.p_permutation:.2f}" if test.p_permutation >= 0.01 else f"{test.p_permutation:.1g}"
    shown = (
        "these people show a difference"
        if test.p_permutation < SIGNIFICANCE
        else "these people do not show a difference"
    )
    return f"{shown} (p = {p})"
