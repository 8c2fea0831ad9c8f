"""The people behind the scores: how alike a person's windows are, and how each responds and is predicted."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from wesadlib.evaluation.predictions import decide, feature_column
from wesadlib.evaluation.protocols import non_overlapping

#: What is read of a window, and the ending of the feature that says it.
RESPONSES = {"eda": "_eda_log_level", "movement": "_acc_magnitude_sd"}

#: In an experimenter's notes: the person was not stressed, or did not believe the story that was to cause stress.
DOUBT = "not really stressed|really believe"


def tabulate_responses(
    windows: xr.Dataset,
    cold: pd.DataFrame,
    shuffled: pd.DataFrame,
    cohort: pd.DataFrame,
    *,
    judges: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """How people respond and are predicted, hardest first, by predictions of the same models and the cohort's table.

    Who is hard, predictions of other models say, the `judges`, where there are any: whoever is picked by a score scores
    higher by chance when looked at again, whatever is changed.
    Indexed by subject: ``cold shuffled`` (accuracy by a cold start and of shuffled windows, mean over models and
    seeds), ``eda`` (logarithm of the skin conductance level, so that 0.69 is twice as high) and ``movement`` (g;
    standard deviation of the acceleration's magnitude), each the mean of stress less baseline's, ``stai`` (points,
    likewise), ``notes``, and ``doubted``: whether the notes doubt that the person was stressed. NaN where device or
    questionnaire do not say.
    """
    table = pd.DataFrame({"cold": _accuracy(cold), "shuffled": _accuracy(shuffled)})
    for name, ending in RESPONSES.items():
        table[name] = _response(windows, ending).reindex(table.index)
    notes = cohort.set_index("subject").reindex(table.index)
    asked = {"stai_stress", "stai_baseline"} <= set(notes.columns)
    table["stai"] = notes["stai_stress"] - notes["stai_baseline"] if asked else float("nan")
    table["notes"] = notes["notes"].fillna("") if "notes" in notes.columns else ""
    table["doubted"] = table["notes"].str.contains(DOUBT)
    judged = table["cold"] if judges is None or judges.empty else _accuracy(judges).reindex(table.index)
    return table.rename_axis("subject").loc[judged.sort_values(kind="stable").index]


def _accuracy(predictions: pd.DataFrame) -> pd.Series:
    by_model = decide(predictions).groupby(["model", "subject"], sort=False)["correct"].mean()
    return by_model.groupby(level="subject", sort=False).mean()


def _response(windows: xr.Dataset, ending: str) -> pd.Series:
    value = pd.Series(feature_column(windows, ending))
    keys = [pd.Series(windows[name].values.astype(str)) for name in ("subject", "label")]
    means = value.groupby(keys).mean().unstack().reindex(columns=["stress", "baseline"])
    return means["stress"] - means["baseline"]


def nearest_people(windows: xr.Dataset) -> pd.DataFrame:
    """Whose the most similar other window is, of those that do not overlap: how often, a row and a column a person."""
    windows = windows.isel(window=non_overlapping(windows, float(windows.attrs["window_s"])))
    subject = windows["subject"].values.astype(str)
    scale = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), RobustScaler())
    values = np.arcsinh(scale.fit_transform(windows["feature"].values))
    nearest = NearestNeighbors(n_neighbors=1, metric="manhattan").fit(values).kneighbors(return_distance=False)[:, 0]
    people = list(dict.fromkeys(subject))
    return pd.crosstab(subject, subject[nearest]).reindex(index=people, columns=people, fill_value=0)


def tabulate_people(people: pd.DataFrame) -> pd.DataFrame:
    """Rows of :func:`tabulate_responses` as text, to be read."""

    def text(values: pd.Series, form: str) -> pd.Series:
        return values.map(lambda value: form.format(value) if value == value else "–")

    return pd.DataFrame(
        {
            "left out, %": text(100 * people["cold"], "{:.0f}"),
            "shuffled, %": text(100 * people["shuffled"], "{:.0f}"),
            "skin conductance, times": text(np.exp(people["eda"]), "{:.2f}"),
            "movement, g": text(people["movement"], "{:+.3f}"),
            "anxiety reported, points": text(people["stai"], "{:+.0f}"),
            "experimenters' note": people["notes"],
        }
    ).rename_axis("person")


def describe_people(people: pd.DataFrame, worst: Sequence[str]) -> str:
    """Whom the experimenters doubted, who was anxious, whose skin responds least, what shuffling does to `worst`."""
    doubted, skin, anxiety = people.index[people["doubted"]], people["eda"].dropna(), people["stai"].dropna()
    sentences = ["No note doubts that anybody was stressed."]
    if len(doubted):
        scores = " and ".join(
            f"{person} has an accuracy of {100 * people.loc[person, 'cold']:.0f} %" for person in doubted
        )
        sentences = [
            f"The experimenters doubted that {', '.join(doubted)} was stressed; {scores}; the mean of all is "
            f"{100 * people['cold'].mean():.0f} %."
        ]
    if len(anxiety):
        sentences.append(
            f"{int((anxiety > 0).sum())} of the {len(anxiety)} people who were asked report more anxiety after stress "
            "than after baseline."
        )
    if len(skin):
        flat, cold = skin.idxmin(), 100 * people.loc[skin.idxmin(), "cold"]
        sentences.append(f"The skin of {flat} responds least; {flat} has an accuracy of {cold:.0f} %.")
    gain = people.loc[list(worst), "shuffled"].mean() - people.loc[list(worst), "cold"].mean()
    sentences.append(f"Shuffling windows changes the accuracy on {', '.join(worst)} by {100 * gain:+.0f} points.")
    return " ".join(sentences)


def describe_dropped(cold: pd.DataFrame, kept: pd.DataFrame, worst: Sequence[str]) -> str:
    """Whose the windows are that one model's predictions lost when the unsure ones were dropped."""
    dropped, every = (
        100 * part["subject"].isin(worst).mean() for part in (cold[~cold["window"].isin(kept["window"])], cold)
    )
    return f"{', '.join(worst)}: {every:.0f} % of all windows, and {dropped:.0f} % of those dropped."
