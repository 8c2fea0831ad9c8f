"""Evaluation: who may see what, folds, scores, tests over people, abstention."""

import importlib
from typing import Any

_HOME = {"evaluate": "runner", "fit_final": "runner", "score": "scores"}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that a script that only scores does not wait for Ray.
    if name not in _HOME:
        raise AttributeError(f"module 'wesadlib.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wesadlib.evaluation.{_HOME[name]}"), name)
