"""The network over arrays: what it takes of windows, and its predictor."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wesadlib.errors import InputError
from wesadlib.models.contract import mean_at_rest
from wesadlib.models.engines import make_reader
from wesadlib.models.predictor import FeatureColumns, check_profile, pick

if TYPE_CHECKING:
    from wesadlib.models.resnet import ResNet


class Look:
    """Turn arrays of windows into what a network takes.

    Parameters
    ----------
    model : ResNet
        Knows its channels, the samples of a window and its features.
    channels, feature_names : sequence of str or None
        What the arrays hold.

    Raises
    ------
    InputError
        When the arrays lack a channel or a feature.
    """

    def __init__(self, model: "ResNet", channels: Sequence[str] | None, feature_names: Sequence[str] | None):
        absent = [channel for channel in model.channels_ if channel not in (channels or ())]
        if absent:
            raise InputError(f"channel `{absent[0]}` is missing; the model takes {', '.join(model.channels_)}.")
        self._channels, self._samples = model.channels_, model.samples_
        self._rows = pick(model.channels_, channels)
        self._features = FeatureColumns(model.feature_names_, feature_names) if model.feature_names_ else None

    def __call__(self, signal: np.ndarray, feature: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """Signals ``(window, channel, time)`` and features ``(window, feature)``, of which there may be none.

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
        signals = _tensor(values)
        if self._features is None:
            return signals, signals.new_empty(len(signals), 0)
        return signals, _tensor(self._features(feature).astype(np.float32))


def _tensor(values: np.ndarray) -> Tensor:
    # An array that was read from bytes cannot be written to, of which torch would warn.
    return torch.from_numpy(values if values.flags.writeable else values.copy())


class NetworkPredictor:
    """A fitted network over arrays: a :class:`~wesadlib.models.predictor.Predictor`.

    Parameters
    ----------
    model : ResNet
        Fitted.
    channels, feature_names : sequence of str or None
        What the arrays to come hold.
    engine : str
        One of :data:`wesadlib.models.predictor.ENGINES`.
    threads : int
        How many threads it computes on.
    """

    def __init__(
        self,
        model: "ResNet",
        channels: Sequence[str] | None,
        feature_names: Sequence[str] | None,
        engine: str,
        threads: int,
    ):
        self._name, self._network = model.name, model.network_
        self._look = Look(model, channels, feature_names)
        self._read = make_reader(model.network_, (len(model.channels_), model.samples_), engine, threads)
        self._measures = len(model.network_.scale.median)
        self.profile_size = model.network_.head.in_features // 2 if model.rested_ else 0

    def __call__(
        self, signal: np.ndarray, feature: np.ndarray | None = None, profile: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities ``(window, state)``."""
        check_profile(self._name, self, profile, len(signal))
        network = self._network
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            pooled, measures = self._measure(signal, feature)
            measures_at_rest = pooled_at_rest = None
            if profile is not None:
                at_rest = _tensor(np.ascontiguousarray(profile, np.float32))
                measures_at_rest, pooled_at_rest = at_rest[:, : self._measures], at_rest[:, self._measures :]
            logits = network.decide(pooled, network.compare(measures, measures_at_rest), pooled_at_rest)
            return torch.softmax(logits.double(), dim=1).numpy()

    def profile(self, signal: np.ndarray, feature: np.ndarray | None = None) -> np.ndarray:
        """Mean measures on the network's scale, then mean pooled feature maps, ``(measure + map,)``."""
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            pooled, measures = self._measure(signal, feature)
        return np.concatenate([mean_at_rest(measures.numpy()), mean_at_rest(pooled.numpy())])

    def _measure(self, signal: np.ndarray, feature: np.ndarray | None) -> tuple[Tensor, Tensor]:
        signals, features = self._look(signal, feature)
        pooled, levels = self._read(signals)
        return pooled, self._network.scale_measures(levels, features)
