"""What every model checks of its windows and gives back, said once."""

from collections.abc import Sequence

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


def refuse_rest(name: str, rest: xr.Dataset | None) -> None:
    """For models that cannot use a person's rest.

    Raises
    ------
    InputError
        When there is some: to ignore it would pass for using it.
    """
    if rest is not None:
        raise InputError(f"the model `{name}` has no use for windows of a person's rest; leave `rest` out.")


def name_probabilities(probability: np.ndarray, windows: xr.Dataset, classes: Sequence[str]) -> xr.DataArray:
    """Probabilities ``(window, state)`` with the windows' own coordinates."""
    coordinates = {name: value for name, value in windows.coords.items() if value.dims == ("window",)}
    return xr.DataArray(probability, dims=("window", "state"), coords={**coordinates, "state": list(classes)})
