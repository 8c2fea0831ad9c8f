"""The table of predictions, a row a window, model and seed: which rows belong together, and what each comes to."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.linear_model import LogisticRegression

from wesadlib.errors import InputError
from wesadlib.evaluation.statistics import ratio_interval

#: Columns that say which predictions belong together; seeds of one group are scored one by one and averaged.
GROUP = ["task", "model", "protocol"]

#: Before a probability's column: what the model gave before its temperature.
RAW = "raw_"


def list_people(predictions: pd.DataFrame) -> list[str]:
    """People of predictions, S2 before S10, so that draws of them do not depend on the order of rows."""
    return sorted(predictions["subject"].unique(), key=lambda person: (len(person), person))


def groups(predictions: pd.DataFrame, by: Sequence[str] = ()) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Predictions that belong together, task by task, model by model, with the names that they share."""
    if predictions.empty:
        raise InputError("no predictions to score; evaluate a model first.")
    names = [*GROUP, *by]
    for keys, group in predictions.groupby(names, sort=False):
        if group.groupby("seed")["window"].agg(frozenset).nunique() > 1:
            raise InputError(f"{', '.join(keys)}: its seeds cover different windows; evaluate it again.")
        yield dict(zip(names, keys, strict=True)), group


def filter_predictions(
    predictions: pd.DataFrame, task: str | None = None, protocol: str | None = None, model: str | None = None
) -> pd.DataFrame:
    """Predictions of one task, protocol or model, without columns of other tasks' states; none is an error."""
    for name, value in {"task": task, "protocol": protocol, "model": model}.items():
        if value is None:
            continue
        chosen = predictions[predictions[name] == value]
        if chosen.empty:
            present = ", ".join(map(str, dict.fromkeys(predictions[name]))) or "none"
            raise InputError(f"no prediction with {name} `{value}`; there are those of {present}.")
        predictions = chosen
    absent = [name for name in predictions.columns if name.startswith("p_") and predictions[name].isna().all()]
    return predictions.drop(columns=absent)


def as_given(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions as models gave them, before any temperature."""
    raw = [name for name in predictions.columns if name.startswith(RAW)]
    given = {name.removeprefix(RAW): predictions[name].fillna(predictions[name.removeprefix(RAW)]) for name in raw}
    return predictions.assign(**given).drop(columns=raw)


def main_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions of the task and protocol that come first in the table: the run's own, which chapters speak of.

    They are without people of whom a fold failed (:func:`of_every_seed`).
    """
    if predictions.empty:
        raise InputError("no predictions; evaluate a model first.")
    first = predictions.iloc[0]
    return of_every_seed(filter_predictions(predictions, task=first["task"], protocol=first["protocol"]))


def of_every_seed(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions without people of whom a fold failed, so that means of seeds are of the same people."""
    of_group = predictions.groupby(GROUP)["seed"].transform("nunique")
    of_person = predictions.groupby([*GROUP, "subject"])["seed"].transform("nunique")
    return predictions[of_person == of_group]


def select_windows(predictions: pd.DataFrame, windows: str) -> pd.DataFrame:
    """Predictions of "all" windows or of those "accepted" by quality."""
    if windows not in ("all", "accepted"):
        raise InputError(f'windows={windows!r}: either "all" or "accepted".')
    return predictions if windows == "all" else predictions[predictions["accepted"]]


def probabilities(predictions: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """States and probabilities (row, state) of predictions of one task; columns of other tasks' states are left out."""
    columns = [name for name in predictions.columns if name.startswith("p_") and predictions[name].notna().any()]
    return [name[2:] for name in columns], predictions[columns].to_numpy(float)


def decide(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions of one task with what each row comes to: ``predicted confidence correct``."""
    states, probability = probabilities(predictions)
    predicted = np.array(states, dtype=object)[probability.argmax(1)] if len(predictions) else np.empty(0, object)
    confidence = probability.max(1) if len(predictions) else np.empty(0)
    correct = predicted == predictions["label"].to_numpy(object)
    return predictions.assign(predicted=predicted, confidence=confidence, correct=correct)


def clock_alone(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions of the model ``clock`` of the same windows: a logistic regression of hours, learnt on others."""
    windows = predictions.drop_duplicates("window").assign(model="clock")
    hours = windows[["start_s"]].to_numpy() / 3600
    for person in windows["subject"].unique():
        of_person = (windows["subject"] == person).to_numpy()
        clock = LogisticRegression(C=1e4, max_iter=1000).fit(hours[~of_person], windows["label"][~of_person])
        windows.loc[of_person, [f"p_{state}" for state in clock.classes_]] = clock.predict_proba(hours[of_person])
    return windows


def early_and_late(predictions: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """False alarms of each model in the first and in the second half of everybody's rest, as a share of windows."""
    calm = decide(predictions[predictions["label"] == "baseline"])
    middle = calm.groupby("subject")["start_s"].transform("median")
    calm = calm.assign(wrong=~calm["correct"], half=np.where(calm["start_s"] < middle, "early", "late"))
    columns = ["model", "half", "n_windows", "false_alarms", "false_alarms_low", "false_alarms_high"]
    rows = []
    for (model, half), part in calm.groupby(["model", "half"], sort=False):
        by_person = part.groupby("subject")["wrong"].agg(["sum", "size"]).loc[list_people(part)]
        low, high = map(float, ratio_interval(by_person["sum"], by_person["size"], bootstrap=bootstrap))
        rows.append((model, half, part["window"].nunique(), part["wrong"].mean(), low, high))
    return pd.DataFrame(rows, columns=columns)


def distinct_minutes(predictions: pd.DataFrame, window_s: float) -> float:
    """Minutes that windows cover, each counted once although they overlap."""
    windows = predictions.drop_duplicates("window").sort_values(["subject", "start_s"])
    step = windows.groupby("subject")["start_s"].diff(-1).abs().fillna(window_s)
    return float(step.clip(upper=window_s).sum() / 60)


def timeline(windows: xr.Dataset, predictions: pd.DataFrame, subject: str, state: str = "stress") -> pd.DataFrame:
    """One person's windows in the order of time, with the signals that carry stress and what models said of each.

    ``minute`` is of the window's middle, ``p_<model>`` the probability of `state`, mean of the seeds; of a signal that
    the device lacks there are NaN.
    """
    of_person = predictions[predictions["subject"] == subject]
    if of_person.empty:
        raise InputError(
            f"no prediction of {subject}; there are those of {', '.join(predictions['subject'].unique())}."
        )
    claims = of_person.groupby(["window", "model"])[f"p_{state}"].mean().unstack("model").add_prefix("p_")
    windows_of_person = of_person.drop_duplicates("window").set_index("window")[["start_s", "label", "accepted"]]
    chosen = windows.isel(window=windows_of_person.index.to_numpy())
    table = windows_of_person.assign(
        minute=(windows_of_person["start_s"] + windows.attrs["window_s"] / 2) / 60,
        eda=feature_column(chosen, "_eda_mean"),
        heart_rate=feature_column(chosen, "_heart_rate"),
    )
    return table.join(claims).sort_values("minute").drop(columns="start_s")


def feature_column(windows: xr.Dataset, ending: str) -> np.ndarray:
    """The first feature (window,) whose name ends so; NaN where there is none."""
    place = next((k for k, name in enumerate(windows["feature_name"].values) if name.endswith(ending)), None)
    return np.full(windows.sizes["window"], np.nan) if place is None else windows["feature"][:, place].values
