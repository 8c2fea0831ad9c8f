"""Models on the features of a window: scikit-learn's classifiers behind one scaling, and their folder."""

import json
import sys
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from wesadlib.artefacts import replacing, write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.base import (
    Examples,
    check_rest_values,
    encode_labels,
    mean_of_known,
    refuse_absent_state,
    require_features,
    rest_of_each,
)

PIPELINE_FILE = "model.skops"


class RobustAsinhScaler(TransformerMixin, BaseEstimator):
    """Linear where most windows are and logarithmic far from it: one burst of movement must not outvote all else.

    The inverse hyperbolic sine of the distance from the training windows' median, over their interquartile range.
    `proportional` takes a feature that is never negative in training, and whose median is not zero, from zero instead,
    over a tenth of the median, which is nearly its logarithm; a difference of two such values is nearly that of
    logarithms, a ratio. A feature that is missing in every training window stays missing.
    """

    def __init__(self, proportional: bool = False):
        self.proportional = proportional

    def fit(self, values: np.ndarray, target: np.ndarray | None = None) -> Self:
        """Take centre and scale of `values`, ``(window, feature)``; NaN is left out."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
            low, median, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
            least = np.nanmin(values, axis=0)
        positive = self.proportional & (least >= 0) & (median > 0)
        self.centre_ = np.where(positive, 0.0, median)
        self.scale_ = np.where(positive, median / 10, np.where(high == low, 1.0, high - low))
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scale `values`, ``(window, feature)``."""
        return np.arcsinh((values - self.centre_) / self.scale_)


class FeatureModel(ABC):
    """A scikit-learn classifier on the features of a window; subclasses say which.

    Each feature is scaled (:class:`RobustAsinhScaler`) and, where it is missing, replaced by the median of the training
    windows. With windows at rest, each feature is scaled proportionally and the mean of the person's rest is taken away
    before what is missing is replaced: skin conductance and movement rise in proportion to what they are at rest, so
    that the ratio, and not the rise, is alike in people of high and of low level.

    Nothing is stopped early and nothing is chosen by a score, so the people set aside for validation have no other use
    and are learnt from as well.
    """

    name: ClassVar[str]
    validates: ClassVar[bool] = False
    #: Constants of the classifier.
    defaults: ClassVar[dict[str, Any]]
    #: Types beyond skops' own list that a saved pipeline may hold; a file with any other is refused, not loaded.
    trusted_types: ClassVar[list[str]] = ["numpy.dtype", "wesadlib.models.tabular.RobustAsinhScaler"]
    channels_: tuple[str, ...] = ()
    rate_hz_: float = np.nan

    def __init__(self, classes: Sequence[str] = ("baseline", "stress"), **options: Any):
        self.classes = list(classes)
        if unknown := set(options) - set(self.defaults):
            raise TypeError(f"{type(self).__name__} has no option {', '.join(sorted(unknown))}")
        self.options = self.defaults | options

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        return cls(params.classes)

    @property
    def rest_size_(self) -> int:
        """Values of a person's rest, 0 where it was fitted without."""
        return len(self.feature_names_) * self.uses_rest_

    @abstractmethod
    def _steps(self, seed: int) -> list:
        """Unfitted steps after imputation, the classifier last."""

    def fit(self, train: Examples, validation=None, *, rest=None, seed: int, progress=None) -> Self:
        """Learn from windows of both, whose order is of no consequence: see :class:`wesadlib.models.Model`."""
        require_features(train)
        parts = [part for part in (train, validation) if part is not None]
        self.feature_names_ = train.feature_names
        self.uses_rest_ = rest is not None
        target = np.concatenate([encode_labels(part, self.classes) for part in parts])
        refuse_absent_state(target, self.classes)
        scaler = RobustAsinhScaler(self.uses_rest_).fit(np.concatenate([part.feature for part in parts]))
        scaled = np.concatenate([_scale(scaler, part, rest) for part in parts])
        classifier = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *self._steps(seed))
        # Whatever draws windows draws the same ones in whichever order and parts they are given.
        order = np.lexsort([np.concatenate([getattr(part, name) for part in parts]) for name in ("start_s", "subject")])
        classifier.fit(scaled[order], target[order])
        self.pipeline_ = Pipeline([("scaler", scaler), *classifier.steps])
        return self

    def predict_proba(self, signal: Any, feature: np.ndarray, rest: np.ndarray | None = None) -> np.ndarray:
        """Probabilities ``(window, state)``: see :class:`wesadlib.models.Model`."""
        check_rest_values(self, rest, len(feature))
        scaled = self.pipeline_[0].transform(feature)
        return self.pipeline_[1:].predict_proba(scaled if rest is None else scaled - rest)

    def rest_values(self, signal: Any, feature: np.ndarray) -> np.ndarray:
        """Means of the scaled features over one person's windows at rest, ``(feature_name,)``."""
        return mean_of_known(self.pipeline_[0].transform(feature))

    def save(self, folder: str | Path) -> None:
        """Write ``model.skops`` and, last, ``model.json``; other files of the folder are left alone."""
        folder = Path(folder)
        with replacing(folder / PIPELINE_FILE) as partial:
            _import_skops().dump(self.pipeline_, partial)
        description = {
            "model": self.name,
            "classes": self.classes,
            "options": self.options,
            "features": self.feature_names_,
            "uses_rest": self.uses_rest_,
        }
        write_json(folder / MODEL_FILE, description)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; nothing but arrays and the types of a fixed list is loaded."""
        folder = Path(folder)
        try:
            saved = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            model = cls(saved["classes"], **saved["options"])
            model.feature_names_, model.uses_rest_ = tuple(saved["features"]), bool(saved["uses_rest"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{folder / MODEL_FILE}: not the description of a saved model `{cls.name}`.") from None
        path, skops_io = folder / PIPELINE_FILE, _import_skops()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model.pipeline_ = skops_io.load(path, trusted=cls.trusted_types)
        except skops_io.exceptions.UntrustedTypesFoundException as error:
            raise InputError(f"{path}: holds a type that is not trusted ({error}); save the model again.") from None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise InputError(f"{path}: missing or damaged; save the model again.") from None
        if not model._fits(model.pipeline_):
            raise InputError(f"{path}: not the pipeline that {MODEL_FILE} describes; save the model again.")
        return model

    def _fits(self, pipeline: Any) -> bool:
        types = [type(step) for step in getattr(pipeline, "named_steps", {}).values()]
        expected = [RobustAsinhScaler, SimpleImputer, *(type(step) for step in self._steps(0))]
        sizes = (len(self.feature_names_), len(self.classes))
        return types == expected and (pipeline.n_features_in_, len(pipeline.classes_)) == sizes


def _scale(scaler: RobustAsinhScaler, part: Examples, rest: Examples | None) -> np.ndarray:
    scaled = scaler.transform(part.feature)
    if rest is None:
        return scaled
    at_rest = scaler.transform(rest.feature)
    return scaled - rest_of_each(lambda theirs: mean_of_known(at_rest[theirs]), rest, part.subject)


def _import_skops() -> ModuleType:
    # It imports every package of scikit-learn to find what may be saved, and one of them all of torch.
    name = "sklearn.externals.array_api_compat.torch"
    module = sys.modules.setdefault(name, None)
    try:
        import skops.io

        return skops.io
    finally:
        if module is None:
            sys.modules.pop(name, None)


class Logistic(FeatureModel):
    """Logistic regression: scaled features, standardised; class-balanced weights, fixed regularisation.

    The option `regularisation` is scikit-learn's ``C``: smaller is stronger.
    """

    name = "logistic"
    defaults: ClassVar[dict[str, Any]] = {"regularisation": 0.03}

    def _steps(self, seed: int) -> list:
        # The optimum is unique: nothing is drawn.
        strength = self.options["regularisation"]
        return [StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)]

    @property
    def weights_(self) -> pd.DataFrame:
        """Weight of each feature, per standard deviation; a column a state, of two states only the second."""
        weight = self.pipeline_[-1].coef_
        columns = self.classes if len(weight) > 1 else self.classes[1:]
        return pd.DataFrame(weight.T, index=pd.Index(self.feature_names_, name="feature"), columns=columns)


class Forest(FeatureModel):
    """Random forest: many trees, each on other windows and, at each branch, other features; class-balanced.

    The option `trees` is their number, `leaf` the least number of windows in a leaf: neighbouring windows share half of
    their samples, so a leaf of one or two would learn a moment.
    """

    name = "forest"
    defaults: ClassVar[dict[str, Any]] = {"trees": 500, "leaf": 3}
    trusted_types: ClassVar[list[str]] = [*FeatureModel.trusted_types, "sklearn.tree._tree.Tree"]

    def _steps(self, seed: int) -> list:
        trees, leaf = self.options["trees"], self.options["leaf"]
        return [RandomForestClassifier(trees, min_samples_leaf=leaf, class_weight="balanced", random_state=seed)]


class Boosting(FeatureModel):
    """Gradient boosting of small trees on binned features; class-balanced, a fixed number of rounds.

    A thousand windows of fifteen people are few and depend on each other, so each tree is small, sees a share of the
    features at each branch, is shrunk, and there is no early stopping: it would draw windows of the same people. The
    option `rounds` is the number of trees, one after another, for each state (of two states, for one), `learning_rate`
    the share of each tree that is added.
    """

    name = "boosting"
    defaults: ClassVar[dict[str, Any]] = {"rounds": 200, "learning_rate": 0.05}
    trusted_types: ClassVar[list[str]] = [
        *FeatureModel.trusted_types,
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    ]

    def _steps(self, seed: int) -> list:
        boosting = HistGradientBoostingClassifier(
            max_iter=self.options["rounds"],
            learning_rate=self.options["learning_rate"],
            max_leaf_nodes=8,
            min_samples_leaf=20,
            max_features=0.3,
            l2_regularization=1.0,
            early_stopping=False,
            class_weight="balanced",
            random_state=seed,
        )
        return [boosting]
