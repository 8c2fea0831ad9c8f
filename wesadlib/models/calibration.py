"""Confidence that is worth what it says: one temperature, found on windows of people whom the model has not seen."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

#: Temperatures that are looked among: below 1 probabilities become bolder, above 1 more timid.
RANGE = (0.05, 20.0)


def fit_temperature(probability: np.ndarray, target: np.ndarray) -> float:
    """Temperature, to three digits, of the least log loss (Guo et al. 2017) of people held out.

    Probabilities are (window, state), `target` the number of each window's state (window,).
    """

    def loss(log_temperature: float) -> float:
        chosen = apply_temperature(probability, np.exp(log_temperature))[np.arange(len(target)), target]
        return -np.log(np.clip(chosen, 1e-12, 1)).mean()

    best = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-4})
    return float(f"{np.exp(best.x):.3g}")


def apply_temperature(probability: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Probabilities (window, state), log odds divided by a temperature, or one a window (window, 1); order stays.

    >>> apply_temperature(np.array([[0.8, 0.2]]), 0.5).round(4).tolist()
    [[0.9412, 0.0588]]
    """
    return softmax(np.log(np.clip(probability, 1e-12, 1)) / temperature, axis=1)


class Calibrated:
    """A fitted model whose probabilities get a temperature; in all else it is the model itself."""

    def __init__(self, model: Any, temperature: float):
        self.model, self.temperature = model, temperature

    @classmethod
    def wrap(cls, model: Any, temperatures: Mapping[str, float]) -> Self:
        """By temperatures of the model's name and, of a mean, of its members', which are averaged with theirs."""
        if hasattr(model, "members"):
            model.members = {name: cls(member, temperatures[name]) for name, member in model.members.items()}
        return cls(model, temperatures[model.name])

    def __getattr__(self, name: str) -> Any:
        if name == "model":
            # While it is unpickled there is none yet.
            raise AttributeError(name)
        return getattr(self.model, name)

    def predict_proba(self, *args: Any, **options: Any) -> np.ndarray:
        """Probabilities (window, state)."""
        return apply_temperature(self.model.predict_proba(*args, **options), self.temperature)


def from_log_odds(score: np.ndarray) -> np.ndarray:
    """Probabilities (window, 2) of log odds (window,) of the second state."""
    positive = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
    return np.column_stack([1 - positive, positive])
