"""Models that are quick and known, for tests of what runs them; importable on a Ray worker."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.models import register


class Centroid:
    """Nearest class mean of each channel's mean; its epochs are counted on the validation windows."""

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
        loss = float(self._values(validation).sum()) + seed
        self.history_ = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0], "validation_loss": [loss, loss + 1]})
        self.best_epoch_ = 1
        for epoch in (1, 2):
            if progress:
                progress(epoch, 2, 2.0 / epoch, loss)
        self.seed_ = seed
        return self

    def predict_proba(self, windows, *, rest=None):
        scaled = (self._values(windows) - self.center_) / self.scale_
        distance = ((scaled[:, None] - self.means_) ** 2).sum(-1)
        odds = np.exp(-distance / distance.std() - 0.01 * self.seed_ * np.arange(len(self.classes)))
        return xr.DataArray(odds / odds.sum(1, keepdims=True), dims=("window", "state"), coords={"state": self.classes})

    @staticmethod
    def _values(windows):
        return windows["signal"].mean("time").values.astype(float)


class Fragile(Centroid):
    """Its process dies at people listed in FRAGILE_DIES, as often as the number after the colon says."""

    name = "fragile"

    def predict_proba(self, windows, *, rest=None):
        folder, subject = Path(os.environ["FRAGILE_FOLDER"]), str(windows["subject"].values[0])
        deaths = dict(entry.split(":") for entry in os.environ["FRAGILE_DIES"].split())
        trial = len(list(folder.glob(f"{subject}-*")))
        (folder / f"{subject}-{trial}").touch()
        if trial < int(deaths.get(subject, 0)):
            os._exit(1)
        return super().predict_proba(windows)


class Diverged(Centroid):
    """Gives no numbers."""

    name = "diverged"

    def predict_proba(self, windows, *, rest=None):
        return super().predict_proba(windows) * np.nan


class Slow(Centroid):
    """Takes long enough that two folds are run at once."""

    name = "slow"

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        time.sleep(0.5)
        return super().fit(train, validation, rest=rest, seed=seed, progress=progress)


for model in (Centroid, Fragile, Diverged, Slow):
    register(model.name, f"stub_models:{model.__name__}")
