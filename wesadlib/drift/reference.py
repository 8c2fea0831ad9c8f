"""The reference: features of the cohort's windows, a row a window, and each person's distribution of each of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError

#: Statistics that drift is judged on: level, spread and the main reading of each sensor. Tails and the posture of
#: single axes are left out, which differ between any two groups of healthy people.
DRIFT_STATISTICS = (
    "mean",
    "sd",
    "interquartile_range",
    "peak_rate",
    "heart_rate",
    "regular_share",
    "log_level",
    "relative_phasic_sd",
    "scr_rate",
    "slope",
    "rate",
    "depth",
    "jerk",
)
#: A person with fewer windows has no distribution to speak of.
LEAST_WINDOWS = 10
MOST_MISSING = 0.2
_GRID = 256
_KEYS = ("subject", "start_s")


def drift_features(windows: xr.Dataset) -> list[str]:
    """Names of the features that drift is judged on, of those that `windows` hold."""
    names = [str(name) for name in windows["feature_name"].values]
    kept = []
    for name in names:
        _, signal, *rest = name.split("_")
        # Of acceleration only what does not depend on how the sensor is turned.
        turned = signal == "acc" and rest[0] in ("x", "y", "z")
        statistic = "_".join(rest).removeprefix("magnitude_")
        if statistic in DRIFT_STATISTICS and not turned:
            kept.append(name)
    return kept


def make_reference(windows: xr.Dataset, features: Sequence[str] | None = None) -> pd.DataFrame:
    """Tabulate the features that drift is judged on: of the cohort, and just so of a batch.

    Parameters
    ----------
    windows : Dataset
        With ``feature (window, feature_name)``, from :func:`~wesadlib.features.extract_features`, and ``subject``.
    features : sequence of str, optional
        Which; of a batch, those of the reference. Default: see :data:`DRIFT_STATISTICS`, of those that can be read in
        at least four fifths of the windows.

    Returns
    -------
    DataFrame
        Columns ``subject start_s`` and a column a feature, in its own unit; NaN where it could not be read.

    Raises
    ------
    InputError
        When the windows hold no features, or not one that is asked for.
    """
    if "feature" not in windows:
        raise InputError("drift is judged on features, which these windows lack: call extract_features first.")
    table = windows["feature"].to_pandas()
    if features is None:
        features = [name for name in drift_features(windows) if table[name].isna().mean() < MOST_MISSING]
        if not features:
            raise InputError(
                "these windows hold no feature that drift is judged on and that can be read in most of them."
            )
    if absent := [name for name in features if name not in table]:
        raise InputError(f"feature {absent[0]} of the drift reference is not among those of these windows.")
    result = table[list(features)].reset_index(drop=True)
    result.columns.name = None
    result.insert(0, "subject", windows["subject"].values.astype(str))
    result.insert(1, "start_s", windows["start_s"].values.astype(float))
    return result


def feature_columns(reference: pd.DataFrame) -> list[str]:
    """Names of the features of a reference."""
    return [name for name in reference.columns if name not in _KEYS]


def make_grid(reference: pd.DataFrame) -> np.ndarray:
    """Values (feature, point) at which distributions are compared: quantiles of the reference, the ends included."""
    values = reference[feature_columns(reference)].to_numpy(float)
    return np.nanquantile(values, np.linspace(0, 1, _GRID), axis=0).T


def person_distributions(table: pd.DataFrame, grid: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Each person's cumulative distribution of each feature.

    Parameters
    ----------
    table : DataFrame
        From :func:`make_reference`.
    grid : ndarray (feature, point)
        From :func:`make_grid`.

    Returns
    -------
    people : list of str
        In order of appearance.
    distributions : ndarray (person, feature, point)
        Share of a person's windows at or below each point. A missing reading lies above all of them, so a sensor that
        can no longer be read changes the distribution.

    Raises
    ------
    InputError
        When a person has fewer than ten windows.
    """
    people = list(dict.fromkeys(table["subject"]))
    features = feature_columns(table)
    distributions = np.empty((len(people), *grid.shape))
    for row, person in enumerate(people):
        values = table.loc[table["subject"] == person, features].to_numpy(float)
        if len(values) < LEAST_WINDOWS:
            raise InputError(
                f"{person} has {len(values)} windows; drift is judged on people with at least {LEAST_WINDOWS}."
            )
        distributions[row] = cumulative(values, grid)
    return people, distributions


def cumulative(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Share (feature, point) of the windows in `values` (window, feature) at or below each point; NaN is above all."""
    ordered = np.sort(values, axis=0)
    counts = [np.searchsorted(ordered[:, k], points, side="right") for k, points in enumerate(grid)]
    return np.array(counts) / len(values)
