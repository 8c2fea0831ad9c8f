"""What every protocol is made of: folds, draws of people, leaving people out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.params import Params

_NONE = np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Fold:
    """Positions along the ``window`` axis of what each part of one fold may use.

    Attributes
    ----------
    held_out : str
        The person the fold is tested on, or the name of a group of people.
    train, validation : ndarray of int, (window,)
        Windows of other people: to fit on, and to decide when to stop.
    calibration : ndarray of int, (window,)
        Windows at rest, of the held-out person and of the others, against which a person's other windows are seen;
        none of them is in another part. Empty where the protocol shows no rest.
    test : ndarray of int, (window,)
        Windows of the held-out person to predict.
    """

    held_out: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    calibration: np.ndarray = field(default_factory=lambda: _NONE)


class Parts(NamedTuple):
    """What a protocol lets each person's windows be used for.

    Attributes
    ----------
    usable : mapping of str to ndarray of int
        Person -> windows to learn from, or to be tested on where the person is left out.
    rest : mapping of str to ndarray of int
        Person -> windows at rest, for calibration; empty arrays where the protocol shows none.
    """

    usable: Mapping[str, np.ndarray]
    rest: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class LeaveOneOut:
    """What protocols have in common: everybody is tested once, by models that learnt from other people.

    Parameters
    ----------
    validation_subjects : int
        How many of the other people decide when training stops.
    seed : int
        Seed of that draw.

    Attributes
    ----------
    name : str
        Name of the protocol.
    deployable : bool
        Whether a device could do the same.
    seen : str
        One sentence: what the model has seen of the new person.
    """

    validation_subjects: int = 1
    seed: int = 0

    name: ClassVar[str]
    deployable: ClassVar[bool]
    seen: ClassVar[str]

    @classmethod
    def from_params(cls, params: Params, seed: int) -> Self:
        """Make the splitter of a run's parameters."""
        return cls(params.validation_subjects, seed)

    def prepare(self, windows: xr.Dataset) -> xr.Dataset:
        """Windows as the protocol lets a model see them, each person's by that person's alone: here, as they are."""
        return windows

    def parts(self, windows: xr.Dataset) -> Parts:
        """What each person's windows may be used for: here, all of them, and no rest."""
        subject = windows["subject"].values.astype(str)
        people = subjects_of(windows)
        return Parts({person: np.flatnonzero(subject == person) for person in people}, dict.fromkeys(people, _NONE))

    def split(self, windows: xr.Dataset) -> Iterator[Fold]:
        """Yield a fold for each person, in the order in which people appear in `windows`.

        Parameters
        ----------
        windows : Dataset
            Windows with the coordinate ``subject (window)``.
        """
        parts = self.parts(windows)
        for person in parts.usable:
            yield leave_out(self, parts, [person], person)


def leave_out(splitter: LeaveOneOut, parts: Parts, people: Collection[str], name: str) -> Fold:
    """The fold that is tested on some people and learns from all others.

    Parameters
    ----------
    splitter : LeaveOneOut
        Gives `validation_subjects` and the seed of their draw.
    parts : Parts
        What the splitter gives for the windows.
    people : collection of str
        Who is left out.
    name : str
        Name of the fold, such as the person's: the draw of validation people follows from it.

    Raises
    ------
    InputError
        When too few people are left to validate on and to train on.
    """
    others = [person for person in parts.usable if person not in people]
    if len(others) < splitter.validation_subjects + 1:
        needed = splitter.validation_subjects + 1 + len(people)
        number = len(parts.usable)
        raise InputError(
            f"{number} subject{'s' * (number != 1)} ({', '.join(parts.usable)}): leaving {_count(len(people))} out "
            f"with validation_subjects={splitter.validation_subjects} needs at least {needed}; give more subjects"
            f"{' or lower `validation_subjects`' if splitter.validation_subjects > 1 else ''}."
        )
    validation = draw_subjects(others, splitter.validation_subjects, splitter.seed, name)
    return Fold(
        name,
        train=_together(parts.usable, [person for person in others if person not in validation]),
        validation=_together(parts.usable, validation),
        test=_together(parts.usable, people),
        calibration=_together(parts.rest, list(parts.rest)),
    )


def subjects_of(windows: xr.Dataset) -> list[str]:
    """People of `windows` in the order in which they first appear."""
    return list(dict.fromkeys(windows["subject"].values.astype(str).tolist()))


def draw_subjects(people: list[str], number: int, seed: int, purpose: str = "") -> list[str]:
    """Draw people without replacement, by a seed and a purpose (such as the held-out person's name), in given order."""
    generator = np.random.default_rng([seed, *purpose.encode()])
    return [people[k] for k in sorted(generator.choice(len(people), number, replace=False))]


def _together(windows_of: Mapping[str, np.ndarray], people: Collection[str]) -> np.ndarray:
    return np.sort(np.concatenate([_NONE, *(windows_of[person] for person in people)]))


def _count(number: int) -> str:
    return "one" if number == 1 else str(number)
