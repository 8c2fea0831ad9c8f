"""Whether a batch of new people still looks like the cohort that the model was trained on."""

from wesadlib.drift.alarm import (
    LEAST_WINDOWS,
    describe_threshold,
    find_threshold,
    make_reference,
    people_for,
    report,
)

__all__ = [
    "LEAST_WINDOWS",
    "describe_threshold",
    "find_threshold",
    "make_reference",
    "people_for",
    "report",
]
