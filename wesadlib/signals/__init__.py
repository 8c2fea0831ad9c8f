"""Recordings become windows: cut at the native rates, harmonised to one rate, with the beats found in them."""

from wesadlib.signals.arrays import (
    Windows,
    window_from_channels,
    windows_from_channels,
)
from wesadlib.signals.beats import BEAT_SOURCES, find_beats
from wesadlib.signals.harmonise import harmonise
from wesadlib.signals.raw_statistics import RAW_STATISTICS
from wesadlib.signals.views import beat_loss, describe_course, power_spectrum
from wesadlib.signals.windows import cut_window, make_windows

__all__ = [
    "BEAT_SOURCES",
    "RAW_STATISTICS",
    "Windows",
    "beat_loss",
    "cut_window",
    "describe_course",
    "find_beats",
    "harmonise",
    "make_windows",
    "power_spectrum",
    "window_from_channels",
    "windows_from_channels",
]
