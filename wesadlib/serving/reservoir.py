"""Features of windows that were answered, of a bounded number, person by person: what drift is judged on."""

import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """What a reservoir holds.

    Attributes
    ----------
    people : list of str
        Whose window it is, an entry a row.
    features : ndarray (row, feature)
        Single precision; NaN where a feature could not be read.
    unnamed : int
        Windows that came without a person and without a stream: they are counted, and nothing of them is kept.
    """

    people: list[str]
    features: np.ndarray
    unnamed: int


class _Person:
    """Windows of one person: all of them, or a fair sample of as many as are kept."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.seen = 0
        self.last = 0.0


class Reservoir:
    """Keep the features of windows, bounded in all, for each person, and by age.

    Of a person who has more windows than are kept each has the same chance to be among those; where there are too many
    in all, whoever was not heard of for longest leaves with all windows.

    Parameters
    ----------
    windows : int
        Most windows in all.
    windows_per_person : int
        Most windows of one person.
    age_s : float
        Whoever was not heard of for so long is forgotten.
    clock : callable
        Seconds, such as :func:`time.time`.
    seed : int, optional
        Of the choice among a person's windows.
    """

    def __init__(
        self, windows: int, windows_per_person: int, age_s: float, clock: Callable[[], float], seed: int | None = None
    ):
        self.bound(windows, windows_per_person, age_s)
        self._clock = clock
        self._random = random.Random(seed)
        self._people: OrderedDict[str, _Person] = OrderedDict()
        self._total = 0
        self._unnamed = 0

    def bound(self, windows: int, windows_per_person: int, age_s: float) -> None:
        """Set the bounds anew; they hold from the next window on."""
        self._most = windows
        self._most_of_one = min(windows_per_person, windows)
        self._age_s = age_s

    def __len__(self) -> int:
        return self._total

    def add(self, people: Sequence[str], features: np.ndarray, unnamed: int = 0) -> None:
        """Add windows.

        Parameters
        ----------
        people : sequence of str
            Whose each is.
        features : ndarray (window, feature)
        unnamed : int
            How many more there were of nobody.
        """
        self._unnamed += unnamed
        now = self._clock()
        for name, row in zip(people, np.asarray(features, np.float32), strict=True):
            # A copy: a view would keep alive all that came with it.
            self._add(name, row.copy(), now)
        while self._total > self._most:
            self._drop(next(iter(self._people)))
        self.sweep()

    def _add(self, name: str, row: np.ndarray, now: float) -> None:
        person = self._people.setdefault(name, _Person())
        self._people.move_to_end(name)
        person.seen += 1
        person.last = now
        if len(person.rows) < self._most_of_one:
            person.rows.append(row)
            self._total += 1
        elif (place := self._random.randrange(person.seen)) < len(person.rows):
            person.rows[place] = row

    def forget(self, name: str) -> int:
        """Forget a person, and say how many windows that were."""
        return self._drop(name) if name in self._people else 0

    def sweep(self) -> None:
        """Forget whoever was not heard of for too long."""
        oldest = self._clock() - self._age_s
        while self._people and (first := next(iter(self._people.items())))[1].last < oldest:
            self._drop(first[0])

    def _drop(self, name: str) -> int:
        rows = len(self._people.pop(name).rows)
        self._total -= rows
        return rows

    def rows(self) -> Rows:
        """Give all that is kept."""
        people = [name for name, person in self._people.items() for _ in person.rows]
        kept = [row for person in self._people.values() for row in person.rows]
        return Rows(people, np.stack(kept) if kept else np.empty((0, 0), np.float32), self._unnamed)
