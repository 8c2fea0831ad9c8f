"""Intervals over people of every score, from each person's sums, so that a draw of people costs one product."""

import numpy as np
import pandas as pd

from wesadlib.evaluation.metrics import ECE_BINS, METRICS, confidence_bin, decide, groups, probabilities, select
from wesadlib.evaluation.statistics import bootstrap_weights, interval


def intervals(predictions: pd.DataFrame, windows: str = "all", *, bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Pooled scores with intervals (2.5 to 97.5 %) over draws of people; a row a task, model, protocol and score.

    The scores are those of :func:`~wesadlib.evaluation.metrics.score`: each seed by itself, then their mean.

    Returns
    -------
    DataFrame
        ``task model protocol windows metric value low high``; NaN for fewer than two people. Draws in which a
        state is missing leave the scores that need it undefined and are left out of their interval.
    """
    rows = []
    for keys, group in groups(predictions):
        scored = select(group, windows)
        people = scored["subject"].unique()
        drawn = mean_of_seeds(scored, people, draw_people(len(people), bootstrap, seed))
        for metric in METRICS:
            low, high = defined_interval(drawn[metric][1:], len(people))
            value = drawn[metric][0]
            rows.append({**keys, "windows": windows, "metric": metric, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def draw_people(people: int, bootstrap: int, seed: int) -> np.ndarray:
    """How often each person counts: everybody once in the first row, then the draws; (1 + bootstrap, person)."""
    return np.vstack([np.ones(people), bootstrap_weights(people, bootstrap, seed)])


def mean_of_seeds(predictions: pd.DataFrame, people: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every score of each seed by itself, then the mean of the seeds, for each row of `weights`."""
    per_seed = [weighted_scores(part, people, weights) for _, part in predictions.groupby("seed", sort=True)]
    return {metric: np.mean([scores[metric] for scores in per_seed], axis=0) for metric in METRICS}


def defined_interval(values: np.ndarray, people: int) -> tuple[float, float]:
    """Interval of the draws in which a score is defined; NaN where there is none, and for fewer than two people."""
    defined = values[np.isfinite(values)]
    return interval(defined) if people > 1 and len(defined) else (np.nan, np.nan)


#: Score -> what a reader calls it.
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "roc_auc": "area under ROC",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
}


def tabulate(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with intervals as text, to be read: a row a score, a column a model and choice of windows.

    Parameters
    ----------
    scores : DataFrame
        As :func:`intervals` returns, of one task and protocol.
    """
    text = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in scores.itertuples()]
    table = scores.assign(text=text).pivot(index="metric", columns=["model", "windows"], values="text")
    order = pd.MultiIndex.from_frame(scores[["model", "windows"]].drop_duplicates().sort_values("model", kind="stable"))
    return table.reindex(index=list(NAMES), columns=order).rename(index=NAMES).rename_axis(index=None)


def weighted_scores(part: pd.DataFrame, people: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every score of predictions of one seed, for each row of `weights` (draw, person): score -> ndarray (draw,)."""
    states, probability = probabilities(part)
    decided = decide(part)
    person = pd.Index(people).get_indexer(part["subject"])
    label = pd.Index(states).get_indexer(part["label"])
    predicted = probability.argmax(axis=1)

    def summed(values: np.ndarray, cell: np.ndarray | int = 0, cells: int = 1) -> np.ndarray:
        flat = np.bincount(person * cells + cell, weights=values, minlength=len(people) * cells)
        return weights @ flat.reshape(len(people), cells)

    number = len(states)
    confusion = summed(np.ones(len(part)), label * number + predicted, number**2).reshape(-1, number, number)
    hit, true, claimed = np.einsum("dkk->dk", confusion), confusion.sum(axis=2), confusion.sum(axis=1)
    count = true.sum(axis=1)
    correct = decided["correct"].to_numpy(float)
    gap = summed(correct - decided["confidence"], confidence_bin(decided["confidence"].to_numpy()), ECE_BINS)
    square = ((probability - np.eye(number)[label]) ** 2).sum(axis=1) / (2 if number == 2 else 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        everything = np.where((true > 0).all(axis=1), 1.0, np.nan)
        f1 = np.where(true + claimed > 0, 2 * hit / (true + claimed), 0)
        return {
            "accuracy": hit.sum(axis=1) / count,
            "balanced_accuracy": (hit / true).mean(axis=1) * everything,
            "macro_f1": f1.mean(axis=1) * everything,
            "roc_auc": _roc_auc(label, probability, person, weights),
            "ece": np.abs(gap).sum(axis=1) / count,
            "brier": summed(square)[:, 0] / count,
        }


def _roc_auc(label: np.ndarray, probability: np.ndarray, person: np.ndarray, weights: np.ndarray) -> np.ndarray:
    number = probability.shape[1]
    # Of two states one ranking says it all; of more, the mean of each against the rest.
    states = [1] if number == 2 else range(number)
    return np.mean([_one_against_rest(label == k, probability[:, k], person, weights) for k in states], axis=0)


def _one_against_rest(positive: np.ndarray, value: np.ndarray, person: np.ndarray, weights: np.ndarray) -> np.ndarray:
    # The area is the share of (positive, negative) pairs in the right order (Mann and Whitney), and a pair of people
    # contributes its pairs of windows as often as both are drawn.
    people = range(weights.shape[1])
    above = [value[positive & (person == k)] for k in people]
    below = [np.sort(value[~positive & (person == k)]) for k in people]
    won = np.array([[_pairs_won(high, low) for low in below] for high in above])
    positives, negatives = (np.array([len(values) for values in side], float) for side in (above, below))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.einsum("di,ij,dj->d", weights, won, weights) / ((weights @ positives) * (weights @ negatives))


def _pairs_won(high: np.ndarray, ordered: np.ndarray) -> float:
    return (np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")).sum() / 2
