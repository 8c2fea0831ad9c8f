"""Services without Ray."""

from wesadlib.bundle import Bundle
from wesadlib.serving.service import Service
from wesadlib.serving.settings import Settings


def make_service(bundle: Bundle, rest_key: str | None = None, **settings) -> Service:
    """A service without Ray, which may be asked by the names that test clients use."""
    values = {"bundle": str(bundle.folder), "allowed_hosts": ("testserver",)} | settings
    return Service(bundle, Settings(**values), rest_key=rest_key)
