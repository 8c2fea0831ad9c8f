"""The final model as a folder: its files, its description, and the one path from a window to an answer."""

from wesadlib.bundle.answer import Answer, Result
from wesadlib.bundle.card import model_card
from wesadlib.bundle.folder import read_config, save_bundle
from wesadlib.bundle.predict import Bundle, load_bundle

__all__ = ["Answer", "Bundle", "Result", "load_bundle", "model_card", "read_config", "save_bundle"]
