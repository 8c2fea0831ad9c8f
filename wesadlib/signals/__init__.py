"""Recordings become windows: cut at the native rates, harmonised to one rate, with the beats found in them."""

from wesadlib.signals.beats import BEAT_SOURCES, find_beats
from wesadlib.signals.harmonise import harmonise, window_from_channels
from wesadlib.signals.native import NATIVE_STATISTICS
from wesadlib.signals.windows import make_windows

__all__ = [
    "BEAT_SOURCES",
    "NATIVE_STATISTICS",
    "find_beats",
    "harmonise",
    "make_windows",
    "window_from_channels",
]
