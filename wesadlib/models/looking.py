"""A network over arrays: what it takes of windows, and its predictor, whatever computes."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from wesadlib.errors import InputError
from wesadlib.models.contract import mean_at_rest
from wesadlib.models.predictor import FeatureColumns, check_profile, pick

#: Most windows at a time, so that feature maps stay in the processor's cache.
BATCH = 16

#: Signals ``(window, channel, time)``, features ``(window, feature)`` and, where the network was fitted with rest,
#: profiles ``(window, value)``, all float32, to logits ``(window, state)`` and what a profile is the mean of,
#: ``(window, value)``.
Run = Callable[[np.ndarray, np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]


class Network(Protocol):
    """What is known of a fitted network.

    Attributes
    ----------
    name : str
        The model's registered name.
    channels_ : list of str
        Channels that it takes, in its order.
    samples_ : int
        Samples of a window.
    feature_names_ : sequence of str
        Features that it takes, in its order; there may be none.
    profile_size : int
        Values of a profile, 0 where it was fitted without rest.
    """

    name: str
    channels_: list[str]
    samples_: int
    feature_names_: Sequence[str]
    profile_size: int


class Look:
    """Turn arrays of windows into what a network takes.

    Parameters
    ----------
    model : Network
        Knows its channels, the samples of a window and its features.
    channels, feature_names : sequence of str or None
        What the arrays hold.

    Raises
    ------
    InputError
        When the arrays lack a channel or a feature.
    """

    def __init__(self, model: Network, channels: Sequence[str] | None, feature_names: Sequence[str] | None):
        absent = [channel for channel in model.channels_ if channel not in (channels or ())]
        if absent:
            raise InputError(f"channel `{absent[0]}` is missing; the model takes {', '.join(model.channels_)}.")
        self._channels, self._samples = model.channels_, model.samples_
        self._rows = pick(model.channels_, channels)
        self._features = FeatureColumns(model.feature_names_, feature_names) if model.feature_names_ else None

    def __call__(self, signal: np.ndarray, feature: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Signals ``(window, channel, time)`` and features ``(window, feature)``, of which there may be none; float32.

        Raises
        ------
        InputError
            When windows are of another length, or a value is infinite.
        """
        if signal.shape[2] != self._samples:
            raise InputError(f"windows of {signal.shape[2]} samples; the model takes {self._samples}.")
        values = np.ascontiguousarray(signal[:, self._rows], np.float32)
        infinite = np.isinf(values)
        if infinite.any():
            channel = self._channels[infinite.any(axis=(0, 2)).argmax()]
            raise InputError(f"channel `{channel}` holds an infinite value.")
        if self._features is None:
            return values, np.empty((len(values), 0), np.float32)
        return values, np.ascontiguousarray(self._features(feature), np.float32)


class NetworkPredictor:
    """A fitted network over arrays: a :class:`~wesadlib.models.predictor.Predictor`.

    Parameters
    ----------
    model : Network
        Whose answers are given.
    channels, feature_names : sequence of str or None
        What the arrays to come hold.
    run : callable
        What computes, a :data:`Run`.

    Raises
    ------
    InputError
        As :class:`Look`.
    """

    def __init__(self, model: Network, channels: Sequence[str] | None, feature_names: Sequence[str] | None, run: Run):
        self._name, self.profile_size = model.name, model.profile_size
        self._look, self._run = Look(model, channels, feature_names), run

    def __call__(
        self, signal: np.ndarray, feature: np.ndarray | None = None, profile: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities ``(window, state)``."""
        check_profile(self._name, self, profile, len(signal))
        at_rest = None if profile is None else np.ascontiguousarray(profile, np.float32)
        logits = self._compute(signal, feature, at_rest)[0].astype(float)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def profile(self, signal: np.ndarray, feature: np.ndarray | None = None) -> np.ndarray:
        """Mean measures on the network's scale, then mean pooled feature maps, ``(measure + map,)``."""
        unknown = np.full((len(signal), self.profile_size), np.nan, np.float32) if self.profile_size else None
        return mean_at_rest(self._compute(signal, feature, unknown)[1])

    def _compute(
        self, signal: np.ndarray, feature: np.ndarray | None, profile: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        given = (*self._look(signal, feature), profile)
        batches = [slice(start, start + BATCH) for start in range(0, max(len(signal), 1), BATCH)]
        parts = [self._run(*(part if part is None else part[batch] for part in given)) for batch in batches]
        logits, seen = (part[0] if len(parts) == 1 else np.concatenate(part) for part in zip(*parts, strict=True))
        return logits, seen
