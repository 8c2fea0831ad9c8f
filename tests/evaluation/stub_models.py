"""Models that are quick and known, for tests of what runs them; shipped to Ray workers by value."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_info

from wesadlib.models import register


class Centroid:
    """Nearest mean of the channels' means; its losses are sums over what it was given to train and to validate on."""

    name = "centroid"

    def __init__(self, classes):
        self.classes = list(classes)

    @classmethod
    def from_params(cls, params):
        return cls(params.classes)

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        values, label = self._values(train), train["label"].values
        self.center_, self.scale_ = values.mean(0), values.std(0)
        scaled = (values - self.center_) / self.scale_
        self.means_ = np.stack([scaled[label == state].mean(0) for state in self.classes])
        self.trained_on_ = sorted(set(train["subject"].values))
        self.validated_on_ = sorted(set(validation["subject"].values)) if validation is not None else None
        self.threads_ = [pool["num_threads"] for pool in threadpool_info()]
        self.seed_, self.best_epoch_ = seed, 1
        loss = float(values.sum()), float(self._values(validation).sum()) if validation is not None else np.nan
        self.history_ = pd.DataFrame({"epoch": [1, 2], "train_loss": loss[0], "validation_loss": loss[1]})
        for epoch in (1, 2):
            if progress:
                progress(epoch, 2, *loss)
        return self

    def predict_proba(self, windows, *, rest=None):
        scaled = (self._values(windows) - self.center_) / self.scale_
        distance = ((scaled[:, None] - self.means_) ** 2).sum(-1)
        # Bounded, so that nonsense gives a probability all the same.
        odds = np.exp(-np.tanh(distance / 100) - 0.1 * self.seed_ * np.arange(len(self.classes)))
        return xr.DataArray(odds / odds.sum(1, keepdims=True), dims=("window", "state"), coords={"state": self.classes})

    @staticmethod
    def _values(windows):
        return windows["signal"].mean("time").values.astype(float)


class Plain(Centroid):
    """Has nothing to stop and keeps no history."""

    name = "plain"
    validates = False

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        super().fit(train, validation, seed=seed)
        del self.history_
        return self


class Diverged(Centroid):
    """Gives no numbers."""

    name = "diverged"

    def predict_proba(self, windows, *, rest=None):
        return super().predict_proba(windows) * np.nan


class Fragile(Centroid):
    """Its process dies at each person of `deaths`, as often as is said there; `folder` remembers."""

    name = "fragile"
    folder = Path()
    deaths: dict[str, int] = {}  # noqa: RUF012

    def predict_proba(self, windows, *, rest=None):
        subject = str(windows["subject"].values[0])
        tried = len(list(self.folder.glob(f"{subject}-*")))
        (self.folder / f"{subject}-{tried}").touch()
        if tried < self.deaths.get(subject, 0):
            os._exit(1)
        return super().predict_proba(windows)


class Slow(Centroid):
    """Takes long enough that two folds run at once."""

    name = "slow"

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        time.sleep(0.3)
        return super().fit(train, validation, seed=seed, progress=progress)


for model in (Centroid, Plain, Diverged, Fragile, Slow):
    register(model.name, f"stub_models:{model.__name__}")
