"""Who may see what: protocols as splitters over people, in scikit-learn's manner, of which none divides a person."""

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.params import Params

_NONE = np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Fold:
    """Positions along the ``window`` axis of what each part of one fold may use, of a person or of a group of people.

    `calibration` are everybody's windows at rest, in no other part; empty where the protocol shows no rest.
    """

    held_out: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    calibration: np.ndarray = field(default_factory=lambda: _NONE)


class Usable(NamedTuple):
    """Positions of each person's windows to learn from or to be tested on, and of those at rest, for calibration."""

    windows: Mapping[str, np.ndarray]
    rest: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class LeaveOneOut:
    """What protocols have in common: everybody is tested once, by models that learnt from other people.

    So many of these, drawn by the seed, decide when training stops; fields but the seed are parameters of a run. `seen`
    says what the model has seen of the new person, `deployable` whether a device could do the same.
    """

    validation_subjects: int = 1
    seed: int = 0

    name: ClassVar[str]
    deployable: ClassVar[bool]
    seen: ClassVar[str]

    def prepare(self, windows: xr.Dataset) -> xr.Dataset:
        """Windows as the protocol lets a model see them, each person's by that person's alone: here, as they are."""
        return windows

    def usable(self, windows: xr.Dataset) -> Usable:
        """What each person's windows may be used for: here, all of them, and no rest."""
        subject = windows["subject"].values.astype(str)
        people = subjects_of(windows)
        return Usable({person: np.flatnonzero(subject == person) for person in people}, dict.fromkeys(people, _NONE))

    def split(self, windows: xr.Dataset) -> Iterator[Fold]:
        """Yield a fold for each person, in the order in which people appear in `windows`."""
        usable = self.usable(windows)
        for person in usable.windows:
            yield leave_out(self, usable, [person], person)


@dataclass(frozen=True)
class ColdStart(LeaveOneOut):
    """Leave one subject out: nothing at all is known of the new person."""

    name: ClassVar[str] = "cold_start"
    deployable: ClassVar[bool] = True
    seen: ClassVar[str] = "The model has seen nothing of the new person: no window, no label, no level at rest."


@dataclass(frozen=True)
class RestCalibrated(LeaveOneOut):
    """Leave one subject out, whose first minutes at rest are known: ``|‥ rest ‥|gap|‥‥ baseline ‥‥|   |‥ stress ‥|``.

    Rest are the windows wholly within the first `rest_minutes` of the person's baseline. Neither they nor windows that
    start less than a window's length after them, or touch their beginning, are tested on or learnt from.
    """

    rest_minutes: float = 5.0

    name: ClassVar[str] = "rest_calibrated"
    deployable: ClassVar[bool] = True
    seen: ClassVar[str] = (
        "The model has seen the new person's first minutes at rest, and is tested on none of them nor right after."
    )

    def usable(self, windows: xr.Dataset) -> Usable:
        """Each person's rest and what is left after the gap; without baseline left out, with too little an error."""
        window_s = float(windows.attrs["window_s"])
        rest_s = 60 * self.rest_minutes
        subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values
        baseline = windows["state" if "state" in windows.coords else "label"].values == "baseline"
        if not baseline.any():
            raise InputError(
                f"nobody has a window of `baseline`, which the protocol `{self.name}` takes people's rest from; keep "
                "`baseline` or `non-stress` among `classes`."
            )
        usable, rest = {}, {}
        for person in subjects_of(windows):
            of_person = subject == person
            if not (of_person & baseline).any():
                warnings.warn(f"{person}: no window of `baseline`; left out of `{self.name}`.", stacklevel=2)
                continue
            begin = start_s[of_person & baseline].min()
            at_rest = of_person & baseline & (start_s + window_s <= begin + rest_s + 1e-6)
            after = of_person & (start_s >= begin + rest_s + window_s - 1e-6)
            before = of_person & (start_s + window_s <= begin + 1e-6)
            if not at_rest.any() or not (after & baseline).any():
                last = start_s[of_person & baseline].max() - begin
                raise InputError(self._too_much_rest(person, last + window_s, window_s))
            usable[person], rest[person] = np.flatnonzero(after | before), np.flatnonzero(at_rest)
        return Usable(usable, rest)

    def _too_much_rest(self, person: str, baseline_s: float, window_s: float) -> str:
        # Rounded so that both bounds are themselves allowed.
        least, most = np.ceil(window_s / 0.6 - 1e-6) / 100, np.floor((baseline_s - 2 * window_s) / 0.6 + 1e-6) / 100
        advice = (
            f"choose `rest_minutes` of at least {least:g} and at most {most:g}"
            if least <= most
            else "leave this person out by `subjects`"
        )
        return (
            f"{person}: {baseline_s / 60:.1f} min from the first to the last window of baseline, which do not give "
            f"{self.rest_minutes:g} min of rest, a window's gap and baseline to be tested on; {advice}."
        )


@dataclass(frozen=True)
class WholeRecording(LeaveOneOut):
    """Leave one subject out, whose whole recording, without labels, sets the scale: an upper mark, for no device.

    Everybody's features and signals are z-scored by the mean and spread of that person's own windows, of all states.
    """

    name: ClassVar[str] = "whole_recording"
    deployable: ClassVar[bool] = False
    seen: ClassVar[str] = (
        "The model sees every window in the scale of the person's whole recording, which no device has."
    )

    def prepare(self, windows: xr.Dataset) -> xr.Dataset:
        """Windows whose features and signals have mean 0 and spread 1 in each person; what does not vary becomes 0."""
        subject = windows["subject"].values.astype(str)
        changed = {}
        for name, over in (("feature", (0,)), ("signal", (0, 2))):
            if name not in windows:
                continue
            variable = windows[name].transpose("window", ...)
            values = variable.values.copy()
            for person in subjects_of(windows):
                values[subject == person] = _standardise(values[subject == person], over)
            changed[name] = variable.copy(data=values).transpose(*windows[name].dims)
        return windows.assign(changed)


def _standardise(values: np.ndarray, over: tuple[int, ...]) -> np.ndarray:
    # NaN stay NaN and count for nothing.
    present = np.ma.masked_invalid(values.astype(float))
    low, mean, high, spread = (
        getattr(present, what)(axis=over, keepdims=True).filled(np.nan) for what in ("min", "mean", "max", "std")
    )
    # The rounded mean of equal values is not quite their value, and neither is their spread quite 0.
    constant = low == high
    return (values - np.where(constant, low, mean)) / np.where(constant, 1, spread)


#: name -> splitter class; in this order protocols are compared.
PROTOCOLS: dict[str, type[LeaveOneOut]] = {
    protocol.name: protocol for protocol in (ColdStart, RestCalibrated, WholeRecording)
}


def make_protocol(name: str, params: Params, seed: int) -> LeaveOneOut:
    """Make a splitter by its name; the sentence about an unknown one lists those that there are."""
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol `{name}`; the protocols are {', '.join(PROTOCOLS)}.")
    given = {one.name: getattr(params, one.name) for one in fields(PROTOCOLS[name]) if one.name != "seed"}
    return PROTOCOLS[name](seed=seed, **given)


def leave_out(splitter: LeaveOneOut, usable: Usable, people: Collection[str], name: str) -> Fold:
    """The fold called `name` that is tested on some people and learns from all others, drawn by the splitter's seed."""
    others = [person for person in usable.windows if person not in people]
    if len(others) < splitter.validation_subjects + 1:
        needed = splitter.validation_subjects + 1 + len(people)
        number = len(usable.windows)
        raise InputError(
            f"{number} subject{'s' * (number != 1)} ({', '.join(usable.windows)}): leaving "
            f"{'one' if len(people) == 1 else len(people)} out with validation_subjects={splitter.validation_subjects} "
            f"needs at least {needed}; give more subjects"
            f"{' or lower `validation_subjects`' if splitter.validation_subjects > 1 else ''}."
        )
    validation = draw_subjects(others, splitter.validation_subjects, splitter.seed, name)
    return Fold(
        name,
        train=_concat_windows(usable.windows, [person for person in others if person not in validation]),
        validation=_concat_windows(usable.windows, validation),
        test=_concat_windows(usable.windows, people),
        calibration=_concat_windows(usable.rest, list(usable.rest)),
    )


def _concat_windows(windows_of: Mapping[str, np.ndarray], people: Collection[str]) -> np.ndarray:
    return np.sort(np.concatenate([_NONE, *(windows_of[person] for person in people)]))


def subjects_of(windows: xr.Dataset) -> list[str]:
    """People of `windows` in the order in which they first appear."""
    return list(dict.fromkeys(windows["subject"].values.astype(str).tolist()))


def draw_subjects(people: list[str], number: int, seed: int, purpose: str = "") -> list[str]:
    """Draw people without replacement, by a seed and a purpose (such as the held-out person's name), in given order."""
    generator = np.random.default_rng([seed, *purpose.encode()])
    return [people[k] for k in sorted(generator.choice(len(people), number, replace=False))]


def non_overlapping(windows: Mapping[str, Any], window_s: float) -> np.ndarray:
    """Positions of windows, by ``subject`` and ``start_s``, of which no two of a person share a moment.

    The earliest are kept.

    >>> non_overlapping({"subject": ["S2", "S2", "S2", "S3"], "start_s": [0.0, 30.0, 60.0, 30.0]}, 60.0).tolist()
    [0, 2, 3]
    """
    subject, start_s = np.asarray(windows["subject"]), np.asarray(windows["start_s"])
    kept, end = [], {}
    for k in np.argsort(start_s, kind="stable"):
        if start_s[k] >= end.get(subject[k], -np.inf) - 1e-6:
            kept.append(k)
            end[subject[k]] = start_s[k] + window_s
    return np.sort(np.array(kept, dtype=np.intp))
