"""Windows to scores, verdicts and reasons: what may be learnt from, scored and answered, and why not."""

from wesadlib.quality.assess import (
    Assessment,
    assess_arrays,
    assess_quality,
    count_accepted,
    count_reasons,
    pick_examples,
    quality_only,
    sweep_cutoff,
)
from wesadlib.quality.rules import RANGES, RULES, THRESHOLDS, Rule, describe_rules, read_thresholds, signal_of

__all__ = [
    "RANGES",
    "RULES",
    "THRESHOLDS",
    "Assessment",
    "Rule",
    "assess_arrays",
    "assess_quality",
    "count_accepted",
    "count_reasons",
    "describe_rules",
    "pick_examples",
    "quality_only",
    "read_thresholds",
    "signal_of",
    "sweep_cutoff",
]
