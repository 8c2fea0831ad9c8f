"""Whether a batch of new people still looks like the cohort that the model was trained on."""

from wesadlib.drift.alarm import find_threshold, null_distribution, people_for, report
from wesadlib.drift.reference import make_reference

__all__ = ["find_threshold", "make_reference", "null_distribution", "people_for", "report"]
