"""Controls under an honest protocol: labels that mean nothing, the clock, and one family of sensors at a time."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.evaluation.audit.shortcuts import cold_folds, predict, tag
from wesadlib.evaluation.folds import task_name, windows_of_classes
from wesadlib.evaluation.predictions import clock_alone, filter_predictions
from wesadlib.evaluation.protocols import ColdStart, subjects_of
from wesadlib.params import Params

_ALL = {"acc", "bvp", "ecg", "eda", "emg", "resp", "temp"}
#: Control -> what is seen, in the order in which they are shown, and the signals of a family.
CONTROLS = {
    "cold_start": ("all sensors", None),
    "without_motion": ("without acceleration", _ALL - {"acc"}),
    "without_drift": ("without skin level, temperature", _ALL - {"temp"}),
    "heart_and_skin": ("heart and skin", {"bvp", "ecg", "eda"}),
    "heart_only": ("heart alone", {"bvp", "ecg"}),
    "skin_only": ("skin conductance alone", {"eda"}),
    "breathing_only": ("breathing alone", {"resp"}),
    "muscle_only": ("muscle alone", {"emg"}),
    "temperature_only": ("temperature alone", {"temp"}),
    "motion_only": ("acceleration alone", {"acc"}),
    "clock_only": ("the clock alone", None),
    "shuffled_labels": ("labels shuffled", None),
}
#: Features that say how high skin conductance is, which rises and falls over an hour whatever happens.
_LEVEL = ("_eda_mean", "_eda_log_level")


def run_controls(windows: xr.Dataset, predictions: pd.DataFrame, params: Params, **options: Any) -> pd.DataFrame:
    """Every control that the device allows, by a run's first seed, beside all sensors, which its `predictions` hold."""
    seed, slow = params.seeds[0], params.control_networks
    quick = list(dict.fromkeys(["logistic", params.audit_models[0]]))
    trained = predictions[predictions["seed"] == seed]
    cold = filter_predictions(trained, task_name(params.classes), ColdStart.name)
    windows = windows_of_classes(windows, params.classes)
    run = partial(predict, seed=seed, params=params, **options)
    parts = [
        tag(cold[cold["model"].isin([*quick, *slow])], "cold_start", "control"),
        tag(clock_alone(cold), "clock_only", "control"),
        tag(shuffled_labels(windows, params, **options), "shuffled_labels", "control"),
    ]
    for name, (_, signals) in CONTROLS.items():
        if signals and (seen := select_family(windows, name)) is not None:
            models = [*quick, *(slow if name == "heart_and_skin" else ())]
            table = run(models, ColdStart.name, cold_folds(windows, params, seed), windows=seen)
            parts.append(tag(table, name, "control"))
    return pd.concat(parts, ignore_index=True)


def shuffled_labels(windows: xr.Dataset, params: Params, seeds: Sequence[int] = range(10), **options) -> pd.DataFrame:
    """A cold start whose training labels are shuffled within each person: without a leak it cannot beat chance."""
    truth, subject = (windows[name].values.astype(str) for name in ("label", "subject"))
    parts = []
    for seed in seeds:
        generator, label = np.random.default_rng(seed), truth.copy()
        for person in subjects_of(windows):
            label[subject == person] = generator.permutation(label[subject == person])
        relabelled, folds = windows.assign_coords(label=("window", label)), cold_folds(windows, params, seed)
        parts.append(
            predict(["logistic"], ColdStart.name, folds, seed=seed, windows=relabelled, params=params, **options)
        )
    table = pd.concat(parts, ignore_index=True)
    return table.assign(label=pd.Series(truth, windows["position"].values).loc[table["window"]].to_numpy())


def select_family(windows: xr.Dataset, control: str) -> xr.Dataset | None:
    """Windows with the channels and features that a control sees; None where these are none or all."""
    drifts = control == "without_drift"
    # A signal has a level, whatever features are taken away.
    windows = windows.drop_dims("channel") if drifts else windows
    for dimension in {"channel", "feature_name"} & set(windows.dims):
        names = windows[dimension].values.astype(str)
        chosen = np.array([name.split("_")[1] in CONTROLS[control][1] for name in names])
        chosen &= [not (drifts and name.endswith(_LEVEL)) for name in names]
        if not chosen.any() or chosen.all():
            return None
        windows = windows.isel({dimension: chosen})
    return windows
