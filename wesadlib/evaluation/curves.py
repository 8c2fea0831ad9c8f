"""What the scores sum up: confusion matrices and receiver operating characteristics."""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, roc_curve

from wesadlib.evaluation.metrics import decide, groups, probabilities, select

#: False positive rates at which curves are given.
GRID = np.linspace(0, 1, 101)


def confusion(predictions: pd.DataFrame, windows: str = "all") -> pd.DataFrame:
    """How many windows of each state are taken for which; a row a model, state and prediction.

    Returns
    -------
    DataFrame
        ``task model protocol label predicted n_windows share``: the number is a mean over seeds, the share is
        of the windows of that label.
    """
    rows = []
    for keys, group in groups(predictions):
        scored = select(group, windows)
        states, _ = probabilities(scored)
        counts = confusion_matrix(scored["label"], decide(scored)["predicted"], labels=states)
        for label, row in zip(states, counts / group["seed"].nunique(), strict=True):
            for predicted, count in zip(states, row, strict=True):
                share = count / row.sum() if row.sum() else np.nan
                rows.append({**keys, "label": label, "predicted": predicted, "n_windows": count, "share": share})
    return pd.DataFrame(rows)


def roc_curves(predictions: pd.DataFrame, state: str = "stress", by: str | None = None) -> pd.DataFrame:
    """Share of a state's windows found, against the share of other windows taken for it.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`~wesadlib.evaluation.runner.evaluate` returns.
    state : str, optional
        The state to find, by its probability, against all others.
    by : {"subject"}, optional
        A curve a person; people without windows of the state, or without others, have none.

    Returns
    -------
    DataFrame
        ``task model protocol [subject] false_positive_rate true_positive_rate``; the mean of the seeds'
        curves, at fixed false positive rates, beginning at (0, 0).
    """
    tables = []
    for keys, group in groups(predictions, [by] if by else []):
        if group["label"].eq(state).nunique() < 2:
            continue
        heights = []
        for _, part in group.groupby("seed"):
            false_positive, true_positive, _ = roc_curve(part["label"] == state, part[f"p_{state}"])
            heights.append(np.interp(GRID, false_positive, true_positive))
        table = {"false_positive_rate": [0, *GRID], "true_positive_rate": [0, *np.mean(heights, axis=0)]}
        tables.append(pd.DataFrame(table).assign(**keys)[[*keys, *table]])
    return pd.concat(tables, ignore_index=True)
