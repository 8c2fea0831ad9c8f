"""Models that are quick and known, for tests of what runs them; shipped to Ray workers by value."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_info

from wesadlib import models
from wesadlib.models import register


class Centroid:
    """Nearest mean of the channels' means; its losses are sums over what it was given to train and to validate on."""

    name = "centroid"
    feature_names_ = ()
    rest_size_ = 0

    def __init__(self, classes):
        self.classes = list(classes)

    @classmethod
    def from_params(cls, params):
        return cls(params.classes)

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        self.channels_, self.rate_hz_, self.uses_rest_ = train.channels, train.rate_hz, rest is not None
        values, label = self._values(train.signal), train.label
        self.center_, self.scale_ = values.mean(0), values.std(0)
        scaled = (values - self.center_) / self.scale_
        self.means_ = np.stack([scaled[label == state].mean(0) for state in self.classes])
        self.trained_on_, self.validated_on_ = sorted(set(train.subject)), None
        loss = [float(values.sum()), np.nan]
        if validation is not None:
            self.validated_on_ = sorted(set(validation.subject))
            loss[1] = float(self._values(validation.signal).sum())
        self.seen_ = {*self.trained_on_, *(self.validated_on_ or ())}
        self.threads_ = [pool["num_threads"] for pool in threadpool_info()]
        self.seed_, self.best_epoch_ = seed, 1
        self.history_ = pd.DataFrame({"epoch": [1, 2], "train_loss": loss[0], "validation_loss": loss[1]})
        for epoch in (1, 2):
            if progress:
                progress(epoch, 2, *loss)
        return self

    def predict_proba(self, signal, feature, rest=None):
        scaled = (self._values(signal) - self.center_) / self.scale_
        distance = ((scaled[:, None] - self.means_) ** 2).sum(-1)
        # Bounded, so that nonsense gives a probability all the same.
        odds = np.exp(-np.tanh(distance / 100) - 0.1 * self.seed_ * np.arange(len(self.classes)))
        return odds / odds.sum(1, keepdims=True)

    def rest_values(self, signal, feature):
        return self._values(signal).mean(0)

    @staticmethod
    def _values(signal):
        return signal.mean(-1).astype(float)


class Plain(Centroid):
    """Has nothing to stop and keeps no history."""

    name = "plain"
    validates = False

    def fit(self, *examples, **options):
        super().fit(*examples, **options)
        del self.history_
        return self


class Diverged(Centroid):
    """Gives no numbers."""

    name = "diverged"

    def predict_proba(self, signal, feature, rest=None):
        return super().predict_proba(signal, feature, rest) * np.nan


class Fragile(Centroid):
    """Of the people S2 to S6, its process dies at each of `deaths`, as often as is said there; `folder` remembers."""

    name = "fragile"
    folder = Path()
    deaths: dict[str, int] = {}  # noqa: RUF012

    def predict_proba(self, signal, feature, rest=None):
        (subject,) = {f"S{k}" for k in range(2, 7)} - self.seen_
        tried = len(list(self.folder.glob(f"{subject}-*")))
        (self.folder / f"{subject}-{tried}").touch()
        if tried < self.deaths.get(subject, 0):
            os._exit(1)
        return super().predict_proba(signal, feature, rest)


class Slow(Centroid):
    """Takes long enough that two folds run at once."""

    name = "slow"

    def fit(self, *examples, **options):
        time.sleep(0.3)
        return super().fit(*examples, **options)


class Counting(Centroid):
    """Counts what it was trained for, an entry a fit."""

    name = "counting"
    fits: list[tuple[str, ...]] = []  # noqa: RUF012

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        self.fits.append((self.name, *sorted(set(train.subject)), str(seed)))
        return super().fit(train, validation, rest=rest, seed=seed)


class CountingToo(Counting):
    """The same under another name, of other probabilities."""

    name = "counting_too"

    def predict_proba(self, signal, feature, rest=None):
        squares = super().predict_proba(signal, feature, rest) ** 2
        return squares / squares.sum(1, keepdims=True)


class Restful(Centroid):
    """Remembers whose windows at rest it was shown, when; `spy_on_predictions` adds what it predicts."""

    name = "restful"

    def fit(self, train, validation, *, rest=None, seed, progress=None):
        self.fitted_ = {"taught": _span(train), "validated": _span(validation), "rest": _span(rest)}
        return super().fit(train, validation, rest=rest, seed=seed)


class Failing(Centroid):
    """Cannot predict when it has not seen all the people in `people`; with "all" it predicts nobody."""

    name = "failing"
    people: tuple[str, ...] = ()

    def predict_proba(self, signal, feature, rest=None):
        if "all" in self.people or set(self.people) - self.seen_:
            raise ValueError("no idea")
        return super().predict_proba(signal, feature, rest)


class Informed(Centroid):
    """Reads the share `belief` of a window's state from its signals' first sample, which tests put there."""

    name = "informed"
    belief = 0.9

    def predict_proba(self, signal, feature, rest=None):
        stress = 0.5 + (self.belief - 0.5) * np.sign(signal[:, 0, 0].astype(float))
        columns = {"stress": stress, "baseline": 1 - stress}
        return np.stack([columns[state] for state in self.classes], axis=1)


class Ignorant(Informed):
    """Says a half, whatever it sees."""

    name = "ignorant"
    belief = 0.5


class Contrary(Informed):
    """Says the opposite."""

    name = "contrary"
    belief = 0.1


def spy_on_predictions(monkeypatch, shown):
    """Append to `shown` what each :class:`Restful` was fitted with and is asked to predict."""
    predict = models.predict

    def spy(model, examples, rest=None):
        shown.append(model.fitted_ | {"tested": _span(examples), "rest_of_tested": _span(rest)})
        return predict(model, examples, rest)

    monkeypatch.setattr(models, "predict", spy)


def _span(examples):
    if examples is None:
        return None
    subject, start_s = examples.subject, examples.start_s
    return {str(person): start_s[subject == person].tolist() for person in dict.fromkeys(subject)}


for model in [value for value in vars().values() if isinstance(value, type) and issubclass(value, Centroid)]:
    register(model.name, f"stub_models:{model.__name__}")
