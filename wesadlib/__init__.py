"""Stress from wearable sensors, evaluated honestly."""

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("wesadlib")

_HOME = {
    "open_wesad": "data",
    "open_cohort": "data",
    "open_recording": "data",
    "join": "data",
    "make_windows": "signals",
    "assess_quality": "quality",
    "extract_features": "features",
    "evaluate": "evaluation",
    "fit_final": "evaluation",
    "score": "evaluation",
    "save_bundle": "bundle",
    "load_bundle": "bundle",
    "predict_recording": "bundle",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import wesadlib` does not wait for torch.
    if name not in _HOME:
        raise AttributeError(f"module 'wesadlib' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wesadlib.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
