"""Who may see what: protocols as splitters over people, in scikit-learn's manner.

A protocol is a class in :data:`PROTOCOLS`. It is made with the run's ``validation_subjects`` and a seed, has
a `name`, says in `seen` what the model has seen of the person it is tested on and in `deployable` whether a
device could do the same, and yields a :class:`Fold` a person from `split`. Every split is by person: a
person's windows are never on two sides of one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
import xarray as xr

from wesadlib.errors import InputError

_NONE = np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Fold:
    """Positions along the ``window`` axis of what each part of one fold may use.

    Attributes
    ----------
    held_out : str
        The person the fold is tested on.
    train, validation : ndarray of int, (window,)
        Windows of other people: to fit on, and to decide when to stop.
    calibration : ndarray of int, (window,)
        Windows of the held-out person that the model may use before it is tested; empty under a cold start.
    test : ndarray of int, (window,)
        Windows of the held-out person to predict.
    """

    held_out: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    calibration: np.ndarray = field(default_factory=lambda: _NONE)


class Splitter(Protocol):
    """What the runner asks of a protocol."""

    name: ClassVar[str]
    deployable: ClassVar[bool]
    seen: ClassVar[str]

    def split(self, windows: xr.Dataset) -> Iterator[Fold]:
        """Yield a fold for each person."""


@dataclass(frozen=True)
class ColdStart:
    """Leave one subject out: nothing at all is known of the new person.

    ::

        person     S2          S3      S4           S5      S6
        fold S2    test        train   validation   train   train
        fold S3    validation  test    train        train   train
        …

    Each fold draws its validation people by the seed and the held-out person's name from everybody else, so
    what a model trains on depends on nothing that was measured on the person it is tested on.

    Parameters
    ----------
    validation_subjects : int
        How many of the other people decide when training stops.
    seed : int
        Seed of that draw.

    Raises
    ------
    InputError
        From `split`, when there are fewer people than one to test, `validation_subjects` and one to train on.
    """

    validation_subjects: int = 1
    seed: int = 0

    name: ClassVar[str] = "cold_start"
    deployable: ClassVar[bool] = True
    seen: ClassVar[str] = "The model has seen nothing of the new person: no window, no label, no level at rest."

    def split(self, windows: xr.Dataset) -> Iterator[Fold]:
        """Yield a fold for each person, in the order in which people appear in `windows`.

        Parameters
        ----------
        windows : Dataset
            Windows with the coordinate ``subject (window)``.
        """
        subject = np.asarray(windows["subject"].values)
        people = subjects_of(windows)
        needed = self.validation_subjects + 2
        if len(people) < needed:
            raise InputError(
                f"{len(people)} subject{'s' * (len(people) != 1)} ({', '.join(people)}): leaving one out with "
                f"validation_subjects={self.validation_subjects} needs at least {needed}; give more subjects"
                f"{' or lower `validation_subjects`' if self.validation_subjects > 1 else ''}."
            )
        for held_out in people:
            others = [person for person in people if person != held_out]
            validation = draw_subjects(others, self.validation_subjects, self.seed, held_out)
            in_test, in_validation = subject == held_out, np.isin(subject, validation)
            yield Fold(
                held_out,
                train=np.flatnonzero(~in_test & ~in_validation),
                validation=np.flatnonzero(in_validation),
                test=np.flatnonzero(in_test),
            )


def subjects_of(windows: xr.Dataset) -> list[str]:
    """People of `windows` in the order in which they first appear."""
    return list(dict.fromkeys(windows["subject"].values.astype(str).tolist()))


def draw_subjects(people: list[str], number: int, seed: int, purpose: str = "") -> list[str]:
    """Draw people without replacement, by a seed and a purpose (such as the held-out person's name), in given order."""
    generator = np.random.default_rng([seed, *purpose.encode()])
    return [people[k] for k in sorted(generator.choice(len(people), number, replace=False))]


#: name -> splitter class
PROTOCOLS: dict[str, type] = {ColdStart.name: ColdStart}
