"""Who may see what: protocols as splitters over people, in scikit-learn's manner.

A protocol is a class in :data:`PROTOCOLS`. It has a `name`, says in `seen` what the model has seen of the person it is
tested on and in `deployable` whether a device could do the same, and yields a fold a person from `split`. Every split
is by person: a person's windows are never on two sides of one.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.evaluation.splits import LeaveOneOut, Parts, subjects_of
from wesadlib.params import Params


@dataclass(frozen=True)
class ColdStart(LeaveOneOut):
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

    name: ClassVar[str] = "cold_start"
    deployable: ClassVar[bool] = True
    seen: ClassVar[str] = "The model has seen nothing of the new person: no window, no label, no level at rest."


@dataclass(frozen=True)
class RestCalibrated(LeaveOneOut):
    """Leave one subject out, whose first minutes at rest are known.

    ::

        person S2      |‥ rest ‥|gap|‥‥‥ baseline ‥‥‥|   |‥‥ stress ‥‥|
        fold S2         calibration  test                test
        fold S3         calibration  train               train

    Rest is chronological: the windows that lie wholly within the first `rest_minutes` from the start of the person's
    first baseline window. They are never tested on, nor learnt from, and nor is any window that starts less than one
    window's length after them or before they begin while touching them.

    Parameters
    ----------
    validation_subjects, seed
        As for :class:`ColdStart`; the draws are the same.
    rest_minutes : float
        How much rest is known of each person.

    Raises
    ------
    InputError
        From `split`, as :class:`ColdStart`, and when a person has too little baseline to give the rest and be tested on
        baseline after it.
    """

    rest_minutes: float = 5.0

    name: ClassVar[str] = "rest_calibrated"
    deployable: ClassVar[bool] = True
    seen: ClassVar[str] = (
        "The model has seen the new person's first minutes at rest, and is tested on none of them nor right after."
    )

    @classmethod
    def from_params(cls, params: Params, seed: int) -> "RestCalibrated":
        """Make the splitter of a run's parameters."""
        return cls(params.validation_subjects, seed, params.rest_minutes)

    def parts(self, windows: xr.Dataset) -> Parts:
        """Each person's rest, and what is left after the gap."""
        window_s = float(windows.attrs["window_s"])
        rest_s = 60 * self.rest_minutes
        subject, start_s = windows["subject"].values.astype(str), windows["start_s"].values
        baseline = windows["state" if "state" in windows.coords else "label"].values == "baseline"
        usable, rest = {}, {}
        for person in subjects_of(windows):
            own = subject == person
            if not (own & baseline).any():
                raise InputError(
                    f"{person}: no window of `baseline`, which the protocol `{self.name}` takes a person's rest from; "
                    "keep `baseline` or `non-stress` among `classes`."
                )
            begin = start_s[own & baseline].min()
            at_rest = own & baseline & (start_s + window_s <= begin + rest_s + 1e-6)
            after = own & (start_s >= begin + rest_s + window_s - 1e-6)
            before = own & (start_s + window_s <= begin + 1e-6)
            if not at_rest.any() or not (after & baseline).any():
                last = start_s[own & baseline].max() - begin
                raise InputError(self._too_much_rest(person, last + window_s, window_s))
            usable[person], rest[person] = np.flatnonzero(after | before), np.flatnonzero(at_rest)
        return Parts(usable, rest)

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

    Features and signals of everybody are z-scored by the mean and spread of that person's own windows, of all
    states. Nobody has the whole recording when its first minute is judged, and how much of it was stress shapes the
    scale.

    Parameters
    ----------
    validation_subjects, seed
        As for :class:`ColdStart`; the draws are the same.
    """

    name: ClassVar[str] = "whole_recording"
    deployable: ClassVar[bool] = False
    seen: ClassVar[str] = (
        "The model sees every window in the scale of the person's whole recording, which no device has."
    )

    def prepare(self, windows: xr.Dataset) -> xr.Dataset:
        """Windows whose features and signals have mean 0 and spread 1 in each person; what does not vary becomes 0."""
        return standardise_by_person(windows)


#: name -> splitter class; in this order protocols are compared.
PROTOCOLS: dict[str, type] = {protocol.name: protocol for protocol in (ColdStart, RestCalibrated, WholeRecording)}


def make_protocol(name: str, params: Params, seed: int) -> LeaveOneOut:
    """Make a splitter by its name.

    Raises
    ------
    InputError
        When no protocol has that name; the sentence lists those that there are.
    """
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol `{name}`; the protocols are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name].from_params(params, seed)


def standardise_by_person(windows: xr.Dataset) -> xr.Dataset:
    """Z-score features and signals by the mean and spread of each person's own windows, whatever their state.

    Parameters
    ----------
    windows : Dataset
        Windows with ``subject (window)`` and ``feature`` or ``signal``, or both; NaN stay NaN and count for nothing.

    Returns
    -------
    Dataset
        The same with standardised values; what does not vary in a person becomes 0.
    """
    subject = windows["subject"].values.astype(str)
    changed = {}
    for name, over in (("feature", (0,)), ("signal", (0, 2))):
        if name not in windows:
            continue
        variable = windows[name].transpose("window", ...)
        values = variable.values.copy()
        for person in subjects_of(windows):
            own = subject == person
            present = np.ma.masked_invalid(values[own].astype(float))
            low, mean, high, spread = (
                getattr(present, what)(axis=over, keepdims=True).filled(np.nan)
                for what in ("min", "mean", "max", "std")
            )
            # The rounded mean of equal values is not quite their value, and neither is their spread quite 0.
            constant = low == high
            values[own] = (values[own] - np.where(constant, low, mean)) / np.where(constant, 1, spread)
        changed[name] = variable.copy(data=values).transpose(*windows[name].dims)
    return windows.assign(changed)
