"""What every model takes and gives: windows as arrays, whose columns are checked against names once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pandas as pd

from wesadlib.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

#: What a model with epochs reports of each: epoch (from 1), epochs at most, training loss, validation loss.
Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True)
class Examples:
    """Windows as models take them.

    Attributes
    ----------
    signal : ndarray (window, channel, time) or None
        float32 in the channels' units, NaN where a sample is missing.
    feature : ndarray (window, feature_name) or None
        NaN where a feature is missing.
    channels, units : tuple of str
        Names and units along `channel`.
    feature_names : tuple of str
        Names along `feature_name`.
    label, subject : ndarray (window,) of str
        State, and whose window it is.
    start_s : ndarray (window,)
        Where it starts in the recording, seconds.
    rate_hz : float
        Sampling rate of `signal`.
    """

    signal: np.ndarray | None
    feature: np.ndarray | None
    channels: tuple[str, ...]
    units: tuple[str, ...]
    feature_names: tuple[str, ...]
    label: np.ndarray
    subject: np.ndarray
    start_s: np.ndarray
    rate_hz: float

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.subject)

    @classmethod
    def from_dataset(cls, windows: "xr.Dataset") -> Self:
        """Arrays of windows that have ``signal``, ``feature`` or both."""
        signal, channels = _array(windows, "signal", "window", "channel", "time")
        feature, feature_names = _array(windows, "feature", "window", "feature_name")
        units = windows["units"].values if "units" in windows.coords else ()
        label, subject = (windows[name].values.astype(str) for name in ("label", "subject"))
        named = (channels, tuple(str(unit) for unit in units), feature_names)
        rate_hz = float(windows.attrs.get("rate_hz", np.nan))
        return cls(signal, feature, *named, label, subject, windows["start_s"].values, rate_hz)

    def take(self, rows: np.ndarray | slice) -> "Examples":
        """Windows at these positions, or where a mask is true."""
        signal, feature = (None if values is None else values[rows] for values in (self.signal, self.feature))
        named = (self.channels, self.units, self.feature_names)
        return Examples(signal, feature, *named, self.label[rows], self.subject[rows], self.start_s[rows], self.rate_hz)


def _array(windows: "xr.Dataset", name: str, *dims: str) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if name not in windows:
        return None, ()
    values, names = windows.variables[name].transpose(*dims).values, [str(value) for value in windows[dims[1]].values]
    infinite = np.isinf(values).any(axis=tuple(axis for axis in range(values.ndim) if axis != 1))
    if infinite.any():
        raise InputError(f"the {dims[1].removesuffix('_name')} `{names[infinite.argmax()]}` holds an infinite value.")
    return values, tuple(names)


class Model(Protocol):
    """What the runner, the bundle and the book ask of a model.

    Attributes
    ----------
    name : str
        Its registered name.
    classes : list of str
        States to tell apart, in the order of its probabilities.
    validates : bool
        Whether validation people decide when to stop; a model that has nothing to decide learns from them as well.
    uses_rest_ : bool
        Whether it was fitted with people's windows at rest, so that it predicts with them.
    channels_, feature_names_ : tuple of str
        What it reads, in the order of the arrays that it takes; empty where it reads no signal or no feature.
    rate_hz_ : float
        Sampling rate of the signals that it reads.
    rest_size_ : int
        Values of a person's rest, 0 where it was fitted without.
    """

    name: str
    classes: list[str]
    validates: bool
    uses_rest_: bool
    channels_: tuple[str, ...]
    feature_names_: tuple[str, ...]
    rate_hz_: float
    rest_size_: int

    @classmethod
    def from_params(cls, params: Any) -> "Model":
        """Make an unfitted model of a run's parameters."""

    def fit(
        self,
        train: Examples,
        validation: Examples | None = None,
        *,
        rest: Examples | None = None,
        seed: int,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from `train`.

        Parameters
        ----------
        train : Examples
        validation : Examples, optional
            Windows of other people, with the same columns; they may decide when to stop.
        rest : Examples, optional
            Windows at rest of all these people.
        seed : int
            Everything random follows from it.
        progress : callable, optional
            Called after each epoch, where there are any.
        """

    def predict_proba(
        self, signal: np.ndarray | None, feature: np.ndarray | None, rest: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities of states.

        Parameters
        ----------
        signal : ndarray (window, channel, time) or None
            Of `channels_`.
        feature : ndarray (window, feature_name) or None
            Of `feature_names_`.
        rest : ndarray (window, value), optional
            What `rest_values` gave for the person of each window: needed by a model that was fitted with rest, and by
            no other.

        Returns
        -------
        ndarray (window, state)
            float64; every row sums to one.
        """

    def rest_values(self, signal: np.ndarray | None, feature: np.ndarray | None) -> np.ndarray:
        """One person's rest: means over the person's windows at rest, float32 ``(value,)``."""

    def save(self, folder: str | Path) -> None:
        """Write the fitted model to a folder, which may hold other files."""

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""


def predict(model: Model, examples: Examples, rest: Examples | None = None) -> np.ndarray:
    """Probabilities of the model's states.

    Parameters
    ----------
    model : Model
        Fitted.
    examples : Examples
        Windows with at least the columns that the model reads, in any order.
    rest : Examples, optional
        Windows at rest of the same people: needed by a model that was fitted with rest, and by no other.

    Returns
    -------
    ndarray (window, state)
    """
    values = None
    if rest is not None:
        signal, feature = select_inputs(model, rest)

        def values_of(theirs: np.ndarray) -> np.ndarray:
            return model.rest_values(*(part if part is None else part[theirs] for part in (signal, feature)))

        values = rest_of_each(values_of, rest, examples.subject)
    return model.predict_proba(*select_inputs(model, examples), values)


def select_inputs(model: Model, examples: Examples) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Signal and feature of `examples` in the model's order of columns, None where it reads none."""
    signal = feature = None
    if model.channels_:
        if examples.rate_hz != model.rate_hz_:
            raise InputError(f"windows at {examples.rate_hz:g} Hz; the model takes {model.rate_hz_:g} Hz.")
        columns = positions(model.channels_, examples.channels, "channel")
        signal = examples.signal[:, columns]
    if model.feature_names_:
        require_features(examples)
        feature = examples.feature[:, positions(model.feature_names_, examples.feature_names, "feature")]
    return signal, feature


def positions(wanted: Sequence[str], given: Sequence[str], kind: str) -> list[int]:
    """Where the names that a model reads stand among those given; `kind` says what they name."""
    if absent := [name for name in wanted if name not in given]:
        raise InputError(f"the {kind} `{absent[0]}` is missing; the model was trained with {', '.join(wanted)}.")
    return [list(given).index(name) for name in wanted]


def require_features(examples: Examples) -> None:
    """Refuse windows without features."""
    if examples.feature is None:
        raise InputError("these windows have no features; `extract_features` adds them.")


def encode_labels(examples: Examples, classes: Sequence[str]) -> np.ndarray:
    """Number of each window's state in `classes`, ``(window,)``; another state is refused."""
    target = pd.Index(classes).get_indexer(examples.label)
    if (target < 0).any():
        label = examples.label[target < 0][0]
        raise InputError(f"a window of the state `{label}`; the model tells {', '.join(classes)} apart.")
    return target.astype(np.int64)


def refuse_absent_state(target: np.ndarray, classes: Sequence[str]) -> None:
    """Nobody learns a state that is not shown."""
    absent = [state for number, state in enumerate(classes) if number not in target]
    if absent:
        raise InputError(f"no training window of the state `{absent[0]}`; train on all of {', '.join(classes)}.")


def check_rest_values(model: Model, rest: np.ndarray | None, windows: int) -> None:
    """A model predicts with rest ``(window, value)`` where it was fitted with rest, and nowhere else."""
    if model.uses_rest_ and rest is None:
        raise InputError(
            f"the model `{model.name}` was fitted with people's windows at rest; give this person's as `rest`."
        )
    if not model.uses_rest_ and rest is not None:
        raise InputError(f"the model `{model.name}` was fitted without people's windows at rest; leave `rest` out.")
    if rest is not None and rest.shape != (windows, model.rest_size_):
        raise InputError(f"rest of shape {rest.shape}; the model `{model.name}` takes ({windows}, {model.rest_size_}).")


def rest_of_each(values_of: Callable[[np.ndarray], np.ndarray], rest: Examples, subject: np.ndarray) -> np.ndarray:
    """Rest of each window's person, ``(window, value)``, by a function ``(value,)`` of a mask ``(rest_window,)``."""
    people = list(dict.fromkeys(subject.tolist()))
    if absent := [person for person in people if person not in rest.subject]:
        raise InputError(f"{absent[0]}: no window at rest; give some of everybody whose windows are to be told apart.")
    values = np.stack([values_of(rest.subject == person) for person in people])
    return values[pd.Index(people).get_indexer(subject)]


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over windows ``(window, value)``, float32 ``(value,)``; NaN is left out, and stays where all is NaN."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return (np.where(present, values, 0).sum(axis=0, dtype=float) / present.sum(axis=0)).astype(np.float32)
