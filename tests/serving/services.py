"""Services without Ray."""

from wesadlib.bundle import Bundle
from wesadlib.serving.old_metrics import Watch
from wesadlib.serving.old_settings import Settings
from wesadlib.serving.service import Service
from wesadlib.serving.store import LocalStore


def make_service(bundle: Bundle | None, **settings) -> Service:
    """A service without Ray."""
    settings = Settings(**settings)
    return Service(bundle, settings, LocalStore(settings), Watch())
