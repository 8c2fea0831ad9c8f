"""What models on features share: which features, differences from rest, what is refused, and their folder."""

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import skops.io
import xarray as xr
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler
from skops.io.exceptions import UntrustedTypesFoundException

from wesadlib.artefacts import replacing, write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.contract import check_rest, encode_labels, name_probabilities, refuse_absent_state, rest_of_each

PIPELINE_FILE = "model.skops"
#: How many steps of a pipeline come before the difference from rest is taken.
DAMPING_STEPS = 2


class FeatureModel:
    """A scikit-learn classifier on the features of a window; subclasses say which.

    Each feature is damped: centred and scaled by median and quartiles of the training windows, then linear near the
    median and logarithmic far from it (inverse hyperbolic sine), because one burst of movement must not outvote all
    else. With windows at rest the damped mean of the person's rest is taken away; damping first makes of a rise that is
    in proportion to the level, as of skin conductance, one that is alike in people of high and of low level. What is
    missing is then replaced by the median of the training windows.

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
        The fitted steps: two that damp, after which rest is taken away, imputation, and those of :meth:`_steps`.
    """

    name: ClassVar[str]
    validates: ClassVar[bool] = False
    #: Types beyond skops' own list that a saved pipeline may hold; a file with any other is refused, not loaded.
    trusted_types: ClassVar[list[str]] = ["numpy.dtype"]

    def __init__(self, classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"), **options: Any):
        self.classes = list(classes)
        self.options = options

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        return cls(params.classes)

    def _steps(self, seed: int) -> "list[TransformerMixin | ClassifierMixin]":
        """Unfitted steps after imputation, the classifier last."""
        raise NotImplementedError

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
        self.feature_names_ = [str(name) for name in _features(train)["feature_name"].values]
        self.rested_ = rest is not None
        values = np.concatenate([self._values(part) for part in parts])
        target = np.concatenate([encode_labels(part, self.classes) for part in parts])
        refuse_absent_state(target, self.classes)
        damping = make_pipeline(RobustScaler(), FunctionTransformer(np.arcsinh))
        with warnings.catch_warnings():
            # A feature that nobody in training shows stays missing, and is imputed as a constant.
            warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
            damping.fit(values)
        damped = np.concatenate([self._damped(damping, part, rest) for part in parts])
        classifier = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            *self._steps(seed),
        )
        # Whatever draws windows draws the same ones in whichever order and parts they are given.
        order = np.lexsort([np.concatenate([part[name].values for part in parts]) for name in ("start_s", "subject")])
        classifier.fit(damped[order], target[order])
        self.pipeline_ = Pipeline(damping.steps + classifier.steps)
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
        check_rest(self.name, self.rested_, rest)
        damped = self._damped(self.pipeline_[:DAMPING_STEPS], windows, rest)
        return name_probabilities(self.pipeline_[DAMPING_STEPS:].predict_proba(damped), windows, self.classes)

    def _damped(self, damping: Pipeline, windows: xr.Dataset, rest: xr.Dataset | None) -> np.ndarray:
        damped = damping.transform(self._values(windows))
        if rest is None:
            return damped
        return damped - rest_of_each(damping.transform(self._values(rest)), windows, rest)

    def _values(self, windows: xr.Dataset) -> np.ndarray:
        feature = _features(windows)
        absent = sorted(set(self.feature_names_) - set(feature["feature_name"].values))
        if absent:
            raise InputError(f"the feature `{absent[0]}` is missing; the model was trained with it on another device.")
        values = feature.sel(feature_name=self.feature_names_).transpose("window", "feature_name").values
        if np.isinf(values).any():
            name = self.feature_names_[np.isinf(values).any(axis=0).argmax()]
            raise InputError(f"the feature `{name}` is infinite in a window.")
        return values

    def save(self, folder: str | Path) -> None:
        """Write ``model.skops`` and, last, ``model.json``; other files of the folder are left alone."""
        folder = Path(folder)
        with replacing(folder / PIPELINE_FILE) as partial:
            skops.io.dump(self.pipeline_, partial)
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
        path = folder / PIPELINE_FILE
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model.pipeline_ = skops.io.load(path, trusted=cls.trusted_types)
        except UntrustedTypesFoundException as error:
            raise InputError(f"{path}: holds a type that is not trusted ({error}); save the model again.") from None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise InputError(f"{path}: missing or damaged; save the model again.") from None
        if not model._fits(model.pipeline_):
            raise InputError(f"{path}: not the pipeline that {MODEL_FILE} describes; save the model again.")
        return model

    def _fits(self, pipeline: Any) -> bool:
        types = [type(step) for step in getattr(pipeline, "named_steps", {}).values()]
        expected = [RobustScaler, FunctionTransformer, SimpleImputer, *(type(step) for step in self._steps(0))]
        sizes = (len(self.feature_names_), len(self.classes))
        return types == expected and (pipeline.n_features_in_, len(pipeline.classes_)) == sizes


def _features(windows: xr.Dataset) -> xr.DataArray:
    if "feature" not in windows:
        raise InputError("these windows have no features; `extract_features` adds them.")
    return windows["feature"]
