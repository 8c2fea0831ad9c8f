"""The alarm: its reference, its statistic, its threshold for a stated rate of false alarms, the report on a batch.

People are the unit. Windows of one person resemble each other far more than those of two, so a test that counts
windows finds every healthy newcomer strange. Here each person weighs the same, and how far a healthy batch lies from
the cohort is learnt from the cohort itself, by leaving as many people out of it as a batch has.
"""

import itertools
from collections.abc import Sequence
from math import ceil, comb
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from wesadlib.errors import InputError
from wesadlib.evaluation.statistics import holm

#: Statistics that drift is judged on: level, spread and the main reading of each sensor. Tails and the posture of
#: single axes are left out, which differ between any two groups of healthy people.
DRIFT_STATISTICS = (
    *("mean", "sd", "interquartile_range", "peak_rate", "heart_rate", "regular_share", "log_level"),
    *("relative_phasic_sd", "scr_rate", "slope", "rate", "depth", "jerk"),
)
#: A person with fewer windows has no distribution to speak of.
LEAST_WINDOWS = 10
_MOST_MISSING = 0.2
_GRID = 256
_KEYS = ["subject", "start_s"]


def make_reference(windows: xr.Dataset, features: Sequence[str] | None = None) -> pd.DataFrame:
    """Tabulate the features that drift is judged on: of the cohort, and just so of a batch.

    Of `windows` with ``feature (window, feature_name)``, of :func:`~wesadlib.features.extract_features`, comes a row a
    window: ``subject start_s`` and a column a feature, in its own unit, NaN where it could not be read. `features` are,
    of a batch, those of the reference; by default :data:`~wesadlib.drift.alarm.DRIFT_STATISTICS` of each sensor, of
    acceleration only what does not depend on how the sensor is turned, and of these what can be read in at least four
    fifths of the windows.
    """
    if "feature" not in windows:
        raise InputError("drift is judged on features, which these windows lack: call extract_features first.")
    table = windows["feature"].to_pandas()
    if features is None:
        features = [name for name in table if is_judged(name) and table[name].isna().mean() < _MOST_MISSING]
        if not features:
            raise InputError("these windows hold no feature that drift is judged on and that most of them have.")
    if absent := [name for name in features if name not in table]:
        raise InputError(f"feature {absent[0]} of the drift reference is not among those of these windows.")
    keys = {"subject": windows["subject"].values.astype(str), "start_s": windows["start_s"].values.astype(float)}
    return pd.DataFrame(keys | {name: table[name].values for name in features})


def is_judged(feature: str) -> bool:
    """Whether drift is judged on a feature."""
    _, signal, *rest = feature.split("_")
    statistic = "_".join(rest).removeprefix("magnitude_")
    return statistic in DRIFT_STATISTICS and not (signal == "acc" and rest[0] in ("x", "y", "z"))


def people_for(people: int, false_alarm_rate: float) -> int:
    """How many people a cohort needs for a threshold on batches of `people` and a claimed rate in (0, 1).

    The people left must outnumber the batch. With `k` healthy batches to learn from, no rate below ``1 / (k + 1)`` is
    claimed. That is exact for independent batches, and a heuristic for these, which share people; of 300 simulated
    cohorts as small as this allows, 1 to 2 % of fresh batches of two or three raised the alarm where 5 % was claimed.
    """
    needed = 2 * people + 1
    while comb(needed, people) + 1 < 1 / false_alarm_rate - 1e-9:
        needed += 1
    return needed


def find_threshold(reference: pd.DataFrame, *, people: int, false_alarm_rate: float) -> dict[str, Any]:
    """Find the statistic above which a batch of `people` raises the alarm, by a reference of :func:`make_reference`.

    `people` is the smallest batch that will be judged (a larger one is judged by the same threshold, and raises fewer
    false alarms), `false_alarm_rate` the share of healthy batches that may raise it, in (0, 1). Plain values, fit for
    JSON: ``statistic people reference_people splits false_alarm_rate threshold features note``; `threshold` is None
    where the cohort has too few people for that rate, and `note` then says how many it takes.
    """
    distributions = person_distributions(reference, make_grid(reference))
    null = null_distribution(distributions, people, 500, np.random.default_rng(0))
    threshold, n, note = quantile_of_null(null, false_alarm_rate), len(distributions), ""
    if threshold is None:
        note = (
            f"There is no alarm: {n} people are too few to know which distance {100 * false_alarm_rate:g} % of the "
            f"batches of {people} without drift exceed; at least {people_for(people, false_alarm_rate)} are needed."
        )
    return {
        "statistic": "largest Kolmogorov-Smirnov distance over the features, each person weighing the same",
        "people": people,
        "reference_people": n,
        "splits": len(null),
        "false_alarm_rate": false_alarm_rate,
        "threshold": threshold,
        "features": feature_columns(reference),
        "note": note,
    }


def describe_threshold(threshold: dict[str, Any]) -> str:
    """Say in a sentence what :func:`find_threshold` found, or that there is no alarm."""
    return threshold["note"] or (
        f"With {threshold['people']} people in a batch and a claimed false-alarm rate of "
        f"{threshold['false_alarm_rate']:g}, the alarm is raised above a distance of {threshold['threshold']:.2f}, "
        f"learnt from {threshold['splits']} batches."
    )


def report(reference: pd.DataFrame, current: pd.DataFrame | xr.Dataset, threshold: dict[str, Any]) -> dict[str, Any]:
    """Judge a batch of new people against the reference, both of :func:`make_reference`, by :func:`find_threshold`'s.

    The batch may be windows with features as well. Of it come ``people``; ``people_needed``; ``statistic``;
    ``threshold``; ``alarm``, a bool, or None where there is no threshold; ``note``, a sentence; ``table``, a row a
    feature, worst first: ``feature``, ``distance`` (person-weighted, whose largest is the statistic), ``ks`` and ``p``
    of the two-sample test over windows, ``p_holm`` (which nothing rests on: windows are not independent),
    ``effect_size`` (difference of the people's medians, in SDs between people of the reference), ``missing_reference``
    and ``missing_current`` (shares that could not be read).
    """
    if not isinstance(current, pd.DataFrame):
        current = make_reference(current, feature_columns(reference))
    if absent := [name for name in reference if name not in current]:
        raise InputError(f"feature {absent[0]} of the drift reference is not in the batch.")
    current = current[list(reference.columns)]
    people, needed, limit = current["subject"].nunique(), int(threshold["people"]), threshold["threshold"]
    if people < needed:
        raise InputError(f"the batch has {people} people; this alarm is for batches of at least {needed}.")
    grid = make_grid(reference)
    table = compare_windows(reference, current)
    table.insert(1, "distance", distances(person_distributions(current, grid), person_distributions(reference, grid)))
    table = table.sort_values("distance", ascending=False, ignore_index=True)
    statistic = float(table["distance"][0])
    alarm = None if limit is None else bool(statistic > limit)
    note = threshold["note"] or (
        f"{'Drift' if alarm else 'No drift'}: the largest distance, {statistic:.2f} ({table['feature'][0]}), is "
        f"{'above' if alarm else 'not above'} {limit:.2f}, which {100 * threshold['false_alarm_rate']:g} % of "
        f"batches of {needed} people without drift exceed."
    )
    return {
        "people": people,
        "people_needed": needed,
        "statistic": statistic,
        "threshold": limit,
        "alarm": alarm,
        "note": note,
        "table": table,
    }


def feature_columns(reference: pd.DataFrame) -> list[str]:
    """Names of the features of a reference."""
    return [name for name in reference.columns if name not in _KEYS]


def make_grid(reference: pd.DataFrame) -> np.ndarray:
    """Values (feature, point) at which distributions are compared: quantiles of the reference, the ends included."""
    values = reference[feature_columns(reference)].to_numpy(float)
    return np.nanquantile(values, np.linspace(0, 1, _GRID), axis=0, method="nearest").T


def person_distributions(table: pd.DataFrame, grid: np.ndarray, least: int = LEAST_WINDOWS) -> np.ndarray:
    """Each person's distribution (person, feature, point): the share of windows below each point, then at or below it.

    Both, so that two distributions without a value in common differ by 1 wherever these lie. A missing reading lies
    above all points, so a sensor that can no longer be read changes the distribution.
    """
    distributions = []
    for person, rows in table.groupby("subject", sort=False)[feature_columns(table)]:
        if len(rows) < least:
            raise InputError(f"{person} has {len(rows)} windows; drift is judged on people with at least {least}.")
        counts = [
            np.concatenate([np.searchsorted(values, points, side) for side in ("left", "right")])
            for values, points in zip(np.sort(rows.to_numpy(float), axis=0).T, grid, strict=True)
        ]
        distributions.append(np.array(counts) / len(rows))
    return np.stack(distributions)


def distances(batch: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance (feature,) of people to others, of whom each weighs the same."""
    return np.abs(batch.mean(axis=0) - rest.mean(axis=0)).max(axis=1)


def choose_batches(n: int, people: int, most: int, generator: np.random.Generator) -> np.ndarray:
    """Batches (batch, person), True for the `people` of it out of `n`: all there are, or `most` at random."""
    if comb(n, people) <= most:
        chosen = np.array(list(itertools.combinations(range(n), people)), int).reshape(-1, people)
    else:
        draws = generator.random((4 * most, n)).argsort(axis=1)[:, :people]
        chosen = generator.permutation(np.unique(np.sort(draws, axis=1), axis=0))[:most]
    batches = np.zeros((len(chosen), n), bool)
    np.put_along_axis(batches, chosen, True, axis=1)
    return batches


def null_distribution(
    distributions: np.ndarray, people: int, splits: int, generator: np.random.Generator
) -> np.ndarray:
    """The statistic of at most `splits` batches against the rest of the cohort; none where the rest is not larger."""
    n = len(distributions)
    if n < 2 * people + 1:
        return np.empty(0)
    batches = choose_batches(n, people, splits, generator)
    weights = np.where(batches, 1 / people, -1 / (n - people))
    return np.sort(np.abs(np.tensordot(weights, distributions, 1)).max(axis=(1, 2)))


def quantile_of_null(null: np.ndarray, false_alarm_rate: float) -> float | None:
    """The value that a further healthy batch exceeds at the stated rate; None where the batches are too few to tell."""
    rank = ceil((1 - false_alarm_rate) * (len(null) + 1) - 1e-9)
    return float(null[rank - 1]) if 1 <= rank <= len(null) else None


def compare_windows(reference: pd.DataFrame, current: pd.DataFrame) -> pd.DataFrame:
    """The two-sample Kolmogorov-Smirnov test over windows, a row a feature; NaN where one side has no reading."""
    features = feature_columns(reference)
    medians = reference.groupby("subject")[features].median()
    shift = current.groupby("subject")[features].median().mean() - medians.mean()
    rows = []
    for name in features:
        sides = current[name].dropna(), reference[name].dropna()
        # The asymptotic p: the exact one takes 40 times as long and differs where nothing is significant anyway.
        rows.append(tuple(stats.ks_2samp(*sides, method="asymp")) if min(map(len, sides)) else (np.nan, np.nan))
    table = pd.DataFrame(rows, pd.Index(features, name="feature"), ["ks", "p"])
    table["p_holm"] = holm(table["p"])
    table["effect_size"] = shift / medians.std().replace(0, np.nan)
    table["missing_reference"] = reference[features].isna().mean()
    table["missing_current"] = current[features].isna().mean()
    return table.reset_index()
