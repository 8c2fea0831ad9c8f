"""A bundle behind HTTP: Ray Serve, FastAPI, and a client."""

import importlib
from typing import Any

_HOME = {
    "AsyncClient": "client",
    "Client": "client",
    "RequestRefused": "calls",
    "StreamLost": "stream_client",
    "running_server": "server",
    "serve": "server",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    # Imported on first use: a client needs neither Ray nor a model.
    if name not in _HOME:
        raise AttributeError(f"module 'wesadlib.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wesadlib.serving.{_HOME[name]}"), name)
