"""Evaluation: who may see what, folds, scores, tests over people, abstention."""

from typing import Any

__all__ = ["evaluate", "fit_final", "score"]

_HOME = {"evaluate": "runner", "fit_final": "runner", "score": "scores"}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that a script that only scores does not wait for Ray.
    if name not in _HOME:
        raise AttributeError(f"module 'wesadlib.evaluation' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"wesadlib.evaluation.{_HOME[name]}"), name)
