"""What confidence is worth: calibration, and what is gained and lost when a model abstains below a threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wesadlib.evaluation.metrics import ECE_BINS, GROUP, confidence_bin, decide, groups, select
from wesadlib.evaluation.statistics import bootstrap_weights, interval

#: Thresholds at which accuracy against coverage is drawn.
THRESHOLDS = tuple(np.round(np.arange(0, 1.0001, 0.01), 2).tolist())


def calibration_curve(
    predictions: pd.DataFrame,
    windows: str = "all",
    *,
    bins: int = ECE_BINS,
    bootstrap: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy against confidence, in equally wide bins of confidence on [0, 1]; a row a model and bin with windows.

    Seeds are pooled. The interval of a bin's accuracy comes from drawing people; draws of nobody with a
    window in the bin are left out.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`~wesadlib.evaluation.runner.evaluate` returns.
    windows : {"all", "accepted"}
        Which windows count.
    bins : int, optional
        Number of bins, each closed on the right.
    bootstrap, seed : int, optional
        Draws of people, and their seed.

    Returns
    -------
    DataFrame
        ``task model protocol bin low_edge high_edge share people confidence accuracy accuracy_low
        accuracy_high``: the share of windows in the bin, the number of people they are of, their mean
        confidence and accuracy.
    """
    rows = []
    for keys, group in groups(predictions):
        scored = select(group, windows)
        decided = decide(scored).assign(subject=scored["subject"])
        decided["bin"] = confidence_bin(decided["confidence"].to_numpy(), bins)
        people = list(decided["subject"].unique())
        weights = bootstrap_weights(len(people), bootstrap, seed) if people else np.empty((0, 0))
        for number, part in decided.groupby("bin", sort=True):
            low, high = _accuracy_interval(part, people, weights)
            rows.append(
                {
                    **keys,
                    "bin": int(number),
                    "low_edge": number / bins,
                    "high_edge": (number + 1) / bins,
                    "share": len(part) / len(decided),
                    "people": part["subject"].nunique(),
                    "confidence": part["confidence"].mean(),
                    "accuracy": part["correct"].mean(),
                    "accuracy_low": low,
                    "accuracy_high": high,
                }
            )
    return pd.DataFrame(rows)


def _accuracy_interval(part: pd.DataFrame, people: list[str], weights: np.ndarray) -> tuple[float, float]:
    # Of one person nothing follows for others.
    if part["subject"].nunique() < 2:
        return np.nan, np.nan
    by_person = part.groupby("subject")["correct"].agg(["sum", "size"]).reindex(people, fill_value=0)
    right, count = weights @ by_person["sum"], weights @ by_person["size"]
    return interval(right[count > 0] / count[count > 0])


def confidence_gap(
    predictions: pd.DataFrame, windows: str = "all", *, bootstrap: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """How much more, on average, a model claims than it achieves; a row a model.

    Returns
    -------
    DataFrame
        ``task model protocol confidence accuracy gap gap_low gap_high verdict``: mean confidence minus
        accuracy with its interval (2.5 to 97.5 %) over draws of people. The verdict is "over-confident" or
        "under-confident" where the interval leaves zero out, else "undecided", which is not the same as
        calibrated: the interval says what is left open.
    """
    rows = []
    for keys, group in groups(predictions):
        scored = select(group, windows)
        decided = decide(scored)
        by_person = (
            (decided["confidence"] - decided["correct"]).groupby(scored["subject"], sort=False).agg(["sum", "size"])
        )
        low, high = np.nan, np.nan
        if len(by_person) > 1:
            weights = bootstrap_weights(len(by_person), bootstrap, seed)
            low, high = interval((weights @ by_person["sum"]) / (weights @ by_person["size"]))
        rows.append(
            {
                **keys,
                "confidence": decided["confidence"].mean(),
                "accuracy": decided["correct"].mean(),
                "gap": by_person["sum"].sum() / by_person["size"].sum(),
                "gap_low": low,
                "gap_high": high,
                "verdict": "over-confident" if low > 0 else "under-confident" if high < 0 else "undecided",
            }
        )
    return pd.DataFrame(rows)


def answers(predictions: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS, windows: str = "all") -> pd.DataFrame:
    """How many windows of each person a model answers, and how many rightly, at each threshold of confidence.

    A window is answered when the probability of its most probable state is at least the threshold.

    Returns
    -------
    DataFrame
        ``task model protocol subject threshold n_windows answered correct``; numbers of windows, mean over
        seeds.
    """
    thresholds = np.asarray(thresholds, float)
    tables = []
    for keys, group in groups(predictions):
        scored = select(group, windows)
        n_seeds = group["seed"].nunique()
        for subject, decided in decide(scored).groupby(scored["subject"], sort=False):
            correct = decided["correct"].to_numpy(bool)
            confidence = decided["confidence"].to_numpy()
            table = {
                "threshold": thresholds,
                "n_windows": len(decided) / n_seeds,
                "answered": _at_least(confidence, thresholds) / n_seeds,
                "correct": _at_least(confidence[correct], thresholds) / n_seeds,
            }
            tables.append(pd.DataFrame({**keys, "subject": subject, **table}))
    return pd.concat(tables, ignore_index=True)


def _at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    # How many values reach each threshold.
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")


def coverage_curve(answered: pd.DataFrame, *, bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Accuracy of the answers against the share of windows that is answered, over people.

    Parameters
    ----------
    answered : DataFrame
        As :func:`answers` returns.
    bootstrap, seed : int, optional
        Draws of people for the interval, and their seed.

    Returns
    -------
    DataFrame
        ``task model protocol threshold coverage accuracy accuracy_low accuracy_high silent``; `silent` counts
        people of whom not one window is answered. `accuracy` is NaN where nothing is answered.
    """
    tables = []
    for keys, part in answered.groupby(GROUP, sort=False):
        # (person, threshold)
        right, count, windows = (
            part.pivot(index="subject", columns="threshold", values=name).loc[part["subject"].unique()]
            for name in ("correct", "answered", "n_windows")
        )
        weights = bootstrap_weights(len(right), bootstrap, seed)
        low, high = _columns_interval(weights @ right.to_numpy(), weights @ count.to_numpy())
        silent = (count == 0).sum()
        # Of the answers of one person nothing follows for others.
        alone = (len(count) - silent < 2).to_numpy()
        table = {
            "coverage": count.sum() / windows.sum(),
            "accuracy": (right.sum() / count.sum()).where(count.sum() > 0),
            "accuracy_low": np.where(alone, np.nan, low),
            "accuracy_high": np.where(alone, np.nan, high),
            "silent": silent,
        }
        names = dict(zip(GROUP, keys, strict=True))
        tables.append(pd.DataFrame(table).reset_index().assign(**names)[[*GROUP, "threshold", *table]])
    return pd.concat(tables, ignore_index=True)


def _columns_interval(right: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Intervals of right / count, column by column; draws without an answer are left out.
    bounds = np.full((2, right.shape[1]), np.nan)
    for k in range(right.shape[1]):
        some = count[:, k] > 0
        if some.any():
            bounds[:, k] = interval(right[some, k] / count[some, k])
    return bounds[0], bounds[1]


def at_threshold(answered: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """What abstaining below a threshold means for each person.

    Parameters
    ----------
    answered : DataFrame
        As :func:`answers` returns, with `threshold` and 0 among its thresholds.
    threshold : float
        Least confidence of an answer.

    Returns
    -------
    DataFrame
        ``task model protocol subject coverage accuracy accuracy_of_all``; accuracy of what is answered (NaN
        where nothing is) and of all windows.
    """
    keys = [*GROUP, "subject"]
    chosen = answered[answered["threshold"] == threshold].set_index(keys)
    everything = answered[answered["threshold"] == 0].set_index(keys).loc[chosen.index]
    table = pd.DataFrame(
        {
            "coverage": chosen["answered"] / chosen["n_windows"],
            "accuracy": (chosen["correct"] / chosen["answered"]).where(chosen["answered"] > 0),
            "accuracy_of_all": everything["correct"] / everything["n_windows"],
        }
    )
    return table.reset_index()
