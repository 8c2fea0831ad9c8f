"""Scores of predictions, pooled and by person, with intervals over people."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score, roc_auc_score

from wesadlib.errors import InputError
from wesadlib.evaluation.statistics import bootstrap_weights, interval

#: Columns that say which predictions belong together; seeds of one group are scored one by one and averaged.
GROUP = ["task", "model", "protocol"]

METRICS = ["accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "ece", "brier"]

#: Equally wide bins of confidence on [0, 1], for the expected calibration error (Guo et al. 2017 take 15).
ECE_BINS = 15


def score(
    predictions: pd.DataFrame,
    by: str | None = None,
    windows: str = "all",
    *,
    bootstrap: int = 1000,
    seed: int = 0,
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
    seed : int, optional
        Seed of the draws.

    Returns
    -------
    DataFrame
        ``task model protocol [subject] seeds windows n_windows coverage accuracy accuracy_low accuracy_high
        balanced_accuracy macro_f1 roc_auc ece brier``. `n_windows` counts the windows scored under one seed
        and `coverage` is their share of all; `roc_auc` is, for more than two states, the mean over states of
        one against the rest; `ece` is :func:`expected_calibration_error`; `brier` is on [0, 1] for two states
        and on [0, 2] for more.

    Raises
    ------
    InputError
        When `by` or `windows` is unknown, there is no prediction, or the seeds of a model cover different
        windows.
    """
    if by not in (None, "subject"):
        raise InputError(f'by={by!r}: scores are pooled (None) or by "subject".')
    rows = []
    for keys, group in groups(predictions, [by] if by else []):
        scored = select(group, windows)
        seeds = [seed_of for seed_of, _ in group.groupby("seed", sort=True)]
        per_seed = [_scores(part) for _, part in scored.groupby("seed", sort=True)]
        low, high = (np.nan, np.nan) if by else accuracy_interval(scored, bootstrap, seed)
        values = pd.DataFrame(per_seed, columns=METRICS).mean(skipna=False)
        rows.append(
            {
                **keys,
                "seeds": [int(value) for value in seeds],
                "windows": windows,
                "n_windows": len(scored) // len(seeds),
                "coverage": len(scored) / len(group),
                "accuracy": values["accuracy"],
                "accuracy_low": low,
                "accuracy_high": high,
                **values[METRICS[1:]],
            }
        )
    return pd.DataFrame(rows)


def groups(predictions: pd.DataFrame, by: Sequence[str] = ()) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Predictions that belong together, task by task, model by model, with the names that they share.

    Raises
    ------
    InputError
        When there is no prediction, or the seeds of a model cover different windows.
    """
    if predictions.empty:
        raise InputError("no predictions to score; evaluate a model first.")
    names = [*GROUP, *by]
    for keys, group in predictions.groupby(names, sort=False):
        if group.groupby("seed")["window"].agg(frozenset).nunique() > 1:
            raise InputError(f"{', '.join(keys)}: its seeds cover different windows; evaluate it again.")
        yield dict(zip(names, keys, strict=True)), group


def only(
    predictions: pd.DataFrame,
    task: str | None = None,
    protocol: str | None = None,
    model: str | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Predictions of one task, protocol, model or seed; columns of other tasks' states are left out.

    Raises
    ------
    InputError
        When there is none; the sentence lists what there is.
    """
    wanted = {"task": task, "protocol": protocol, "model": model, "seed": seed}
    for name, value in wanted.items():
        if value is None:
            continue
        found = predictions[predictions[name] == value]
        if found.empty:
            there = ", ".join(map(str, dict.fromkeys(predictions[name]))) or "none"
            raise InputError(f"no prediction with {name} `{value}`; there are those of {there}.")
        predictions = found
    absent = [name for name in predictions.columns if name.startswith("p_") and predictions[name].isna().all()]
    return predictions.drop(columns=absent)


def main_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions of the task and protocol that come first in the table: the run's own, which chapters speak of.

    Of each model they are those of the people whom it has under each of its seeds, so that they can be scored.

    Raises
    ------
    InputError
        When there is none at all.
    """
    if predictions.empty:
        raise InputError("no predictions; evaluate a model first.")
    first = predictions.iloc[0]
    return of_every_seed(only(predictions, task=first["task"], protocol=first["protocol"]))


def of_every_seed(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions of those people whom a task, protocol and model has under each of its seeds.

    Where the fold of a person failed under one seed, the means of seeds would be of different people.
    """
    seeds = predictions.groupby(GROUP, sort=False)["seed"].transform("nunique")
    return predictions[predictions.groupby([*GROUP, "subject"], sort=False)["seed"].transform("nunique") == seeds]


def select(predictions: pd.DataFrame, windows: str) -> pd.DataFrame:
    """Predictions of "all" windows or of those "accepted" by quality."""
    if windows not in ("all", "accepted"):
        raise InputError(f'windows={windows!r}: either "all" or "accepted".')
    return predictions if windows == "all" else predictions[predictions["accepted"]]


def probabilities(predictions: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """States and probabilities (row, state) of predictions of one task; columns of other tasks' states are left out."""
    columns = [name for name in predictions.columns if name.startswith("p_") and predictions[name].notna().any()]
    return [name[2:] for name in columns], predictions[columns].to_numpy(float)


def decide(predictions: pd.DataFrame) -> pd.DataFrame:
    """What each row of predictions of one task comes to.

    Returns
    -------
    DataFrame
        With the index of `predictions`: `predicted` (the most probable state), `confidence` (its
        probability), `correct`.
    """
    states, probability = probabilities(predictions)
    predicted = np.array(states, dtype=object)[probability.argmax(1)] if len(predictions) else np.empty(0, object)
    return pd.DataFrame(
        {
            "predicted": predicted,
            "confidence": probability.max(1) if len(predictions) else np.empty(0),
            "correct": predicted == predictions["label"].to_numpy(object),
        },
        index=predictions.index,
    )


def _scores(part: pd.DataFrame) -> dict[str, float]:
    states, probability = probabilities(part)
    label, decided = part["label"].to_numpy(object), decide(part)
    present = set(label) == set(states)
    return {
        "accuracy": decided["correct"].mean(),
        # Averages over states, and rankings of one state against another, need every state.
        "balanced_accuracy": balanced_accuracy_score(label, decided["predicted"]) if present else np.nan,
        "macro_f1": f1_score(label, decided["predicted"], average="macro", labels=states) if present else np.nan,
        "roc_auc": _roc_auc(label, states, probability) if present else np.nan,
        "ece": expected_calibration_error(decided["confidence"], decided["correct"]),
        "brier": _brier(label, states, probability),
    }


def _roc_auc(label: np.ndarray, states: list[str], probability: np.ndarray) -> float:
    if len(states) == 2:
        return roc_auc_score(label == states[1], probability[:, 1])
    order = np.argsort(states)
    return roc_auc_score(
        label, probability[:, order], labels=np.array(states)[order].tolist(), multi_class="ovr", average="macro"
    )


def _brier(label: np.ndarray, states: list[str], probability: np.ndarray) -> float:
    order = np.argsort(states)
    return brier_score_loss(label, probability[:, order], labels=np.array(states)[order].tolist())


def expected_calibration_error(confidence: Sequence[float], correct: Sequence[bool], bins: int = ECE_BINS) -> float:
    """Mean distance of confidence and accuracy over bins of confidence, each bin weighted by its windows.

    Parameters
    ----------
    confidence : array of float, (window,)
        Probability of the predicted state.
    correct : array of bool, (window,)
        Whether the predicted state is the label.
    bins : int, optional
        Equally wide bins on [0, 1], each closed on the right, as in Guo et al. (2017).

    Examples
    --------
    Nine in ten right where 0.8 is claimed:

    >>> round(expected_calibration_error([0.8] * 10, [True] * 9 + [False]), 6)
    0.1
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    if not len(confidence):
        return float("nan")
    gap = np.bincount(confidence_bin(confidence, bins), weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def confidence_bin(confidence: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """Number, from 0, of the bin ``(k / bins, (k + 1) / bins]`` that each confidence lies in."""
    edges = np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)


def accuracy_interval(predictions: pd.DataFrame, bootstrap: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Interval (2.5 to 97.5 %) over people of the pooled accuracy, mean of seeds; NaN for fewer than two people."""
    decided = decide(predictions)
    right = decided["correct"].groupby(predictions["subject"], sort=False).sum().to_numpy(float)
    count = decided["correct"].groupby(predictions["subject"], sort=False).size().to_numpy(float)
    weights = bootstrap_weights(len(count), bootstrap, seed)
    return interval((weights @ right) / (weights @ count)) if len(count) > 1 else (np.nan, np.nan)
