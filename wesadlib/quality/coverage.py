"""What a gate costs: how many windows are accepted, of whom, in which state, and at which cut-off."""

import numpy as np
import pandas as pd
import xarray as xr


def count_accepted(assessed: xr.Dataset, by: str) -> pd.DataFrame:
    """Count the windows accepted, a row a value of `by`.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    by : str
        A coordinate of windows, such as ``label`` or ``subject``.

    Returns
    -------
    DataFrame
        Columns `by`, ``windows accepted coverage``; `coverage` is the share accepted.
    """
    table = pd.DataFrame({by: assessed[by].values, "accepted": assessed["verdict"].values})
    counts = table.groupby(by, sort=False)["accepted"].agg(["size", "sum"]).reset_index()
    counts.columns = [by, "windows", "accepted"]
    return counts.assign(coverage=counts["accepted"] / counts["windows"])


def count_reasons(assessed: xr.Dataset) -> pd.DataFrame:
    """Count why windows were refused, the most frequent reason first.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.

    Returns
    -------
    DataFrame
        Columns ``reason windows people``; no row where nothing was refused.
    """
    refused = assessed["reason"].values != ""
    table = pd.DataFrame({"reason": assessed["reason"].values[refused], "subject": assessed["subject"].values[refused]})
    counts = table.groupby("reason").agg(windows=("subject", "size"), people=("subject", "nunique")).reset_index()
    return counts.sort_values("windows", ascending=False, kind="stable", ignore_index=True)


def sweep_cutoff(assessed: xr.Dataset, channel: str, rule: str, points: int = 101) -> pd.DataFrame:
    """Share of windows that one rule alone would refuse, in each state, as its cut-off rises.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    channel, rule : str
        Such as ``wrist_bvp`` and ``beat plausibility``.
    points : int
        How many cut-offs between 0 and 1.

    Returns
    -------
    DataFrame
        Columns ``label cutoff refused``.
    """
    score = assessed["rule_score"].sel(channel=channel, rule=rule).values
    cutoffs = np.linspace(0, 1, points)
    tables = []
    for label in dict.fromkeys(assessed["label"].values):
        below = score[assessed["label"].values == label][:, None] < cutoffs
        tables.append(pd.DataFrame({"label": label, "cutoff": cutoffs, "refused": below.mean(axis=0)}))
    return pd.concat(tables, ignore_index=True)


def pick_examples(assessed: xr.Dataset, most: int = 3) -> pd.DataFrame:
    """Pick windows to look at: of each reason the worst, each beside the best window of the same person and channel.

    Where fewer reasons than `most` occurred, the lowest windows of further people follow, whether refused or not.

    Parameters
    ----------
    assessed : Dataset
        From :func:`~wesadlib.quality.assess_quality`.
    most : int
        How many.

    Returns
    -------
    DataFrame
        Columns ``window best channel rule score accepted``; `window` and `best` are positions.
    """
    quality = np.nan_to_num(assessed["quality"].values, nan=1.0)
    lowest = quality.min(axis=1)
    reasons, subjects = assessed["reason"].values, assessed["subject"].values
    refused = np.flatnonzero(~assessed["verdict"].values)
    chosen: list[int] = []
    for reason in dict.fromkeys(reasons[refused]):
        chosen.append(min(refused[reasons[refused] == reason], key=lambda k: lowest[k]))
    for k in np.argsort(lowest, kind="stable"):
        if subjects[k] not in subjects[chosen]:
            chosen.append(int(k))
    rows = []
    for k in chosen[:most]:
        if reasons[k]:
            name, rule = reasons[k].split(": ")
        else:
            name = str(assessed["channel"].values[quality[k].argmin()])
            of_channel = assessed["rule_score"].sel(channel=name)[k]
            rule = str(assessed["rule"].values[int(np.nanargmin(of_channel.values))])
        of_name = assessed["rule_score"].sel(channel=name, rule=rule).values
        same = np.flatnonzero(subjects == subjects[k])
        best = same[np.lexsort((-lowest[same], -of_name[same]))[0]]
        rows.append((int(k), int(best), name, rule, float(of_name[k]), bool(assessed["verdict"].values[k])))
    return pd.DataFrame(rows, columns=["window", "best", "channel", "rule", "score", "accepted"])
