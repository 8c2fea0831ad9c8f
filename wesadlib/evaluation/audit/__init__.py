"""Shortcuts that make scores look better than they are, and controls that say what a good score rests on.

For one chapter of the book, and imported by nothing else: no row that is made here is a result. A shortcut takes
windows, or predictions of them, and gives predictions as :func:`~wesadlib.evaluation.runner.evaluate` does, with the
columns

- ``shortcut``: which of :data:`RULES` or :data:`CONTROLS` it is;
- ``role``: "shortcut"; "reference", for the honest predictions that a shortcut is held against where the run's own cold
  start is not the fair one; or "control";
- ``deployable``: False, by which a leaderboard refuses it.
"""

from wesadlib.evaluation.audit.controls import CONTROLS, run_controls
from wesadlib.evaluation.audit.inflation import inflation, score_controls, tabulate_inflation
from wesadlib.evaluation.audit.people import (
    describe_dropped,
    describe_people,
    nearest_people,
    tabulate_people,
    tabulate_responses,
)
from wesadlib.evaluation.audit.shortcuts import RULES, overlap_share, run_shortcuts, shuffled_folds

__all__ = [
    "CONTROLS",
    "RULES",
    "describe_dropped",
    "describe_people",
    "inflation",
    "nearest_people",
    "overlap_share",
    "run_controls",
    "run_shortcuts",
    "score_controls",
    "shuffled_folds",
    "tabulate_inflation",
    "tabulate_people",
    "tabulate_responses",
]
