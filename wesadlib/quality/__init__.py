"""Windows to scores, verdicts and reasons: what may be learnt from, scored and answered, and why not."""

from wesadlib.quality.assess import Assessment, assess_arrays, assess_quality, quality_only
from wesadlib.quality.rules import RANGES, RULES, THRESHOLDS, Rule, describe_rules, read_thresholds, signal_of

__all__ = [
    "RANGES",
    "RULES",
    "THRESHOLDS",
    "Assessment",
    "Rule",
    "assess_arrays",
    "assess_quality",
    "describe_rules",
    "quality_only",
    "read_thresholds",
    "signal_of",
]
