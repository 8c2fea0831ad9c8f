"""What moved an answer: exact contributions of features to the log odds of a linear model, and the largest in words."""

from typing import NamedTuple

import numpy as np

from wesadlib.errors import InputError
from wesadlib.models import Model
from wesadlib.models.calibration import Calibrated
from wesadlib.models.physiology import HEART, SATURATION, Physiology
from wesadlib.models.tabular import Logistic


class Contributions(NamedTuple):
    """What each feature adds to the log odds of the second of two states.

    Attributes
    ----------
    values : ndarray (window, feature_name)
        With `base` they sum to the model's own log odds.
    base : ndarray (window,)
        What is left where every feature is at its reference.
    difference : ndarray (window, feature_name)
        Each feature less its reference, in the feature's own unit; NaN where it is missing.
    """

    values: np.ndarray
    base: float
    difference: np.ndarray


def contributions(model: Model, feature: np.ndarray, rest: np.ndarray | None = None) -> Contributions:
    """Exact additive contributions to a linear model's answer.

    Parameters
    ----------
    model : fitted model
        Linear: ``logistic`` or ``physiology``, of two states, with a temperature or without; another is refused.
    feature : ndarray (window, feature_name)
        Of ``model.feature_names_``.
    rest : ndarray (window, value), optional
        As for ``model.predict_proba``; then references are the person's own rest, else what is usual among the people
        whom the model has learnt from.

    Returns
    -------
    Contributions
    """
    if isinstance(model, Calibrated):
        values, base, difference = contributions(model.model, feature, rest)
        return Contributions(values / model.temperature, base / model.temperature, difference)
    if not isinstance(model, Logistic) or len(model.classes) != 2:
        raise InputError(
            f"the model `{model.name}` cannot tell what moved its answers; a linear one of two states can."
        )
    if isinstance(model, Physiology):
        reference = np.broadcast_to(model.centre_ if rest is None else rest, feature.shape)
        scaled = SATURATION * np.tanh((feature - reference) / model.spread_ / SATURATION)
        # Where no heart rate is read the skin answers, with weights of its own.
        unread = np.isnan(scaled[:, [HEART]])
        weight = np.where(unread, model.skin_weight_, model.weight_)
        base = np.where(unread[:, 0], model.skin_intercept_, model.intercept_)
        return Contributions(np.nan_to_num(scaled) * weight, base, feature - reference)
    scaler, imputer, standard, classifier = (step for _, step in model.pipeline_.steps)
    moved = scaler.transform(feature) - (0 if rest is None else rest)
    weight = classifier.coef_[0] / standard.scale_
    # At rest nothing differs from rest; among strangers the mean of the windows learnt from is the usual.
    origin = standard.mean_ if rest is None else np.zeros(len(weight))
    base = classifier.intercept_[0] + weight @ (origin - standard.mean_)
    usual = np.sinh(origin if rest is None else rest) * scaler.scale_ + scaler.centre_
    return Contributions((imputer.transform(moved) - origin) * weight, np.full(len(feature), base), feature - usual)
