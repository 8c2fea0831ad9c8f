"""What the small model is held against on other labs: no learning at all, and one that is shown whom it will meet."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from lab_windows import STATES
from sklearn.linear_model import LogisticRegression
from transfer import at_rest, examples_of

from wesadlib.models import Model, create
from wesadlib.models.base import mean_of_known, positions, rest_of_each
from wesadlib.models.physiology import Physiology, choose_features
from wesadlib.params import Params


class HeartAndSkin(Physiology):
    """The heart's difference from rest plus the mean of the skin's five, unweighted; only where zero lies is learnt."""

    name = "sum"
    _sum = np.array([[1.0, 0.2, 0.2, 0.2, 0.2, 0.2]])

    def _fit_weights(self, difference: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted = LogisticRegression(class_weight="balanced").fit(difference @ self._sum.T, target)
        return fitted.coef_ * self._sum, fitted.intercept_


class Coral(Physiology):
    """Differences recoloured to the covariance of the people to be tested (Sun et al. 2016), whose windows it all sees.

    No device could: it needs everybody's windows before the first is answered.
    """

    name = "coral"

    def __init__(self, classes: Sequence[str], table: pd.DataFrame):
        super().__init__(classes)
        examples, rest = examples_of(table), examples_of(at_rest(table))
        columns = positions(choose_features(examples.feature_names), examples.feature_names, "feature")
        at = rest.feature[:, columns]
        rested = examples.take(np.isin(examples.subject, rest.subject))
        centre = rest_of_each(lambda theirs: mean_of_known(at[theirs]), rest, rested.subject)
        self._towards = {False: examples.feature[:, columns], True: rested.feature[:, columns] - centre}

    def _fit_weights(self, difference: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centre = 0.0 if self.uses_rest_ else self.centre_
        towards = np.nan_to_num(self._differences(self._towards[self.uses_rest_], centre))
        recolour = _power(difference, -0.5) @ _power(towards, 0.5)
        weight, intercept = super()._fit_weights(difference @ recolour, target)
        return weight, intercept


def _power(values: np.ndarray, exponent: float) -> np.ndarray:
    # A unit's worth of variance is added, as the method's authors do, lest a direction without any be blown up.
    scale, directions = np.linalg.eigh(np.cov(values.T) + np.eye(values.shape[1]))
    return (directions * scale**exponent) @ directions.T


def make_model(name: str, target: pd.DataFrame, params: Params) -> Model:
    """An unfitted model by its name; `target` is the table of the people that it will be tested on."""
    if name == HeartAndSkin.name:
        return HeartAndSkin(STATES)
    if name == Coral.name:
        return Coral(STATES, target)
    return create(name, params)
