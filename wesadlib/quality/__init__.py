"""Windows to scores, verdicts and reasons: what may be learnt from, scored and answered, and why not."""

from wesadlib.quality.assess import Assessment, assess_arrays, assess_quality, quality_only
from wesadlib.quality.recordings import check_recording, describe_recording
from wesadlib.quality.rules import RULES, THRESHOLDS, Rule, describe_rules, read_thresholds, signal_of
from wesadlib.quality.wear import assess_wear

__all__ = [
    "RULES",
    "THRESHOLDS",
    "Assessment",
    "Rule",
    "assess_arrays",
    "assess_quality",
    "assess_wear",
    "check_recording",
    "describe_recording",
    "describe_rules",
    "quality_only",
    "read_thresholds",
    "signal_of",
]
