"""The baseline: logistic regression on the features of a window, in a scikit-learn pipeline."""

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import skops.io
import xarray as xr
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException

from wesadlib.artefacts import replacing, write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE

PIPELINE_FILE = "model.skops"
#: Types beyond skops' own list that a saved pipeline may hold; a file with any other is refused, not loaded.
TRUSTED_TYPES = ["numpy.dtype"]


class Logistic:
    """Logistic regression: median imputation, robust scaling, class-balanced weights, fixed regularisation.

    Nothing is stopped early and nothing is chosen by a score, so the people set aside for validation have no other use
    and are learnt from as well.

    Parameters
    ----------
    classes : sequence of str
        States to tell apart.
    regularisation : float
        scikit-learn's ``C``: smaller is stronger.

    Attributes
    ----------
    feature_names_ : list of str
        Features that the model takes, in its order: all that the training windows have.
    pipeline_ : sklearn.pipeline.Pipeline
        The fitted steps.
    """

    name = "logistic"
    validates = False

    def __init__(
        self, classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"), *, regularisation: float = 0.03
    ):
        self.classes = list(classes)
        self.regularisation = regularisation

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        return cls(params.classes)

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
            Windows with `feature` ``(window, feature_name)`` and `label`.
        validation : Dataset, optional
            The same of other people, learnt from as well: there is nothing to stop.
        rest : Dataset, optional
            Not used by this model: it is refused.
        seed : int
            Not used: the optimum is unique.
        progress : callable, optional
            Not called: there are no epochs.

        Raises
        ------
        InputError
            When the windows have no features, a label is none of the model's classes, or a class has no window.
        """
        _refuse_rest(rest)
        parts = [_features(part) for part in (train, validation) if part is not None]
        labels = np.concatenate([part["label"].values for part in parts])
        target = pd.Index(self.classes).get_indexer(labels)
        if (target < 0).any():
            label = labels[target < 0][0]
            raise InputError(f"a window of the state `{label}`; the model tells {', '.join(self.classes)} apart.")
        missing = [state for state in self.classes if state not in train["label"].values]
        if missing:
            raise InputError(f"no training window of the state `{missing[0]}`; train on all states.")
        self.feature_names_ = [str(name) for name in parts[0]["feature_name"].values]
        values = np.concatenate([self._values(part) for part in parts])
        self.pipeline_ = self._make_pipeline().fit(values, target)
        return self

    def _make_pipeline(self) -> Pipeline:
        return make_pipeline(
            # A feature that nobody in training shows is kept, as a constant, so that the columns stay the same.
            SimpleImputer(strategy="median", keep_empty_features=True),
            # Linear near the median, logarithmic far from it: one burst of movement must not outvote all else.
            RobustScaler(),
            FunctionTransformer(np.arcsinh),
            StandardScaler(),
            LogisticRegression(C=self.regularisation, class_weight="balanced", max_iter=2000),
        )

    def predict_proba(self, windows: xr.Dataset, *, rest: xr.Dataset | None = None) -> xr.DataArray:
        """Probabilities ``(window, state)``.

        Raises
        ------
        InputError
            When the windows have no features, or lack one that the model takes.
        """
        _refuse_rest(rest)
        probability = self.pipeline_.predict_proba(self._values(_features(windows)))
        coordinates = {name: value for name, value in windows.coords.items() if value.dims == ("window",)}
        return xr.DataArray(probability, dims=("window", "state"), coords={**coordinates, "state": self.classes})

    @property
    def weights_(self) -> pd.DataFrame:
        """Weight of each feature, per standard deviation; a column a state, of two states only the second."""
        weight = self.pipeline_[-1].coef_
        columns = self.classes if len(weight) > 1 else self.classes[1:]
        return pd.DataFrame(weight.T, index=pd.Index(self.feature_names_, name="feature"), columns=columns)

    def _values(self, feature: xr.DataArray) -> np.ndarray:
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
            "regularisation": self.regularisation,
            "features": self.feature_names_,
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
            model = cls(saved["classes"], regularisation=saved["regularisation"])
            model.feature_names_ = list(saved["features"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{folder / MODEL_FILE}: not the description of a saved logistic regression.") from None
        path = folder / PIPELINE_FILE
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model.pipeline_ = skops.io.load(path, trusted=TRUSTED_TYPES)
        except UntrustedTypesFoundException as error:
            raise InputError(f"{path}: holds a type that is not trusted ({error}); save the model again.") from None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise InputError(f"{path}: missing or damaged; save the model again.") from None
        steps = [type(step) for step in getattr(model.pipeline_, "named_steps", {}).values()]
        expected = [type(step) for step in model._make_pipeline().named_steps.values()]
        if steps != expected or model.pipeline_.n_features_in_ != len(model.feature_names_):
            raise InputError(f"{path}: not the pipeline that {MODEL_FILE} describes; save the model again.")
        return model


def _features(windows: xr.Dataset) -> xr.DataArray:
    if "feature" not in windows:
        raise InputError("these windows have no features; `extract_features` adds them.")
    return windows["feature"]


def _refuse_rest(rest: xr.Dataset | None) -> None:
    if rest is not None:
        raise InputError("the model `logistic` has no use for windows of a person's rest; leave `rest` out.")
