"""What a gate by quality costs: counts of windows and people, a sweep of one cut-off, and windows to look at."""

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data.devices import write_channel


def count_accepted(assessed: xr.Dataset, by: str) -> pd.DataFrame:
    """Columns `by`, such as ``label`` or ``subject``, ``windows accepted coverage``, which is the share accepted."""
    table = pd.DataFrame({by: assessed[by].values, "accepted": assessed["verdict"].values})
    counts = table.groupby(by, sort=False)["accepted"].agg(windows="size", accepted="sum", coverage="mean")
    return counts.reset_index()


def count_reasons(assessed: xr.Dataset) -> pd.DataFrame:
    """Columns ``reason windows people``: why windows were refused, the most frequent reason first."""
    table = pd.DataFrame({"reason": assessed["reason"].values, "subject": assessed["subject"].values})
    groups = table[table["reason"] != ""].groupby("reason")["subject"]
    counts = groups.agg(windows="size", people="nunique").reset_index()
    return counts.sort_values("windows", ascending=False, kind="stable", ignore_index=True)


def sweep_cutoff(assessed: xr.Dataset, channel: str, rule: str) -> pd.DataFrame:
    """Columns ``label cutoff refused``: share of windows that one rule alone would refuse as its cut-off rises."""
    cutoffs = np.linspace(0, 1, 101)
    below = assessed["rule_score"].sel(channel=channel, rule=rule).values[:, None] < cutoffs
    table = pd.DataFrame(below, columns=pd.Index(cutoffs, name="cutoff"))
    shares = table.groupby(pd.Index(assessed["label"].values, name="label"), sort=False).mean()
    return shares.stack(future_stack=True).rename("refused").reset_index()


def describe_coverage(assessed: xr.Dataset) -> dict[str, float | str]:
    """What a gate costs, in numbers and words: how many windows and people, the state refused most, and the reasons."""
    by_state, by_person = count_accepted(assessed, "label"), count_accepted(assessed, "subject")
    least = by_state.loc[by_state["coverage"].idxmin()]
    windows, accepted = int(by_state["windows"].sum()), int(by_state["accepted"].sum())
    reasons = [
        f"{rule} of {write_channel(channel)} ({row.windows})"
        for row in count_reasons(assessed).itertuples()
        for channel, rule in [row.reason.split(": ")]
    ]
    return {
        "windows": windows,
        "accepted": accepted,
        "refused": windows - accepted,
        "coverage": 100 * accepted / windows,
        "least_state": str(least["label"]),
        "least_coverage": 100 * least["coverage"],
        "people_refused": int((by_person["coverage"] < 1).sum()),
        "people": len(by_person),
        "reasons": ", ".join(reasons) or "none, because no window was refused",
    }


def widest_gap(sweep: pd.DataFrame) -> dict[str, float | str]:
    """Cut-off of :func:`sweep_cutoff` at which the states differ most, and what it refuses of either, in %."""
    refused = sweep.pivot(index="cutoff", columns="label", values="refused")
    cutoff = (refused.max(axis=1) - refused.min(axis=1)).idxmax()
    share = 100 * refused.loc[cutoff]
    return {
        "widest": cutoff,
        "widest_most": str(share.idxmax()),
        "widest_most_refused": share.max(),
        "widest_least": str(share.idxmin()),
        "widest_least_refused": share.min(),
    }


def pick_examples(assessed: xr.Dataset) -> pd.DataFrame:
    """Pick three windows to look at: of each reason the worst, beside the best of the same person and channel.

    Where fewer reasons occurred, the lowest windows of further people follow, whether refused or not.
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
    for k in chosen[:3]:
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
