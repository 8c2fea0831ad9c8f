"""The registry of models: a name for each, and nothing (torch, scikit-learn) imported before it is asked for.

A model is any object with the methods of :class:`Model`. To add one, write its class in a module of its own
and register its name, here or from outside::

    register("mine", "my_package.my_module:MyModel")

`save` writes ``model.json``, whose key ``model`` holds the registered name, and the fitted values beside it;
so :func:`load` needs nothing but the folder.
"""

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wesadlib.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from wesadlib.models.predictor import Predictor

__all__ = ["EXPORTED", "MODELS", "MODEL_FILE", "Fitted", "Model", "create", "load", "register"]

#: Registered name -> ``module:Class``; in this order models are compared and coloured.
MODELS: dict[str, str] = {}

#: The file of a saved model that names what it is.
MODEL_FILE = "model.json"

#: What that file calls a network in the form that :func:`wesadlib.models.exporting.export` writes; no model's name.
EXPORTED = "exported"


class Fitted(Protocol):
    """What answers: a fitted model, or a network's exported form.

    Attributes
    ----------
    name : str
        The registered name of the model.
    classes : list of str
        States that it tells apart, in the order of its probabilities.
    rested_ : bool
        Whether it was fitted with windows at rest, so that it predicts with them.
    """

    name: str
    classes: list[str]
    rested_: bool

    def predictor(
        self, channels: Sequence[str] | None, feature_names: Sequence[str] | None, *, threads: int = 1
    ) -> "Predictor":
        """Predict from plain arrays, with the answers of :meth:`Model.predict_proba`.

        Parameters
        ----------
        channels, feature_names : sequence of str or None
            Names of the channels and features in the arrays to come; None where there are none.
        threads : int
            How many threads compute, which callers that ask at the same time share; for a network only.

        Raises
        ------
        InputError
            When a channel or feature that the model takes is missing.
        """


class Model(Fitted, Protocol):
    """What the runner and the book ask of a model; further attributes are those of :class:`Fitted`.

    Attributes
    ----------
    validates : bool
        Whether validation people decide when to stop; a model that has nothing to decide learns from them as well.
    """

    validates: bool

    @classmethod
    def from_params(cls, params: Any) -> "Model":
        """Make an unfitted model of a run's parameters."""

    def fit(
        self,
        train: "xr.Dataset",
        validation: "xr.Dataset | None",
        *,
        rest: "xr.Dataset | None" = None,
        seed: int,
        progress: Callable[[int, int, float, float], None] | None = None,
    ) -> "Model":
        """Fit on `train`; `validation`, windows of other people, may decide when to stop and nothing else."""

    def predict_proba(self, windows: "xr.Dataset", *, rest: "xr.Dataset | None" = None) -> "xr.DataArray":
        """Probabilities ``(window, state)``; every row sums to one."""

    def save(self, folder: str | Path) -> None:
        """Write the fitted model to a folder, which may hold other files."""

    @classmethod
    def load(cls, folder: str | Path) -> "Model":
        """Read what :meth:`save` wrote."""


def register(name: str, home: str) -> None:
    """Give a model's class, ``module:Class``, a name.

    Raises
    ------
    InputError
        When the name is taken by another class.
    """
    if MODELS.setdefault(name, home) != home:
        raise InputError(f"the model name `{name}` is taken by {MODELS[name]}; choose another.")


register("logistic", "wesadlib.models.logistic:Logistic")
register("forest", "wesadlib.models.forest:Forest")
register("boosting", "wesadlib.models.boosting:Boosting")
register("resnet", "wesadlib.models.resnet:ResNet")
register("joint", "wesadlib.models.joint:Joint")
register("mean", "wesadlib.models.mean:Mean")


def _find(name: str, where: str = "") -> type[Model]:
    if name not in MODELS:
        raise InputError(f"{where}unknown model `{name}`; the models are {', '.join(MODELS)}.")
    return _import(MODELS[name])


def _import(home: str) -> Any:
    module, _, attribute = home.partition(":")
    return getattr(importlib.import_module(module), attribute)


def create(name: str, params: Any) -> Model:
    """Make an unfitted model.

    Parameters
    ----------
    name : str
        A registered name.
    params : Params
        The run's parameters; the model takes those that concern it.

    Raises
    ------
    InputError
        When no model has that name; the sentence lists those that there are.
    """
    return _find(name).from_params(params)


def load(folder: str | Path) -> Model:
    """Read a saved model, whichever it is; no pickle is loaded.

    An exported one can only predict: it is a :class:`Fitted`, and needs no torch.

    Raises
    ------
    InputError
        When the folder holds no model, or one of an unknown name.
    """
    path = Path(folder) / MODEL_FILE
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["model"]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, so {folder} is not the folder of a saved model.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the description of a saved model; save the model again.") from None
    found = _import("wesadlib.models.exported:ExportedNetwork") if name == EXPORTED else _find(name, f"{path}: ")
    return found.load(folder)
