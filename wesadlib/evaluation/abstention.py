"""What confidence is worth: calibration, and what is gained and lost when a model abstains below a threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wesadlib.evaluation.predictions import GROUP, decide, groups, list_people
from wesadlib.evaluation.scores import ECE_BINS, confidence_bin
from wesadlib.evaluation.statistics import ratio_interval

#: Thresholds at which accuracy against coverage is drawn.
THRESHOLDS = tuple(np.round(np.arange(0, 1.0001, 0.01), 2).tolist())


def calibration_curve(predictions: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """Accuracy against confidence, in equally wide bins of confidence on [0, 1], closed on the right, seeds pooled.

    Rows, a model and bin with windows: ``task model protocol bin low_edge high_edge share people confidence accuracy
    accuracy_low accuracy_high``: the share of windows in the bin, the number of people they are of, their mean
    confidence and accuracy. Its interval comes from drawing people; draws of nobody with a window in the bin are left
    out.
    """
    tables = []
    for keys, group in groups(predictions):
        decided = decide(group)
        decided["bin"] = confidence_bin(decided["confidence"].to_numpy())
        people = list_people(decided)
        # (person, bin)
        correct, count = (
            decided.pivot_table(index="subject", columns="bin", values="correct", aggfunc=what).loc[people].fillna(0)
            for what in ("sum", "size")
        )
        low, high = ratio_interval(correct, count, bootstrap=bootstrap)
        table = decided.groupby("bin").agg(
            share=("correct", "size"),
            people=("subject", "nunique"),
            confidence=("confidence", "mean"),
            accuracy=("correct", "mean"),
        )
        table["share"] /= len(decided)
        table = table.assign(accuracy_low=low, accuracy_high=high).reset_index()
        edges = {"low_edge": table["bin"] / ECE_BINS, "high_edge": (table["bin"] + 1) / ECE_BINS}
        names = [*keys, "bin", *edges, "share", "people", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
        tables.append(table.assign(**keys, **edges)[names])
    return pd.concat(tables, ignore_index=True)


def confidence_gap(predictions: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """How much more each model claims on average than it achieves, with the interval over people and a verdict.

    It is "undecided" where the interval holds zero, which is not the same as calibrated.
    """
    rows = []
    for keys, group in groups(predictions):
        decided = decide(group)
        gap = decided["confidence"] - decided["correct"]
        of_person = gap.groupby(decided["subject"]).agg(["sum", "size"]).reindex(list_people(decided))
        low, high = map(float, ratio_interval(of_person["sum"], of_person["size"], bootstrap=bootstrap))
        verdict = "over-confident" if low > 0 else "under-confident" if high < 0 else "undecided"
        means = decided[["confidence", "correct"]].mean().rename({"correct": "accuracy"})
        rows.append({**keys, **means, "gap": gap.mean(), "gap_low": low, "gap_high": high, "verdict": verdict})
    return pd.DataFrame(rows)


def risk_coverage_counts(predictions: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """``n_windows answered correct`` of each person when windows of at least a threshold's confidence are answered.

    Numbers of windows, mean over seeds.
    """
    thresholds = np.asarray(thresholds, float)
    tables = []
    for keys, group in groups(predictions):
        seeds = group["seed"].nunique()
        for subject, decided in decide(group).groupby("subject", sort=False):
            # (window, threshold)
            answered = decided["confidence"].to_numpy()[:, None] >= thresholds
            table = {
                "threshold": thresholds,
                "n_windows": len(decided) / seeds,
                "answered": answered.sum(axis=0) / seeds,
                "correct": answered[decided["correct"]].sum(axis=0) / seeds,
            }
            tables.append(pd.DataFrame({**keys, "subject": subject, **table}))
    return pd.concat(tables, ignore_index=True)


def risk_coverage_curve(counts: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """Accuracy of the answers against the share of windows answered, over the people of :func:`risk_coverage_counts`.

    `unanswered` counts people of whom no window is answered; `accuracy` is NaN where nothing is.
    """
    tables = []
    for keys, part in counts.groupby(GROUP, sort=False):
        # (person, threshold)
        correct, answered, windows = (
            part.pivot(index="subject", columns="threshold", values=name).loc[list_people(part)]
            for name in ("correct", "answered", "n_windows")
        )
        low, high = ratio_interval(correct, answered, bootstrap=bootstrap)
        table = {
            "coverage": answered.sum() / windows.sum(),
            "accuracy": (correct.sum() / answered.sum()).where(answered.sum() > 0),
            "accuracy_low": low,
            "accuracy_high": high,
            "unanswered": (answered == 0).sum(),
        }
        names = dict(zip(GROUP, keys, strict=True))
        tables.append(pd.DataFrame(table).reset_index().assign(**names)[[*GROUP, "threshold", *table]])
    return pd.concat(tables, ignore_index=True)


def per_person_at(counts: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """``coverage accuracy accuracy_of_all`` of each person; `counts` (:func:`risk_coverage_counts`) hold 0 as well."""
    keys = [*GROUP, "subject"]
    chosen = counts[counts["threshold"] == threshold].set_index(keys)
    everything = counts[counts["threshold"] == 0].set_index(keys).loc[chosen.index]
    table = pd.DataFrame(
        {
            "coverage": chosen["answered"] / chosen["n_windows"],
            "accuracy": (chosen["correct"] / chosen["answered"]).where(chosen["answered"] > 0),
            "accuracy_of_all": everything["correct"] / everything["n_windows"],
        }
    )
    return table.reset_index()


def abstention_by_state(predictions: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """What abstaining below a threshold means for windows of each state, seeds pooled.

    Rows: ``task model protocol label n_windows answered correct_of_all correct correct_of_answers majority``: windows
    of the state; the share of them that is answered, that would be named rightly if all were, and that is answered and
    named rightly (of stress the sensitivity, of rest the specificity); the share of its answers that is right; and what
    always naming the most frequent state would reach on the same answers, of all states.
    """
    tables = []
    for keys, group in groups(predictions):
        decided = decide(group)
        answers = decided[decided["confidence"] >= threshold]
        of_state = decided.groupby("label", sort=False)["correct"].agg(["size", "mean"])
        right, answered = (
            answers.groupby("label")["correct"].agg(what).reindex(of_state.index, fill_value=0)
            for what in ("sum", "size")
        )
        table = {
            "n_windows": of_state["size"] // group["seed"].nunique(),
            "answered": answered / of_state["size"],
            "correct_of_all": of_state["mean"],
            "correct": right / of_state["size"],
            "correct_of_answers": right / answered.where(answered > 0),
            "majority": answered.max() / answered.sum() if len(answers) else np.nan,
        }
        tables.append(pd.DataFrame(table).reset_index().assign(**keys)[[*keys, "label", *table]])
    return pd.concat(tables, ignore_index=True)
