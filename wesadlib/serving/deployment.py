"""The app as a Ray Serve deployment."""

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from wesadlib.bundle import load_bundle
from wesadlib.serving.app import make_app
from wesadlib.serving.metrics import Watch
from wesadlib.serving.service import Service
from wesadlib.serving.settings import Settings
from wesadlib.serving.store import LocalStore

if TYPE_CHECKING:
    from ray import serve


class Server:
    """What a replica holds: a service over a loaded bundle, and the app over that."""

    def __init__(self, folder: str, settings: Settings):
        self.service = Service(load_bundle(folder), settings, LocalStore(settings), Watch())

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Make the app in the replica, where the bundle is."""
        return make_app(self.service)


def build(folder: str | Path) -> "serve.Application":
    """Make the Ray Serve application of a bundle; the folder must be readable where the replicas run."""
    from ray import serve

    return serve.deployment(serve.ingress()(Server)).bind(str(Path(folder).resolve()), Settings())
