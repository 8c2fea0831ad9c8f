"""What every model checks of its windows and gives back, said once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError


def encode_labels(windows: xr.Dataset, classes: Sequence[str]) -> np.ndarray:
    """Number of each window's state in `classes`, ``(window,)``.

    Raises
    ------
    InputError
        When a window is of another state.
    """
    target = pd.Index(classes).get_indexer(windows["label"].values)
    if (target < 0).any():
        label = windows["label"].values[target < 0][0]
        raise InputError(f"a window of the state `{label}`; the model tells {', '.join(classes)} apart.")
    return target.astype(np.int64)


def refuse_absent_state(target: np.ndarray, classes: Sequence[str]) -> None:
    """Nobody learns a state that is not shown.

    Raises
    ------
    InputError
        When a state has no training window.
    """
    absent = [state for number, state in enumerate(classes) if number not in target]
    if absent:
        raise InputError(f"no training window of the state `{absent[0]}`; train on all of {', '.join(classes)}.")


def check_rest(name: str, rested: bool, rest: Any) -> None:
    """A model predicts by what it was fitted with: for models that can use a person's rest.

    Parameters
    ----------
    name : str
        The model's name.
    rested : bool
        Whether it was fitted with people's windows at rest.
    rest : Dataset, ndarray or None
        What it is given of a person's rest to predict with.

    Raises
    ------
    InputError
        When it was fitted with rest and is given none, or the other way round.
    """
    if rested and rest is None:
        raise InputError(f"the model `{name}` was fitted with people's windows at rest; give this person's as `rest`.")
    if not rested and rest is not None:
        raise InputError(f"the model `{name}` was fitted without people's windows at rest; leave `rest` out.")


def rest_of_each(values: np.ndarray, windows: xr.Dataset, rest: xr.Dataset) -> np.ndarray:
    """Mean of what a person shows at rest, for each window of that person.

    Parameters
    ----------
    values : ndarray, (rest_window, k)
        What is averaged, for each window of `rest`; NaN is left out of the mean.
    windows : Dataset
        Windows with the coordinate `subject`.
    rest : Dataset
        Windows at rest of the same people, with the coordinate `subject`.

    Returns
    -------
    ndarray, (window, k)
        float32; NaN where no window of the person's rest has a value.

    Raises
    ------
    InputError
        When a person has no window at rest.
    """
    return mean_of_each_person(lambda rows: mean_at_rest(values[rows]), windows, rest)


def mean_of_each_person(mean: Callable[[np.ndarray], np.ndarray], windows: xr.Dataset, rest: xr.Dataset) -> np.ndarray:
    """As :func:`rest_of_each`, by a function that gives the mean ``(k,)`` over windows at some positions of `rest`."""
    resting, people = (part["subject"].values.astype(str) for part in (rest, windows))
    known = list(dict.fromkeys(resting.tolist()))
    if absent := [person for person in dict.fromkeys(people.tolist()) if person not in known]:
        raise InputError(f"{absent[0]}: no window at rest; give some of everybody whose windows are to be told apart.")
    means = np.stack([mean(np.flatnonzero(resting == person)) for person in known])
    return means[pd.Index(known).get_indexer(people)]


def mean_at_rest(values: np.ndarray) -> np.ndarray:
    """Mean over windows at rest ``(window, k)``, float32 ``(k,)``; NaN is left out, and stays where all is NaN."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return (np.where(present, values, 0).sum(axis=0, dtype=float) / present.sum(axis=0)).astype(np.float32)


def name_probabilities(probability: np.ndarray, windows: xr.Dataset, classes: Sequence[str]) -> xr.DataArray:
    """Probabilities ``(window, state)`` with the windows' own coordinates."""
    coordinates = {name: value for name, value in windows.coords.items() if value.dims == ("window",)}
    return xr.DataArray(probability, dims=("window", "state"), coords={**coordinates, "state": list(classes)})
