"""What people said of themselves beside what a model said of them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from wesadlib.models.physiology import choose_features


class Correlation(NamedTuple):
    """A correlation with its 95 % interval by Fisher's z; `free` are its degrees of freedom."""

    r: float
    low: float
    high: float
    free: int

    def __str__(self) -> str:
        return f"{self.r:.2f} [{self.low:.2f}, {self.high:.2f}]"


def mean_by_state(predictions: pd.DataFrame, states: pd.Series, reports: pd.DataFrame) -> pd.DataFrame:
    """A row a person and state: mean ``p_stress`` of accepted windows, of `states` by position, beside `reports`."""
    accepted = predictions[predictions["accepted"]]
    state = states.reindex(accepted["window"]).to_numpy()
    means = accepted.groupby(["subject", state])["p_stress"].mean().rename_axis(["subject", "state"])
    return reports.merge(means.reset_index(), on=["subject", "state"])


def correlate_within(table: pd.DataFrame, x: str, y: str) -> Correlation:
    """Repeated-measures correlation: of each person's deviations from the own means (Bakdash and Marusich 2017)."""
    complete = table.dropna(subset=[x, y])
    centred = complete[[x, y]] - complete.groupby("subject")[[x, y]].transform("mean")
    return _correlate(centred[x], centred[y], len(complete) - complete["subject"].nunique() - 1)


def correlate_across(table: pd.DataFrame, x: str, y: str) -> Correlation:
    """Correlation over people of how much each rises from baseline to stress."""
    wide = table.pivot(index="subject", columns="state", values=[x, y])
    rise = pd.DataFrame({name: wide[name]["stress"] - wide[name]["baseline"] for name in (x, y)}).dropna()
    return _correlate(rise[x], rise[y], len(rise) - 2)


def tabulate_people(reported: pd.DataFrame, moments: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """What the task did to each person: report, signals and model, as changes from baseline to stress.

    ``conductance`` is a factor, ``calm`` and ``strained`` are mean probabilities. `reported` is of
    :func:`mean_by_state`, `moments` has features and states, `people` a row a person with what alarms came to.
    """
    wide = reported.pivot(index="subject", columns="state", values=["stai", "arousal", "p_stress"])
    heart, level = choose_features(list(moments.columns))[:2]
    body = moments[moments["accepted"]].groupby(["subject", "state"])[[heart, level]].mean().unstack()
    table = pd.DataFrame({name: wide[name]["stress"] - wide[name]["baseline"] for name in ("stai", "arousal")})
    table["heart_rate"] = body[heart]["stress"] - body[heart]["baseline"]
    table["conductance"] = np.exp(body[level]["stress"] - body[level]["baseline"])
    table["calm"], table["strained"] = wide["p_stress"]["baseline"], wide["p_stress"]["stress"]
    alarms = people.set_index("subject")[["latency_s", "false_alarms_per_h"]]
    return table.join(alarms).sort_values("strained")


def _correlate(x: pd.Series, y: pd.Series, free: int) -> Correlation:
    if free < 2 or x.std() < 1e-12 or y.std() < 1e-12:
        return Correlation(np.nan, np.nan, np.nan, max(free, 0))
    r = float(np.corrcoef(x, y)[0, 1])
    reach = stats.norm.ppf(0.975) / np.sqrt(free - 1)
    z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    return Correlation(r, float(np.tanh(z - reach)), float(np.tanh(z + reach)), free)
