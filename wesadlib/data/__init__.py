"""Files on disk become recordings."""

from wesadlib.data.overview import REPORTS, CohortOverview, describe_cohort
from wesadlib.data.protocol import label_blocks
from wesadlib.data.quest import score_stai
from wesadlib.data.recording import (
    CHANNELS,
    DEVICE_CHANNELS,
    IGNORED_LABELS,
    LABELS,
    STATES,
    Recording,
)
from wesadlib.data.source import describe_source, open_cohort
from wesadlib.data.wesad import Cohort, open_wesad

__all__ = [
    "CHANNELS",
    "DEVICE_CHANNELS",
    "IGNORED_LABELS",
    "LABELS",
    "REPORTS",
    "STATES",
    "Cohort",
    "CohortOverview",
    "Recording",
    "describe_cohort",
    "describe_source",
    "label_blocks",
    "open_cohort",
    "open_wesad",
    "score_stai",
]
