"""Controls under an honest protocol: labels that mean nothing, movement alone, and all but movement."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.evaluation.audit.shortcuts import cold_folds, predict, tag
from wesadlib.evaluation.folds import windows_of_classes
from wesadlib.evaluation.protocols import subjects_of
from wesadlib.params import Params

#: Control -> what is done.
CONTROLS = {
    "shuffled_labels": "labels shuffled within each person who is learnt from",
    "motion_only": "acceleration alone",
    "without_motion": "everything but acceleration",
}


def shuffled_labels(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seeds: Sequence[int], **options: Any
) -> pd.DataFrame:
    """A cold start whose training labels are shuffled within each person: without a leak it cannot beat chance.

    Each seed is a shuffle and a fit. Predictions have the true labels and are tagged as a control.
    """
    windows = windows_of_classes(windows, params.classes)
    truth = windows["label"].values.astype(str)
    subject = windows["subject"].values.astype(str)
    parts = []
    for seed in seeds:
        generator, label = np.random.default_rng(seed), truth.copy()
        for person in subjects_of(windows):
            label[subject == person] = generator.permutation(label[subject == person])
        relabelled = windows.assign_coords(label=("window", label))
        part = predict(
            list(models), "cold_start", seed, cold_folds(windows, params, seed), relabelled, params, **options
        )
        label_of = pd.Series(truth, windows["position"].values)
        parts.append(part.assign(label=label_of.loc[part["window"]].to_numpy()))
    return tag(pd.concat(parts, ignore_index=True), "shuffled_labels", "control")


def motion(
    windows: xr.Dataset, models: Sequence[str], params: Params, *, seed: int = 0, **options: Any
) -> pd.DataFrame:
    """Cold starts on acceleration alone and on all but it, by the same folds, tagged as controls."""
    windows = windows_of_classes(windows, params.classes)
    parts = []
    for name, wanted in (("motion_only", True), ("without_motion", False)):
        seen = select_motion(windows, wanted)
        part = predict(list(models), "cold_start", seed, cold_folds(windows, params, seed), seen, params, **options)
        parts.append(tag(part, name, "control"))
    return pd.concat(parts, ignore_index=True)


def select_motion(windows: xr.Dataset, wanted: bool) -> xr.Dataset:
    """Windows with the channels and features of acceleration only, or with all others."""
    for dimension in ("channel", "feature_name"):
        if dimension not in windows.dims:
            continue
        names = windows[dimension].values.astype(str)
        chosen = np.array(["_acc_" in name for name in names]) == wanted
        if not chosen.any():
            raise InputError(
                f"no {dimension.replace('_', ' ')} {'of' if wanted else 'but those of'} acceleration among "
                f"{', '.join(names[:8])}; this control needs both."
            )
        windows = windows.isel({dimension: chosen})
    return windows
