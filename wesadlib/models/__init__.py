"""Models: one contract over arrays, and a registry that imports torch or scikit-learn for nobody who does not ask.

A model is any object with the methods of :class:`Model`. To add one, write its class in a module of its own
and register its name, here or from outside::

    register("mine", "my_package.my_module:MyModel")

`save` writes ``model.json``, whose key ``model`` holds the registered name, and the fitted values beside it;
so :func:`load` needs nothing but the folder.
"""

import importlib
import json
from pathlib import Path
from typing import Any

from wesadlib.errors import InputError, needs
from wesadlib.models.base import Examples, Model, predict

__all__ = ["MODELS", "MODEL_FILE", "Examples", "Model", "create", "load", "predict", "register"]

#: Registered name -> ``module:Class``; in this order models are compared and coloured.
MODELS: dict[str, str] = {}

#: The file of a saved model that names what it is.
MODEL_FILE = "model.json"


def register(name: str, home: str) -> None:
    """Give a model's class, ``module:Class``, a name that no other class has."""
    if MODELS.setdefault(name, home) != home:
        raise InputError(f"the model name `{name}` is taken by {MODELS[name]}; choose another.")


register("logistic", "wesadlib.models.tabular:Logistic")
register("forest", "wesadlib.models.tabular:Forest")
register("boosting", "wesadlib.models.tabular:Boosting")
register("resnet", "wesadlib.models.resnet:ResNet")
register("joint", "wesadlib.models.resnet:Joint")
register("mean", "wesadlib.models.mean:Mean")
register("physiology", "wesadlib.models.physiology:Physiology")


def _class_of(name: str, where: str = "") -> type[Model]:
    if name not in MODELS:
        raise InputError(f"{where}unknown model `{name}`; the models are {', '.join(MODELS)}.")
    module, _, attribute = MODELS[name].partition(":")
    with needs("network", f"{where}the model `{name}`"):
        return getattr(importlib.import_module(module), attribute)


def create(name: str, params: Any) -> Model:
    """Make an unfitted model.

    Parameters
    ----------
    name : str
        A registered name.
    params : Params
        The run's parameters; the model takes those that concern it.
    """
    return _class_of(name).from_params(params)


def load(folder: str | Path) -> Model:
    """Read a saved model, whichever it is; no pickle is loaded."""
    path = Path(folder) / MODEL_FILE
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["model"]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, so {folder} is not the folder of a saved model.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the description of a saved model; save the model again.") from None
    return _class_of(name, f"{path}: ").load(folder)
