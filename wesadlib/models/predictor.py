"""Prediction from plain arrays: the one path of a run's Dataset and of the window that a server got."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.models.contract import check_rest, mean_of_each_person, name_probabilities

if TYPE_CHECKING:
    from wesadlib.models import Model

#: What can run a bundle's networks: ``eager`` is torch; ``openvino`` runs their exported form.
ENGINES = ("eager", "openvino")
#: Largest difference of a probability between an engine and the eager network.
TOLERANCE = 1e-6


def check_engine(engine: str) -> None:
    """Refuse an unknown engine.

    Raises
    ------
    InputError
        When it is none of :data:`ENGINES`.
    """
    if engine not in ENGINES:
        raise InputError(f"unknown engine `{engine}`; the engines are {', '.join(ENGINES)}.")


class Predictor(Protocol):
    """A fitted model over arrays whose channels and features are known beforehand.

    Attributes
    ----------
    profile_size : int
        Values of a profile, 0 where the model was fitted without rest.
    """

    profile_size: int

    def __call__(
        self, signal: np.ndarray | None, feature: np.ndarray | None, profile: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities ``(window, state)``, float64.

        Parameters
        ----------
        signal : ndarray (window, channel, time)
            float32; None where the model reads features only.
        feature : ndarray (window, feature_name)
            float64; None where the model reads signals only.
        profile : ndarray (window, value), optional
            What :meth:`profile` gave for the person of each window: needed by a model that was fitted with rest, and by
            no other.

        Raises
        ------
        InputError
            When a signal or feature is infinite, or the profile is not as the model needs it.
        """

    def profile(self, signal: np.ndarray | None, feature: np.ndarray | None) -> np.ndarray:
        """One person's rest: means over the windows, float32 ``(value,)``, from which no window can be read back."""


class Arrays(NamedTuple):
    """Arrays of a Dataset, None where it lacks one."""

    signal: np.ndarray | None
    feature: np.ndarray | None
    channels: list[str] | None
    feature_names: list[str] | None


def features_of(windows: xr.Dataset) -> list[str]:
    """Names of the features that windows have.

    Raises
    ------
    InputError
        When they have none.
    """
    return _given(arrays_of(windows).feature_names)


def _given(names: list[str] | None) -> list[str]:
    if names is None:
        raise InputError("these windows have no features; `extract_features` adds them.")
    return list(names)


def arrays_of(windows: xr.Dataset) -> Arrays:
    """Signals, features and their names."""
    signal, channels = _array(windows, "signal", "channel", ("window", "channel", "time"))
    feature, feature_names = _array(windows, "feature", "feature_name", ("window", "feature_name"))
    return Arrays(signal, feature, channels, feature_names)


def _array(
    windows: xr.Dataset, name: str, along: str, dims: tuple[str, ...]
) -> tuple[np.ndarray, list[str]] | tuple[None, None]:
    if name not in windows:
        return None, None
    return windows.variables[name].transpose(*dims).values, [str(value) for value in windows[along].values]


def predict_windows(model: "Model", windows: xr.Dataset, rest: xr.Dataset | None) -> xr.DataArray:
    """What every model's `predict_proba` does: probabilities ``(window, state)``, by the model's predictor.

    Raises
    ------
    InputError
        As the predictor; when rest is given to a model that was fitted without or the other way round; when a person
        has no window at rest.
    """
    check_rest(model.name, model.rested_, rest)
    arrays, profile = arrays_of(windows), None
    predictor = model.predictor(arrays.channels, arrays.feature_names)
    if rest is not None:
        at_rest = arrays_of(rest)
        of_rest = model.predictor(at_rest.channels, at_rest.feature_names)

        def profile_of(rows: np.ndarray) -> np.ndarray:
            return of_rest.profile(*(part if part is None else part[rows] for part in at_rest[:2]))

        profile = mean_of_each_person(profile_of, windows, rest)
    return name_probabilities(predictor(arrays.signal, arrays.feature, profile), windows, model.classes)


class FeatureColumns:
    """The features that a model takes, in its order, out of those that windows have.

    Parameters
    ----------
    wanted : sequence of str
        What the model takes.
    given : sequence of str or None
        What windows have.

    Raises
    ------
    InputError
        When windows have none, or lack one.
    """

    def __init__(self, wanted: Sequence[str], given: Sequence[str] | None):
        given = _given(given)
        if absent := sorted(set(wanted) - set(given)):
            raise InputError(f"the feature `{absent[0]}` is missing; the model was trained with it on another device.")
        self.wanted = list(wanted)
        self._columns = pick(wanted, given)

    def __call__(self, feature: np.ndarray) -> np.ndarray:
        """Values ``(window, feature_name)`` of the model's features.

        Raises
        ------
        InputError
            When one is infinite.
        """
        values = feature[:, self._columns]
        infinite = np.isinf(values)
        if infinite.any():
            raise InputError(f"the feature `{self.wanted[infinite.any(axis=0).argmax()]}` is infinite in a window.")
        return values


def pick(wanted: Sequence[str], given: Sequence[str]) -> slice | list[int]:
    """Positions of names, as a slice, which copies nothing, where all are wanted in their order."""
    wanted, given = list(wanted), list(given)
    return slice(None) if wanted == given else [given.index(name) for name in wanted]


def check_profile(name: str, predictor: Predictor, profile: np.ndarray | None, windows: int) -> None:
    """Profiles belong to the model, a row a window.

    Raises
    ------
    InputError
        When they do not.
    """
    check_rest(name, predictor.profile_size > 0, profile)
    if profile is not None and profile.shape != (windows, predictor.profile_size):
        raise InputError(
            f"profiles of shape {profile.shape}; the model `{name}` takes {windows} of {predictor.profile_size} values."
        )


def check_answers(predictor: Predictor, eager: Predictor, signal: np.ndarray, feature: np.ndarray, engine: str) -> None:
    """Hold an exported model against the model itself, on these windows and on the same with each channel missing.

    Parameters
    ----------
    predictor, eager : Predictor
        Of one model.
    signal, feature : ndarray
        Windows.
    engine : str
        What made `predictor`, to be named.

    Raises
    ------
    InputError
        When a probability differs by more than :data:`TOLERANCE`.
    """
    channels = signal.shape[1]
    # The last copy is whole.
    signal = np.repeat(signal[None], channels + 1, axis=0)
    for channel in range(channels):
        signal[channel, :, channel] = np.nan
    signal = signal.reshape(-1, *signal.shape[2:])
    feature = np.tile(feature, (channels + 1, 1))
    answers = []
    for one in (predictor, eager):
        profile = np.tile(one.profile(signal, feature), (len(signal), 1)) if one.profile_size else None
        # For one window, for some and for many there may be graphs of their own.
        given = [
            [part if part is None else part[:windows] for part in (signal, feature, profile)]
            for windows in (1, 2, len(signal))
        ]
        answers.append(np.concatenate([one(*parts) for parts in given]))
    difference = np.abs(answers[0] - answers[1]).max()
    # Written so that a NaN fails.
    if not difference <= TOLERANCE:
        raise InputError(
            f"engine `{engine}`: probabilities differ from those of the model itself by {difference:.1e}, more than "
            f"{TOLERANCE:g}; choose the engine `eager`."
        )
