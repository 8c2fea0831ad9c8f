"""Stress from wearable sensors, evaluated honestly."""

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("wesadlib")

_ROOMS = {
    "data": ("open_wesad", "open_cohort", "open_recording", "join"),
    "signals": ("make_windows",),
    "quality": ("assess_quality",),
    "features": ("extract_features",),
    "evaluation": ("evaluate", "fit_final", "score"),
    "bundle": ("save_bundle", "load_bundle", "predict_recording"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import wesadlib` does not wait for torch.
    if name not in _HOME:
        raise AttributeError(f"module 'wesadlib' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wesadlib.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
