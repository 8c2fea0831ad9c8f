"""How far a state moves each feature, against how far people and minutes differ anyway."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from wesadlib.errors import InputError

#: One or two features of each group, to look at first: the first six that a device has.
HEADLINE = ("heart_rate", "eda_log_level", "eda_scr_rate", "resp_rate", "temp_mean", "acc_magnitude_sd", "temp_slope")


def headline_features(windows: xr.Dataset) -> list[str]:
    """Names of the six features to look at first, in the order of :data:`HEADLINE`."""
    names = [str(name) for name in windows["feature_name"].values]
    return [name for statistic in HEADLINE for name in names if name.endswith(f"_{statistic}")][:6]


def measure_effects(windows: xr.Dataset, reference: str, state: str) -> pd.DataFrame:
    """Response of every feature of windows to a state, compared with the `reference`, with the person as the unit.

    Returns
    -------
    DataFrame
        A row a feature, by falling size of the pooled effect: ``reference_mean`` and ``between_sd`` (mean and spread of
        people's means in the reference state), ``within_sd`` (spread of one person's windows in it, mean over people),
        ``response`` and ``response_sd`` (mean and spread of people's differences), ``people`` (who show both states),
        ``other_way`` (of them, who move against the mean), ``pooled_effect`` (response over the spread of all reference
        windows, people and minutes together: what is seen without knowing the person), ``own_effect`` (response over
        ``within_sd``: what is seen knowing the person's own rest). Spreads are NaN for a single person.
    """
    _require_states(windows, [reference, state])
    feature = windows["feature"].to_pandas().rename_axis(columns="feature")
    groups = feature.groupby([windows["label"].values, windows["subject"].values])
    mean, spread = groups.mean(), groups.std()
    people = mean.loc[reference].index.intersection(mean.loc[state].index)
    if people.empty:
        raise InputError(f"no person has windows of both `{reference}` and `{state}`; give more subjects.")
    rest = mean.loc[reference].loc[people]
    difference = mean.loc[state].loc[people] - rest
    response, within = difference.mean(), spread.loc[reference].loc[people].mean()
    between = rest.std()
    table = pd.DataFrame(
        {
            "reference_mean": rest.mean(),
            "between_sd": between,
            "within_sd": within,
            "response": response,
            "response_sd": difference.std(),
            "people": difference.notna().sum(),
            "other_way": (np.sign(difference) == -np.sign(response)).sum(),
            "pooled_effect": response / np.sqrt(between.fillna(0) ** 2 + within**2),
            "own_effect": response / within,
        }
    ).replace([np.inf, -np.inf], np.nan)
    return table.sort_values("pooled_effect", key=abs, ascending=False)


def responses_by_person(windows: xr.Dataset, names: list[str], states: list[str]) -> pd.DataFrame:
    """Mean of some features for each person and state: columns ``feature subject state value``."""
    _require_states(windows, states)
    table = windows["feature"].sel(feature_name=names).to_pandas()
    table = table.assign(subject=windows["subject"].values, state=windows["label"].values)
    table = table[table["state"].isin(states)].groupby(["subject", "state"], sort=False).mean()
    return table.rename_axis(columns="feature").stack(future_stack=True).rename("value").reset_index()


def _require_states(windows: xr.Dataset, states: list[str]) -> None:
    present = sorted(set(windows["label"].values.tolist()))
    for state in states:
        if state not in present:
            raise InputError(
                f"no window of the state `{state}`; the states here are {', '.join(present) or 'none'}, so give more "
                "subjects or take it out of `classes`."
            )


def correlate(windows: xr.Dataset, names: list[str]) -> pd.DataFrame:
    """Rank correlation (feature, feature) of some features within people, ordered so that like stands beside like.

    Spearman's correlation after each person's mean was taken off; NaN where a feature never varies. The order is that
    of the leaves of average-linkage clustering with distance ``1 - |r|``.
    """
    table = windows["feature"].sel(feature_name=names).to_pandas().rename_axis(columns="feature")
    centred = table - table.groupby(windows["subject"].values).transform("mean")
    correlation = centred.corr(method="spearman")
    if len(names) < 3:
        return correlation
    distance = 1 - correlation.abs().fillna(0).to_numpy()
    distance = np.clip((distance + distance.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    order = leaves_list(linkage(squareform(distance), "average", optimal_ordering=True))
    return correlation.iloc[order, order]
