"""How far one person lies from the people that a model has learnt from, the unit being the person."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from wesadlib.data.devices import SIGNAL_NAMES
from wesadlib.drift.alarm import feature_columns

_SIGNALS = SIGNAL_NAMES | {"acc": "movement"}
#: Statistics that have plainer names than their own; of a level the signal's name is enough.
_STATISTICS = {
    "mean": "",
    "log_level": "logarithm",
    "sd": "variation",
    "magnitude_interquartile_range": "interquartile range",
    "magnitude_sd": "variation",
    "magnitude_mean": "gravity and movement",
    "heart_rate": "rate",
    "regular_share": "regular beats",
    "phasic_sd": "quick changes",
    "relative_phasic_sd": "quick changes, relative",
    "scr_rate": "responses a minute",
    "scr_amplitude": "size of responses",
    "scr_amplitude_sum": "sum of responses a minute",
    "peak_rate": "peaks a minute",
}


def compare_person(
    reference: pd.DataFrame, features: pd.DataFrame, leave_out: Sequence[str] = (), units: Mapping[str, str] = {}
) -> pd.DataFrame:
    """Hold one person's mean of each feature against the means of the people of a reference, of :func:`make_reference`.

    `features` has a row a window of the person, a column a feature; `leave_out` are features that cannot be compared,
    as of a channel in another unit; `units` map a feature to its unit. A row a feature comes back, the strangest first:
    ``feature unit person lowest median highest``, the last three of the people of the reference; ``people``, how many
    have the feature; ``place``, "lower" or "higher" where the person lies outside all of them, else ""; ``distance``,
    from their median in their standard deviations.
    """
    names = [name for name in feature_columns(reference) if name in features and name not in leave_out]
    people = reference.groupby("subject")[names].mean()
    person = features[names].mean()
    table = pd.DataFrame(
        {
            "unit": [units.get(name, "") for name in names],
            "person": person,
            "lowest": people.min(),
            "median": people.median(),
            "highest": people.max(),
            "people": people.notna().sum(),
            "place": np.select([person < people.min(), person > people.max()], ["lower", "higher"], ""),
            "distance": (person - people.median()) / people.std().where(lambda spread: spread > 0),
        }
    )
    order = pd.DataFrame({"inside": table["place"] == "", "near": -table["distance"].abs()})
    table = table.loc[order.sort_values(["inside", "near"], kind="stable").index]
    return table[table["person"].notna() & (table["people"] > 0)].rename_axis("feature").reset_index()


def describe_person(table: pd.DataFrame) -> str:
    """Say in a sentence where a person lies outside all people of the reference, by :func:`compare_person`."""
    if table.empty:
        return "Nothing of this person can be compared with the training people."
    people, outside = int(table["people"].max()), table[table["place"] != ""]
    if outside.empty:
        return f"In every reading compared, this person lies within the range of the {people} training people."
    # The strangest of each sensor: what else is strange of it says the same again.
    sensors = outside.groupby(outside["feature"].str.split("_").str[1], sort=False).head(1)
    parts = [f"{describe_feature(row.feature)} {row.place}" for row in sensors.head(3).itertuples()]
    return (
        f"Unlike all {people} training people: {', '.join(parts)} ({len(outside)} of {len(table)} "
        "readings lie outside theirs)."
    )


def describe_feature(feature: str) -> str:
    """A feature's name in words: ``wrist_acc_x_sd`` reads "movement (variation, x)"."""
    _, signal, statistic = feature.split("_", 2)
    axis, _, of_axis = statistic.partition("_")
    statistic, ending = (of_axis, f", {axis}") if axis in ("x", "y", "z") else (statistic, "")
    words = _STATISTICS.get(statistic, statistic.replace("_", " "))
    words = f"{words or 'mean'}{ending}" if ending else words
    return f"{_SIGNALS.get(signal, signal)} ({words})" if words else _SIGNALS.get(signal, signal)
