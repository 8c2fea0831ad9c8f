"""What the server remembers beyond one request, in memory only, bounded in number, size and age.

Of a person: the profile at rest, which is a few means over windows, and features of windows, for drift. No signal, with
one exception: a stream whose connection dropped is parked with its last window, for the seconds in which it can be
resumed. Nothing is written to disk, and nothing outlives the server.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np

from wesadlib.serving.reservoir import Reservoir, Rows

#: Handles of one person that are valid at a time: with the one before the last, streams that use it end undisturbed.
HANDLES_PER_PERSON = 2
#: Model versions whose windows are kept apart: while a bundle is changed, both are answering.
_VERSIONS = 2
#: Seconds without news after which a replica is taken to be gone, and how many of those are remembered.
_SILENT_S, _GONE_REPLICAS = 30.0, 32
#: Seconds for which windows of a person who was just forgotten are thrown away: replicas hold them back for a second.
_FORGETTING_S = 5.0


@dataclass(frozen=True)
class Limits:
    """Bounds of a :class:`Store`: the settings of the same names, and what all parked streams take at most, MiB."""

    max_people: int = 1000
    people_age_h: float = 24.0
    drift_windows: int = 10_000
    drift_windows_per_person: int = 200
    max_streams: int = 1000
    parked_mb: float = 128.0

    @classmethod
    def of(cls, settings: Any) -> "Limits":
        """Read them from the server's settings, which may lack some."""
        names = cls.__dataclass_fields__
        return cls(**{name: getattr(settings, name) for name in names if hasattr(settings, name)})


class Rest(TypedDict):
    """A person at rest: the profile (value,), which model made it, when, and until when it is kept (Unix seconds)."""

    person: str
    profile: np.ndarray
    model_version: str
    made: float
    expires: float


class Forgotten(NamedTuple):
    """How many handles, windows of the drift reservoir and parked streams of a person were forgotten."""

    rests: int
    windows: int
    streams: int


class Snapshot(NamedTuple):
    """What a replica said last of itself; `alive` is False where it has been silent since."""

    replica: str
    text: str
    alive: bool


class _Parked(NamedTuple):
    state: bytes
    until: float
    person: str | None


class Store:
    """Rest records, parked streams, windows for drift and what replicas say of themselves.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Unix seconds.
    """

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._rests: OrderedDict[str, Rest] = OrderedDict()
        self._parked: OrderedDict[str, _Parked] = OrderedDict()
        self._parked_bytes = 0
        self._drift: OrderedDict[str, Reservoir] = OrderedDict()
        self._forgotten: OrderedDict[str, float] = OrderedDict()
        self._replicas: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self.bound(limits or Limits())

    def bound(self, limits: Limits) -> None:
        """Set the bounds anew, as when the settings have changed."""
        self._limits = limits
        for reservoir in self._drift.values():
            reservoir.bound(*self._drift_bounds())
        self.sweep()

    def keep_rest(self, person: str, profile: np.ndarray, model_version: str) -> tuple[str, Rest]:
        """Remember a person at rest, and give the random handle under which :meth:`get_rest` finds it."""
        self.sweep()
        earlier = [handle for handle, rest in self._rests.items() if rest["person"] == person]
        # In the order of their use; the one that was made first goes.
        earlier.sort(key=lambda handle: self._rests[handle]["made"])
        for handle in earlier[: max(0, len(earlier) + 1 - HANDLES_PER_PERSON)]:
            del self._rests[handle]
        made = self._clock()
        rest = Rest(
            person=person,
            profile=np.array(profile, np.float32),
            model_version=model_version,
            made=made,
            expires=made + self._age_s,
        )
        handle = secrets.token_urlsafe(16)
        self._rests[handle] = rest
        while len(self._rests) > self._limits.max_people:
            self._rests.popitem(last=False)
        return handle, rest

    def get_rest(self, handle: str) -> Rest | None:
        """Find a person at rest; None where the handle was never given, is too old, or had to make room."""
        rest = self._rests.get(handle)
        if rest is None or rest["expires"] <= self._clock():
            self._rests.pop(handle, None)
            return None
        self._rests.move_to_end(handle)
        return rest

    def forget(self, person: str) -> Forgotten:
        """Forget all that is kept of a person."""
        rests = [handle for handle, rest in self._rests.items() if rest["person"] == person]
        for handle in rests:
            del self._rests[handle]
        streams = [session for session, parked in self._parked.items() if parked.person == person]
        for session in streams:
            self._unpark(session)
        self._forgotten[person] = self._clock() + _FORGETTING_S
        self._forgotten.move_to_end(person)
        self.sweep()
        return Forgotten(len(rests), sum(kept.forget(person) for kept in self._drift.values()), len(streams))

    def park(self, session: str, state: bytes, seconds: float, person: str | None = None) -> bool:
        """Hold the state of a stream whose connection dropped; False where it is larger than all that may be held.

        Where there is no room, the stream that was parked first makes it.
        """
        self._unpark(session)
        self.sweep()
        room = self._limits.parked_mb * 2**20
        if len(state) > room or not self._limits.max_streams:
            return False
        while self._parked and (
            len(self._parked) >= self._limits.max_streams or self._parked_bytes + len(state) > room
        ):
            self._unpark(next(iter(self._parked)))
        self._parked[session] = _Parked(bytes(state), self._clock() + seconds, person)
        self._parked_bytes += len(state)
        return True

    def claim(self, session: str) -> bytes | None:
        """Take a parked stream out again; None where there is none, where it was taken already, or too late."""
        parked = self._unpark(session)
        return parked.state if parked and parked.until > self._clock() else None

    def _unpark(self, session: str) -> _Parked | None:
        parked = self._parked.pop(session, None)
        self._parked_bytes -= len(parked.state) if parked else 0
        return parked

    def feed(self, model_version: str, people: Sequence[str], features: np.ndarray, unnamed: int = 0) -> None:
        """Add windows that a model answered, as :meth:`Reservoir.add` takes them."""
        if model_version not in self._drift:
            self._drift[model_version] = Reservoir(*self._drift_bounds(), self._clock)
        self._drift.move_to_end(model_version)
        while len(self._drift) > _VERSIONS:
            self._drift.popitem(last=False)
        self.sweep()
        kept = [row for row, person in enumerate(people) if person not in self._forgotten]
        self._drift[model_version].add([people[row] for row in kept], np.asarray(features)[kept], unnamed)

    def drift_rows(self, model_version: str) -> Rows:
        """Give the windows that are kept of a model."""
        if model_version not in self._drift:
            return Rows([], np.empty((0, 0), np.float32), 0)
        self._drift[model_version].sweep()
        return self._drift[model_version].rows()

    def report_metrics(self, replica: str, text: str) -> None:
        """Note what a replica says of itself; it does so every second, which also drives what leaves by its age."""
        self._replicas[replica] = (self._clock(), text)
        self._replicas.move_to_end(replica)
        self.sweep()

    def metrics(self) -> list[Snapshot]:
        """What every replica said last; of those gone too, so that no sum over the server ever falls."""
        now = self._clock()
        return [Snapshot(name, text, now - at < _SILENT_S) for name, (at, text) in self._replicas.items()]

    def sweep(self) -> None:
        """Let everything go whose time is over."""
        now = self._clock()
        for handle in [handle for handle, rest in self._rests.items() if rest["expires"] <= now]:
            del self._rests[handle]
        for session in [session for session, parked in self._parked.items() if parked.until <= now]:
            self._unpark(session)
        for reservoir in self._drift.values():
            reservoir.sweep()
        while self._forgotten and next(iter(self._forgotten.values())) <= now:
            self._forgotten.popitem(last=False)
        gone = [name for name, (at, _) in self._replicas.items() if now - at >= _SILENT_S]
        for name in gone[: max(0, len(gone) - _GONE_REPLICAS)]:
            del self._replicas[name]

    @property
    def _age_s(self) -> float:
        return 3600 * self._limits.people_age_h

    def _drift_bounds(self) -> tuple[int, int, float]:
        return self._limits.drift_windows, self._limits.drift_windows_per_person, self._age_s
