"""A small model of what stress does to heart and skin, fixed beforehand: six features, compared with rest."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax

from wesadlib.artefacts import write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.base import (
    Examples,
    check_rest_values,
    encode_labels,
    mean_of_known,
    positions,
    refuse_absent_state,
    require_features,
    rest_of_each,
)
from wesadlib.models.tabular import Logistic

#: What the model reads, by the endings of features' names: none depends on the scale of a pulse.
ENDINGS = ("heart_rate", "log_level", "tonic_slope", "scr_rate", "phasic_sd", "scr_amplitude_sum")
HEART = 0
#: A difference from rest counts in full below this many spreads, and hardly beyond.
SATURATION = 2.0
#: Significant digits of fitted numbers, so that libraries of linear algebra that add in another order save the same.
_DIGITS = 6


class Physiology(Logistic):
    """Logistic regression on saturated differences of six features from rest; class-balanced weights.

    A feature's difference from rest, over the spread of training people's windows at rest, saturates at two:
    ``2 tanh(difference / 2 spread)``, so that people who respond tenfold do not outvote all others. With windows at
    rest the difference is from the person's own mean at rest, and the spread that within people; without, both are of
    all training windows of the first state. A feature that is missing says nothing: its difference is zero. Where the
    heart rate is missing, as it often is while people move in stress, weights fitted to the skin alone answer.

    The features are fixed by what stress is known to do (Boucsein 2012), not by any score.
    """

    name: ClassVar[str] = "physiology"
    defaults: ClassVar[dict[str, Any]] = {"regularisation": 1.0}

    def fit(self, train: Examples, validation=None, *, rest=None, seed: int = 0, progress=None) -> Self:
        """Learn from windows of both: see :class:`wesadlib.models.Model`."""
        require_features(train)
        self.feature_names_, self.uses_rest_ = choose_features(train.feature_names), rest is not None
        parts = [part for part in (train, validation) if part is not None]
        columns = positions(self.feature_names_, train.feature_names, "feature")
        values = np.concatenate([part.feature[:, columns] for part in parts])
        subject = np.concatenate([part.subject for part in parts])
        target = np.concatenate([encode_labels(part, self.classes) for part in parts])
        refuse_absent_state(target, self.classes)
        centre = mean_of_known(values[target == 0])
        if rest is not None:
            at_rest = rest.feature[:, positions(self.feature_names_, rest.feature_names, "feature")]
            centre = rest_of_each(lambda theirs: mean_of_known(at_rest[theirs]), rest, subject)
        spread = np.sqrt(mean_of_known((values - centre)[target == 0] ** 2))
        self.centre_ = np.zeros(len(columns)) if self.uses_rest_ else round_digits(np.nan_to_num(centre))
        self.spread_ = round_digits(np.where(np.nan_to_num(spread) > 0, spread, 1.0))
        difference = np.nan_to_num(self._differences(values, centre if self.uses_rest_ else self.centre_))
        self.weight_, self.intercept_ = self._fit_weights(difference, target)
        skin = difference * (np.arange(len(columns)) != HEART)
        self.skin_weight_, self.skin_intercept_ = self._fit_weights(skin, target)
        return self

    def predict_proba(self, signal: Any, feature: np.ndarray, rest: np.ndarray | None = None) -> np.ndarray:
        """Probabilities ``(window, state)``: see :class:`wesadlib.models.Model`."""
        check_rest_values(self, rest, len(feature))
        difference = self._differences(feature, self.centre_ if rest is None else rest)
        unread, difference = np.isnan(difference[:, [HEART]]), np.nan_to_num(difference)
        skin = difference @ self.skin_weight_.T + self.skin_intercept_
        score = np.where(unread, skin, difference @ self.weight_.T + self.intercept_)
        # Of two states there is one score, that of the second against the first.
        score = np.column_stack([np.zeros(len(score)), score]) if score.shape[1] == 1 else score
        return softmax(score, axis=1)

    def rest_values(self, signal: Any, feature: np.ndarray) -> np.ndarray:
        """Means of the features over one person's windows at rest, ``(feature_name,)``."""
        return mean_of_known(feature)

    def _differences(self, feature: np.ndarray, centre: np.ndarray) -> np.ndarray:
        return SATURATION * np.tanh((feature - centre) / self.spread_ / SATURATION)

    def _fit_weights(self, difference: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted = self._steps(0)[-1].fit(difference, target)
        return round_digits(fitted.coef_), round_digits(fitted.intercept_)

    def save(self, folder: str | Path) -> None:
        """Write ``model.json``, which is the whole model."""
        arrays = {name: getattr(self, f"{name}_").tolist() for name in _ARRAYS}
        facts = {"classes": self.classes, "features": self.feature_names_, "uses_rest": self.uses_rest_}
        write_json(Path(folder) / MODEL_FILE, {"model": self.name, **facts, **arrays})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        path = Path(folder) / MODEL_FILE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            model = cls(saved["classes"])
            model.feature_names_, model.uses_rest_ = tuple(saved["features"]), bool(saved["uses_rest"])
            for name, dimensions in _ARRAYS.items():
                values = np.array(saved[name], float)
                if values.ndim != dimensions or values.shape[-1] not in (len(model.feature_names_), 1):
                    raise ValueError(name)
                setattr(model, f"{name}_", values)
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: not the description of a saved model `{cls.name}`.") from None
        return model


#: What is fitted -> its number of dimensions.
_ARRAYS = {"centre": 1, "spread": 1, "weight": 2, "intercept": 1, "skin_weight": 2, "skin_intercept": 1}


def choose_features(names: Sequence[str]) -> tuple[str, ...]:
    """The first feature of each ending among `names`; one that lacks is refused."""
    chosen = [next((name for name in names if name.endswith(f"_{ending}")), "") for ending in ENDINGS]
    if "" in chosen:
        raise InputError(f"no feature ends in `{ENDINGS[chosen.index('')]}`, which the model `physiology` reads.")
    return tuple(chosen)


def round_digits(values: np.ndarray) -> np.ndarray:
    """Fitted numbers as they are kept."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in np.ravel(values)]).reshape(np.shape(values))
