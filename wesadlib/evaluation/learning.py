"""Learning curve: how well a model does on a new person when so many other people taught it."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, windows_of_classes
from wesadlib.evaluation.predictions import of_every_seed
from wesadlib.evaluation.protocols import ColdStart, Fold, Usable, draw_subjects, leave_out, subjects_of
from wesadlib.evaluation.runner import run_folds
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.statistics import paired_test
from wesadlib.params import Params


def learning_sizes(people: int, number: int) -> list[int]:
    """At most `number` sizes of a training group, from two people to all but the one who is left out.

    >>> [learning_sizes(people, number) for people, number in ((15, 7), (15, 3), (4, 7), (3, 3), (2, 3), (1, 3))]
    [[2, 4, 6, 8, 10, 12, 14], [2, 8, 14], [2, 3], [2], [1], []]
    """
    largest = people - 1
    return sorted({round(size) for size in np.linspace(min(2, largest), largest, number)} - {0})


def learning_folds(windows: xr.Dataset, size: int, *, validation_subjects: int, seed: int) -> list[Fold]:
    """Leave one subject out, with `size` of the others to learn from, those who validate among them.

    A larger group holds the smaller ones of the same seed; with everybody in it a fold is that of a cold start.
    """
    splitter = ColdStart(min(validation_subjects, size - 1), seed)
    usable, rest = splitter.usable(windows)
    people = list(usable)
    if not 1 <= size < len(people):
        raise InputError(
            f"a learning curve of {len(people)} subject(s) has no size {size}; sizes are 1 to {len(people) - 1}."
        )
    folds = []
    for held_out in people:
        drawn = [person for person in people if person != held_out]
        while len(drawn) > size:
            drawn = draw_subjects(drawn, len(drawn) - 1, seed, f"{held_out} without one of {len(drawn)}")
        group = Usable({person: usable[person] for person in (*drawn, held_out)}, rest)
        folds.append(leave_out(splitter, group, [held_out], held_out))
    return folds


def learning_curve(
    names: Sequence[str], windows: xr.Dataset, sizes: Iterable[int], *, params: Params, seeds: Iterable[int], **options
) -> pd.DataFrame:
    """Predict every person by models trained on so many others, drawn by each seed: protocols ``learning_<size>``."""
    windows = windows_of_classes(windows, params.classes)
    whole = len(subjects_of(windows)) - 1
    # With everybody in the group a fold is a cold start's, and goes by that name, so that it is not trained again.
    jobs = [
        Job(name, ColdStart.name if size == whole else f"learning_{size}", seed, fold)
        for name in dict.fromkeys(names)
        for size in sorted(set(sizes))
        for seed in dict.fromkeys(seeds)
        for fold in learning_folds(windows, size, validation_subjects=params.validation_subjects, seed=seed)
    ]
    predictions, _ = run_folds(jobs, windows, params, **options)
    protocol = predictions["protocol"].replace(ColdStart.name, f"learning_{whole}")
    return predictions.assign(protocol=protocol, size=protocol.str.removeprefix("learning_").astype(int))


def score_curve(predictions: pd.DataFrame, by: str | None = None, *, bootstrap: int = 1000) -> pd.DataFrame:
    """Score a learning curve: as :func:`~wesadlib.evaluation.scores.score`, with `size` in place of the protocol."""
    scores = score(of_every_seed(predictions), by, bootstrap=bootstrap)
    size = scores["protocol"].str.removeprefix("learning_").astype(int)
    return scores.assign(size=size).drop(columns="protocol")


def rise(by_subject: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """How much accuracy rises when the number of training people is doubled, over the curve's last three sizes.

    Of each person of :func:`score_curve`, accuracy is fitted by a line in ``log2(size)``; slopes are averaged over
    people and tested against none. What lies beyond these sizes nobody has seen.
    """
    rows = []
    for model, part in by_subject.groupby("model", sort=False):
        table = part.pivot(index="subject", columns="size", values="accuracy").iloc[:, -3:].dropna()
        if table.shape[1] < 2 or len(table) < 2:
            continue
        slopes = pd.Series(np.polyfit(np.log2(table.columns.to_numpy(float)), table.to_numpy().T, 1)[0], table.index)
        test = paired_test(0 * slopes, slopes, bootstrap=bootstrap)
        sizes = int(table.columns[0]), int(table.columns[-1])
        values = test.people, test.difference, test.low, test.high, test.p_permutation, test.detectable
        rows.append((model, *sizes, *values))
    names = ["model", "smallest", "largest", "people", "rise", "low", "high", "p", "detectable"]
    return pd.DataFrame(rows, columns=names)
