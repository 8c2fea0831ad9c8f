"""The final model as a folder: its files, its description, and the one path from a window to an answer."""

from wesadlib.artefacts import default_bundle
from wesadlib.bundle.answer import Answer, Result
from wesadlib.bundle.card import model_card
from wesadlib.bundle.folder import load_bundle, read_config, save_bundle
from wesadlib.bundle.predict import Bundle
from wesadlib.bundle.recording import RecordingAnswers, predict_recording, read_rest

__all__ = [
    "Answer",
    "Bundle",
    "RecordingAnswers",
    "Result",
    "default_bundle",
    "load_bundle",
    "model_card",
    "predict_recording",
    "read_config",
    "read_rest",
    "save_bundle",
]
