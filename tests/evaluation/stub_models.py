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


class Counting(Centroid):
    """Counts what it was trained for, an entry a fit."""

    name = "counting"
    fits: list[tuple[str, ...]] = []  # noqa: RUF012

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        self.fits.append((self.name, *sorted(set(train["subject"].values)), str(seed)))
        return super().fit(train, validation, seed=seed)


class CountingToo(Counting):
    """The same under another name, of other probabilities."""

    name = "counting_too"

    def predict_proba(self, windows, *, rest=None):
        return super().predict_proba(windows) ** 2 / (super().predict_proba(windows) ** 2).sum("state")


class Restful(Centroid):
    """Remembers whose windows at rest it was shown, when."""

    name = "restful"
    shown: list[dict] = []  # noqa: RUF012

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        self.fitted_ = {"taught": _span(train), "validated": _span(validation), "rest": _span(rest)}
        return super().fit(train, validation, seed=seed)

    def predict_proba(self, windows, *, rest=None):
        self.shown.append(self.fitted_ | {"tested": _span(windows), "rest_of_tested": _span(rest)})
        return super().predict_proba(windows)


class Failing(Centroid):
    """Cannot predict the people in `people`; with "all" it predicts nobody."""

    name = "failing"
    people: tuple[str, ...] = ()

    def predict_proba(self, windows, *, rest=None):
        if "all" in self.people or windows["subject"].values[0] in self.people:
            raise ValueError("no idea")
        return super().predict_proba(windows)


class Informed(Centroid):
    """Reads the share `belief` of a window's state from its signals' first sample, which tests put there."""

    name = "informed"
    belief = 0.9

    def predict_proba(self, windows, *, rest=None):
        right = windows["signal"].values[:, 0, 0].astype(float)
        stress = 0.5 + (self.belief - 0.5) * np.sign(right)
        columns = {"stress": stress, "baseline": 1 - stress}
        return xr.DataArray(
            np.stack([columns[state] for state in self.classes], axis=1),
            dims=("window", "state"),
            coords={"state": self.classes},
        )


class Ignorant(Informed):
    """Says a half, whatever it sees."""

    name = "ignorant"
    belief = 0.5


class Contrary(Informed):
    """Says the opposite."""

    name = "contrary"
    belief = 0.1


def _span(windows):
    if windows is None:
        return None
    subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values
    return {str(person): start_s[subject == person].tolist() for person in dict.fromkeys(subject)}


MODELS = (
    Centroid,
    Plain,
    Diverged,
    Fragile,
    Slow,
    Counting,
    CountingToo,
    Restful,
    Failing,
    Informed,
    Ignorant,
    Contrary,
)

for model in MODELS:
    register(model.name, f"stub_models:{model.__name__}")
