"""Files on disk become recordings."""

from wesadlib.data.cohort import Cohort, join
from wesadlib.data.devices import BEAT_SOURCES, CHANNELS, DEVICE_CHANNELS
from wesadlib.data.hongn import open_hongn
from wesadlib.data.overview import REPORTS, CohortOverview, check_cohort, describe_cohort
from wesadlib.data.quest import score_stai
from wesadlib.data.recording import Recording, label_windows, make_signals
from wesadlib.data.sources import describe_source, open_cohort, open_recording
from wesadlib.data.stress_predict import open_stress_predict
from wesadlib.data.wesad import STATES, open_wesad

__all__ = [
    "BEAT_SOURCES",
    "CHANNELS",
    "DEVICE_CHANNELS",
    "REPORTS",
    "STATES",
    "Cohort",
    "CohortOverview",
    "Recording",
    "check_cohort",
    "describe_cohort",
    "describe_source",
    "join",
    "label_windows",
    "make_signals",
    "open_cohort",
    "open_hongn",
    "open_recording",
    "open_stress_predict",
    "open_wesad",
    "score_stai",
]
