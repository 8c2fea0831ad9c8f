"""Scores of predictions, pooled and by person, each from one table of sums over people's windows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from wesadlib.errors import InputError
from wesadlib.evaluation.predictions import decide, groups, list_people, probabilities, select_windows
from wesadlib.evaluation.statistics import bootstrap_weights, interval

#: Score -> what a reader calls it.
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "roc_auc": "area under ROC",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
}

#: Equally wide bins of confidence on [0, 1], for the calibration error.
ECE_BINS = 15


def score(
    predictions: pd.DataFrame, by: str | None = None, windows: str = "all", *, bootstrap: int = 1000
) -> pd.DataFrame:
    """Score predictions: a row a task, model and protocol.

    Each seed is scored on its own and the scores are averaged over seeds. A pooled score counts every window
    once, whoever it is of. Its interval (2.5 to 97.5 %) comes from drawing people, not windows, with
    replacement: it tells how the accuracy would vary with other people, given these trained models.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`~wesadlib.evaluation.runner.evaluate` returns; tables of several tasks and models may be
        stacked.
    by : {"subject"}, optional
        Score each person; then there is a column `subject`, the columns of the interval are NaN, since one
        person says nothing of others, and so are scores that one person's windows do not define.
    windows : {"all", "accepted"}
        Score all windows, or those that quality accepted.
    bootstrap : int, optional
        Draws of people.

    Returns
    -------
    DataFrame
        ``task model protocol [subject] seeds windows n_windows coverage accuracy accuracy_low accuracy_high
        balanced_accuracy macro_f1 roc_auc ece brier``. `n_windows` counts the windows scored under one seed
        and `coverage` is their share of all; `roc_auc` is, for more than two states, the mean over states of
        one against the rest; `ece` is the mean distance of confidence and accuracy over 15 equally wide bins of
        confidence, each closed on the right and weighted by its windows (Guo et al. 2017); `brier` is on [0, 1] for
        two states and on [0, 2] for more.
    """
    if by not in (None, "subject"):
        raise InputError(f'by={by!r}: scores are pooled (None) or by "subject".')
    rows = []
    for keys, group in groups(predictions, [by] if by else []):
        scored = select_windows(group, windows)
        if by is None and scored.empty:
            raise InputError(f"{', '.join(keys.values())}: quality accepted no window, so none can be scored.")
        seeds = sorted(int(value) for value in group["seed"].unique())
        drawn = draw_scores(scored, bootstrap)
        low, high = interval(drawn["accuracy"][1:])
        values = {metric: float(drawn[metric][0]) for metric in METRICS}
        counts = {"n_windows": len(scored) // len(seeds), "coverage": len(scored) / len(group)}
        accuracy = {"accuracy": values.pop("accuracy"), "accuracy_low": float(low), "accuracy_high": float(high)}
        rows.append({**keys, "seeds": seeds, "windows": windows, **counts, **accuracy, **values})
    return pd.DataFrame(rows)


def score_intervals(predictions: pd.DataFrame, windows: str = "all", *, bootstrap: int = 1000) -> pd.DataFrame:
    """``metric value low high`` of each model: pooled scores as of :func:`score`, with intervals over draws of people.

    Draws in which a state is missing are left out of the intervals of scores that need it.
    """
    rows = []
    for keys, group in groups(predictions):
        for metric, drawn in draw_scores(select_windows(group, windows), bootstrap).items():
            low, high = interval(drawn[1:])
            rows.append({**keys, "windows": windows, "metric": metric, "value": drawn[0], "low": low, "high": high})
    return pd.DataFrame(rows)


def tabulate_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """What :func:`score_intervals` gives of one task and protocol, as text: a row a score, a column a model."""
    text = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in scores.itertuples()]
    table = scores.assign(text=text).pivot(index="metric", columns=["model", "windows"], values="text")
    order = pd.MultiIndex.from_frame(scores[["model", "windows"]].drop_duplicates().sort_values("model", kind="stable"))
    return table.reindex(index=list(METRICS), columns=order).rename(index=METRICS).rename_axis(index=None)


def score_seed(predictions: pd.DataFrame, people: Sequence[str], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every score (draw,) of one seed, of people who each count as often as `weights` (draw, person) says."""
    states, probability = probabilities(predictions)
    number = len(states)
    person = pd.Index(people).get_indexer(predictions["subject"])
    label = pd.Index(states).get_indexer(predictions["label"])
    predicted, confidence = probability.argmax(axis=1), probability.max(axis=1)
    # Sums over each person's windows, from which every score of any draw of people follows.
    counts = np.zeros((len(people), number, number))
    np.add.at(counts, (person, label, predicted), 1)
    gap = np.zeros((len(people), ECE_BINS))
    np.add.at(gap, (person, confidence_bin(confidence)), (label == predicted) - confidence)
    square_error = ((probability - np.eye(number)[label]) ** 2).sum(axis=1) / (2 if number == 2 else 1)
    # Of two states one ranking says it all; of more, the mean of each against the rest.
    ranked = [1] if number == 2 else range(number)
    order = np.array([_count_order(label == k, probability[:, k], person, len(people)) for k in ranked])

    confusion = np.tensordot(weights, counts, 1)
    correct, labelled, claimed = np.einsum("dkk->dk", confusion), confusion.sum(axis=2), confusion.sum(axis=1)
    count = labelled.sum(axis=1)
    of_state = labelled[:, ranked]
    pairs = of_state * (count[:, None] - of_state)
    # Averages over states, and rankings of one state against another, need every state: of none they are NaN.
    with np.errstate(invalid="ignore", divide="ignore"):
        complete = np.where((labelled > 0).all(axis=1), 1.0, np.nan)
        f1 = np.where(labelled + claimed > 0, 2 * correct / (labelled + claimed), 0)
        in_order = ((weights @ order) * weights).sum(axis=2).T
        return {
            "accuracy": correct.sum(axis=1) / count,
            "balanced_accuracy": (correct / labelled).mean(axis=1),
            "macro_f1": f1.mean(axis=1) * complete,
            "roc_auc": (in_order / pairs).mean(axis=1),
            "ece": np.abs(weights @ gap).sum(axis=1) / count,
            "brier": weights @ np.bincount(person, square_error, len(people)) / count,
        }


def _count_order(positive: np.ndarray, value: np.ndarray, person: np.ndarray, people: int) -> np.ndarray:
    # Pairs of a window of the state, of the first person, and another, of the second, in the right order, ties counting
    # half: their share is the area under the ROC (Mann and Whitney).
    values, place = np.unique(value, return_inverse=True)
    above, below = np.zeros((2, len(values), people))
    np.add.at(above, (place[positive], person[positive]), 1)
    np.add.at(below, (place[~positive], person[~positive]), 1)
    return above.T @ (below.cumsum(axis=0) - below / 2)


def draw_scores(predictions: pd.DataFrame, bootstrap: int) -> dict[str, np.ndarray]:
    """Every score (1 + draw,) of one model, for the weights of :func:`draw_weights`."""
    people = list_people(predictions)
    return mean_of_seeds(predictions, people, draw_weights(len(people), bootstrap))


def draw_weights(people: int, bootstrap: int) -> np.ndarray:
    """How often each person counts (1 + draw, person): everybody once, then draws, of which one person gives none."""
    everybody = np.ones((1, people))
    return np.vstack([everybody, bootstrap_weights(people, bootstrap)]) if people > 1 else everybody


def mean_of_seeds(predictions: pd.DataFrame, people: Sequence[str], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every score of each seed by itself, then the mean of the seeds, for each row of `weights` (draw, person)."""
    seeds = [score_seed(part, people, weights) for _, part in predictions.groupby("seed", sort=True)]
    undefined = np.full(len(weights), np.nan)
    return {metric: np.mean([part[metric] for part in seeds], axis=0) if seeds else undefined for metric in METRICS}


def confidence_bin(confidence: np.ndarray) -> np.ndarray:
    """Number, from 0, of the bin of :data:`ECE_BINS`, closed on the right, that each confidence lies in."""
    edges = np.linspace(0, 1, ECE_BINS + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, ECE_BINS - 1)


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """``label predicted n_windows share`` of each model: mean over seeds, and its share of that label's windows."""
    tables = []
    for keys, group in groups(predictions):
        decided, (states, _) = decide(group), probabilities(group)
        counts = pd.crosstab(decided["label"], decided["predicted"]).reindex(index=states, columns=states, fill_value=0)
        counts = counts / group["seed"].nunique()
        table = pd.DataFrame({"n_windows": counts.stack(), "share": counts.div(counts.sum(axis=1), axis=0).stack()})
        tables.append(table.reset_index().assign(**keys)[[*keys, "label", "predicted", "n_windows", "share"]])
    return pd.concat(tables, ignore_index=True)


def roc_curves(predictions: pd.DataFrame, state: str = "stress", by: str | None = None) -> pd.DataFrame:
    """``false_positive_rate true_positive_rate`` of a state, mean of seeds; a curve a model or, by subject, a person.

    People without windows of the state, or without others, have none.
    """
    tables, grid = [], np.linspace(0, 1, 101)
    for keys, group in groups(predictions, [by] if by else []):
        if group["label"].eq(state).nunique() < 2:
            continue
        heights = []
        for _, part in group.groupby("seed"):
            false_positive, true_positive, _ = roc_curve(part["label"] == state, part[f"p_{state}"])
            heights.append(np.interp(grid, false_positive, true_positive))
        table = {"false_positive_rate": [0, *grid], "true_positive_rate": [0, *np.mean(heights, axis=0)]}
        tables.append(pd.DataFrame(table).assign(**keys)[[*keys, *table]])
    return pd.concat(tables, ignore_index=True)
