"""What the book finds on the people whose results are kept, a sentence each, every number from those results."""

from collections.abc import Callable

import pandas as pd

from wesadlib.evaluation.abstention import risk_coverage_counts, risk_coverage_curve
from wesadlib.evaluation.comparison import against_cold_start
from wesadlib.evaluation.predictions import of_every_seed
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import round_p
from wesadlib.evaluation.statistics import SIGNIFICANCE, paired_test
from wesadlib.params import Params
from wesadlib.report.reference import Reference
from wesadlib.report.text import points

#: From a chapter's name to a link to it.
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


def inflated(row: pd.Series) -> str:
    """Inflation with its interval over people, in points of accuracy."""
    return points(row["inflation"], row["inflation_low"], row["inflation_high"], " points")


def main_model(reference: Reference) -> str:
    """The configuration chosen inside the training people; where none was, the last model, whatever its score."""
    models = list(_own(reference, "cold_start")["model"].unique())
    return "chosen" if "chosen" in models else models[-1]


def _winner(reference: Reference, link: Link) -> str:
    model = main_model(reference)
    accuracy = _by_person(_own(reference, "cold_start"))
    own = accuracy[model].dropna().sort_values(kind="stable")
    served = int((own >= SERVED).sum())
    people = (
        f"It is right in at least {100 * SERVED:.0f} % of the minutes of {served} of {len(own)} people, and on "
        f"the hardest, {own.index[0]}, in {100 * own.iloc[0]:.0f} % ({link('25_comparison')})."
    )
    if model == BASELINE or BASELINE not in accuracy:
        return f"**Who wins, and for whom.** There is “{model}” alone. {people}"
    test = paired_test(accuracy[BASELINE], accuracy[model])
    verdict = _verdict(test.p_permutation)
    return (
        f"**Who wins, and for whom.** “{model}” does better than “{BASELINE}” on {test.better} of {test.people} people "
        f"and worse on {test.worse}, {100 * test.difference:+.1f} points in the mean: {verdict}. {people}"
    )


def _shortcuts(reference: Reference, link: Link) -> str:
    table = reference.inflation()
    if table.empty:
        return ""
    largest = table.sort_values("inflation", ascending=False, kind="stable").drop_duplicates("shortcut")
    told = "; ".join(f"{row['shortcut'].replace('_', ' ')} {inflated(row)}" for _, row in largest.iterrows())
    return (
        "**What flatters.** Each shortcut against the honest score of the same model, the model that gains most: "
        f"{told} ({link('24_audit')})."
    )


def _rest(reference: Reference, link: Link) -> str:
    both = pd.concat([_own(reference, protocol) for protocol in ("cold_start", "rest_calibrated")])
    brought = against_cold_start(both, bootstrap=1).dropna(subset="p_permutation").set_index("model")
    told = [
        f"“{model}” {100 * brought.loc[model, 'difference']:+.1f} points, "
        f"{_verdict(brought.loc[model, 'p_permutation'])}"
        for model in dict.fromkeys(("resnet", main_model(reference)))
        if model in brought.index
    ]
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
    curve = risk_coverage_curve(risk_coverage_counts(own, [0.0, threshold])).set_index("threshold")
    row, whole = curve.loc[threshold], curve.loc[0.0]
    return (
        f"**What silence brings.** “{model}”, answering only when its confidence is at least {threshold:g}, answers "
        f"{100 * row['coverage']:.1f} % of the minutes and is right in {100 * row['accuracy']:.1f} % of its answers; "
        f"it is right in {100 * whole['accuracy']:.1f} % of all minutes ({link('31_reliability')})."
    )


def _own(reference: Reference, protocol: str) -> pd.DataFrame:
    predictions = reference.predictions
    return of_every_seed(predictions[(predictions["task"] == reference.task) & (predictions["protocol"] == protocol)])


def _by_person(predictions: pd.DataFrame) -> pd.DataFrame:
    # (person, model), NaN where a fold failed
    return score(predictions, by="subject").pivot(index="subject", columns="model", values="accuracy")


def _verdict(p: float) -> str:
    shown = "show" if p < SIGNIFICANCE else "do not show"
    return f"these people {shown} a difference (p = {round_p(p)})"
