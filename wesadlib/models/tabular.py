"""What models on features share: which features, differences from rest, what is refused, and their folder."""

import json
import sys
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline

from wesadlib.artefacts import replacing, write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.contract import encode_labels, mean_at_rest, refuse_absent_state, rest_of_each
from wesadlib.models.predictor import (
    FeatureColumns,
    arrays_of,
    check_profile,
    features_of,
    predict_windows,
)

PIPELINE_FILE = "model.skops"


class Damping(TransformerMixin, BaseEstimator):
    """Linear where most windows are and logarithmic far from it: one burst of movement must not outvote all else.

    The inverse hyperbolic sine of the distance from the training windows' median, over their interquartile range.
    `proportional` takes a feature that is never negative in training, and whose median is not zero, from zero instead,
    over a tenth of the median, which is nearly its logarithm; a difference of two such values is nearly that of
    logarithms, a ratio.

    Parameters
    ----------
    proportional : bool
        As above.

    Attributes
    ----------
    centre_, scale_ : ndarray, (k,)
        NaN where a feature is missing in every training window; it is missing in whatever is transformed, too.
    """

    def __init__(self, proportional: bool = False):
        self.proportional = proportional

    def fit(self, values: np.ndarray, target: np.ndarray | None = None) -> Self:
        """Take centre and scale of `values`, (window, k); NaN is left out."""
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
        """Damp `values`, (window, k)."""
        return np.arcsinh((values - self.centre_) / self.scale_)


class FeatureModel(ABC):
    """A scikit-learn classifier on the features of a window; subclasses say which.

    Each feature is damped (:class:`Damping`) and, where it is missing, replaced by the median of the training windows.
    With windows at rest, each feature is damped proportionally and the mean of the person's rest is taken away before
    what is missing is replaced: skin conductance and movement rise in proportion to what they are at rest, so that the
    ratio, and not the rise, is alike in people of high and of low level.

    Nothing is stopped early and nothing is chosen by a score, so the people set aside for validation have no other use
    and are learnt from as well.

    Parameters
    ----------
    classes : sequence of str
        States to tell apart.
    **options
        Constants of the classifier, kept in the attribute `options`.

    Attributes
    ----------
    feature_names_ : list of str
        Features that the model takes, in its order: all that the training windows have.
    rested_ : bool
        Whether it was fitted with windows at rest, so that it predicts with them.
    pipeline_ : sklearn.pipeline.Pipeline
        The fitted steps: damping, after which rest is taken away, imputation, and those of :meth:`_steps`.
    """

    name: ClassVar[str]
    validates: ClassVar[bool] = False
    #: Types beyond skops' own list that a saved pipeline may hold; a file with any other is refused, not loaded.
    trusted_types: ClassVar[list[str]] = ["numpy.dtype", "wesadlib.models.tabular.Damping"]

    def __init__(self, classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"), **options: Any):
        self.classes = list(classes)
        self.options = options

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        return cls(params.classes)

    @abstractmethod
    def _steps(self, seed: int) -> "list[TransformerMixin | ClassifierMixin]":
        """Unfitted steps after imputation, the classifier last."""

    def fit(
        self,
        train: xr.Dataset,
        validation: xr.Dataset | None = None,
        *,
        rest: xr.Dataset | None = None,
        seed: int,
        progress: Callable[[int, int, float, float], None] | None = None,
    ) -> Self:
        """Fit.

        Parameters
        ----------
        train : Dataset
            Windows with `feature` ``(window, feature_name)``, `label`, `subject` and `start_s`; their order is of no
            consequence.
        validation : Dataset, optional
            The same of other people, learnt from as well: there is nothing to stop.
        rest : Dataset, optional
            Windows at rest of all these people, with `feature` and `subject`: then features are differences from them.
        seed : int
            Everything random follows from it.
        progress : callable, optional
            Not called: there are no epochs.

        Raises
        ------
        InputError
            When the windows have no features, a label is none of the model's classes, a class has no window, a feature
            is infinite, or a person has no window at rest where others have.
        """
        parts = [part for part in (train, validation) if part is not None]
        self.feature_names_ = features_of(train)
        self.rested_ = rest is not None
        values = np.concatenate([self._values(part) for part in parts])
        target = np.concatenate([encode_labels(part, self.classes) for part in parts])
        refuse_absent_state(target, self.classes)
        damping = Damping(proportional=self.rested_).fit(values)
        damped = np.concatenate([self._damped(damping, part, rest) for part in parts])
        classifier = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            *self._steps(seed),
        )
        # Whatever draws windows draws the same ones in whichever order and parts they are given.
        order = np.lexsort([np.concatenate([part[name].values for part in parts]) for name in ("start_s", "subject")])
        classifier.fit(damped[order], target[order])
        self.pipeline_ = Pipeline([("damping", damping), *classifier.steps])
        return self

    def predict_proba(self, windows: xr.Dataset, *, rest: xr.Dataset | None = None) -> xr.DataArray:
        """Probabilities ``(window, state)``.

        Parameters
        ----------
        windows : Dataset
            Windows with `feature` ``(window, feature_name)``; with `rest` also `subject`.
        rest : Dataset, optional
            Windows at rest of the people in `windows`: needed by a model that was fitted with rest, and by no other.

        Raises
        ------
        InputError
            When the windows have no features, lack one that the model takes or hold an infinite one, when rest is given
            to a model that was fitted without or the other way round, or when a person has no window at rest.
        """
        return predict_windows(self, windows, rest)

    def predictor(
        self, channels: Sequence[str] | None, feature_names: Sequence[str] | None, *, threads: int = 1
    ) -> "FeaturePredictor":
        """Predict from plain arrays: see :meth:`wesadlib.models.Model.predictor`."""
        return FeaturePredictor(self, feature_names)

    def _damped(self, damping: Damping, windows: xr.Dataset, rest: xr.Dataset | None) -> np.ndarray:
        damped = damping.transform(self._values(windows))
        if rest is None:
            return damped
        return damped - rest_of_each(damping.transform(self._values(rest)), windows, rest)

    def _values(self, windows: xr.Dataset) -> np.ndarray:
        arrays = arrays_of(windows)
        return FeatureColumns(self.feature_names_, arrays.feature_names)(arrays.feature)

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
            "rested": self.rested_,
        }
        write_json(folder / MODEL_FILE, description)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote; nothing but arrays and the types of a fixed list is loaded.

        Raises
        ------
        InputError
            When a file is missing, damaged, does not belong to the other, or holds a type that is not on the list.
        """
        folder = Path(folder)
        try:
            saved = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            model = cls(saved["classes"], **saved["options"])
            model.feature_names_, model.rested_ = list(saved["features"]), bool(saved["rested"])
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
        expected = [Damping, SimpleImputer, *(type(step) for step in self._steps(0))]
        sizes = (len(self.feature_names_), len(self.classes))
        return types == expected and (pipeline.n_features_in_, len(pipeline.classes_)) == sizes


def _import_skops() -> ModuleType:
    # It imports every package of scikit-learn to find what may be saved, and one of them all of torch.
    name = "sklearn.externals.array_api_compat.torch"
    known = sys.modules.setdefault(name, None)
    try:
        import skops.io

        return skops.io
    finally:
        if known is None:
            sys.modules.pop(name, None)


class FeaturePredictor:
    """A fitted feature model over arrays: a :class:`~wesadlib.models.predictor.Predictor`."""

    def __init__(self, model: FeatureModel, feature_names: Sequence[str] | None):
        self._name = model.name
        self._columns = FeatureColumns(model.feature_names_, feature_names)
        self._damping, self._classifier = model.pipeline_[0], model.pipeline_[1:]
        self.profile_size = len(model.feature_names_) if model.rested_ else 0

    def __call__(self, signal: np.ndarray | None, feature: np.ndarray, profile: np.ndarray | None = None) -> np.ndarray:
        """Probabilities ``(window, state)``."""
        check_profile(self._name, self, profile, len(feature))
        damped = self._damping.transform(self._columns(feature))
        if profile is not None:
            damped = damped - profile
        return self._classifier.predict_proba(damped)

    def profile(self, signal: np.ndarray | None, feature: np.ndarray) -> np.ndarray:
        """Means of the damped features, ``(feature,)``."""
        return mean_at_rest(self._damping.transform(self._columns(feature)))
