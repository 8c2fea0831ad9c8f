"""Shortcuts that make scores look better than they are, and controls that say what a good score rests on.

For one chapter of the book, and imported by nothing else: no row that is made here is a result. A shortcut takes
windows, or predictions of them, and gives predictions as :func:`~wesadlib.evaluation.runner.evaluate` does, with the
columns

- ``shortcut``: which of :data:`RULES` or :data:`CONTROLS` it is;
- ``role``: "shortcut"; "reference", for the honest predictions that a shortcut is held against where the run's own cold
  start is not the fair one; or "control";
- ``deployable``: False, by which a leaderboard refuses it.
"""

from wesadlib.evaluation.audit.controls import CONTROLS, families, shuffled_labels
from wesadlib.evaluation.audit.inflation import (
    describe_inflation,
    inflation,
    score_controls,
    score_with_intervals,
    tabulate_inflation,
)
from wesadlib.evaluation.audit.people import describe_people, nearest_is_own, tabulate_people, tabulate_responses
from wesadlib.evaluation.audit.shortcuts import (
    RULES,
    best_of_several,
    dropped_windows,
    overlap_share,
    seed_scores,
    select_epoch_on_test_person,
    selects_epoch,
    shuffled,
    shuffled_folds,
    shuffled_no_overlap,
    tag,
    whole_recording,
)

__all__ = [
    "CONTROLS",
    "RULES",
    "best_of_several",
    "describe_inflation",
    "describe_people",
    "dropped_windows",
    "families",
    "inflation",
    "nearest_is_own",
    "overlap_share",
    "score_controls",
    "score_with_intervals",
    "seed_scores",
    "select_epoch_on_test_person",
    "selects_epoch",
    "shuffled",
    "shuffled_folds",
    "shuffled_labels",
    "shuffled_no_overlap",
    "tabulate_inflation",
    "tabulate_people",
    "tabulate_responses",
    "tag",
    "whole_recording",
]
