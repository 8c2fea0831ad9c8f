"""Recordings become windows: cut at the native rates, harmonised to one rate, with the beats found in them."""

from wesadlib.signals.beats import find_beats
from wesadlib.signals.raw_statistics import RAW_STATISTICS
from wesadlib.signals.resample import harmonise
from wesadlib.signals.windows import Channels, Windows, cut_window, cut_windows, make_windows, windows_from_channels

__all__ = [
    "RAW_STATISTICS",
    "Channels",
    "Windows",
    "cut_window",
    "cut_windows",
    "find_beats",
    "harmonise",
    "make_windows",
    "windows_from_channels",
]
