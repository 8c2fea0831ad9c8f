"""The joint model: the residual network, whose head sees the window's features as well."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from wesadlib.errors import InputError
from wesadlib.models.network import ResNet1D
from wesadlib.models.resnet import ResNet


class Joint(ResNet):
    """One network for both: what convolutions find in the signals, and what physiologists count in them.

    The features of a window stand beside its levels in front of the last layer, on the same robust scale, so that
    signals and features are weighed against each other in one fit. With windows at rest the differences from them join.
    A feature that is missing stands at the training windows' median. Parameters and attributes are those of
    :class:`~wesadlib.models.resnet.ResNet`.

    Attributes
    ----------
    feature_names_ : list of str
        Features that the model takes, in its order: all that the training windows have.
    """

    name = "joint"

    def _meet(self, train: xr.Dataset) -> None:
        super()._meet(train)
        self.feature_names_ = [str(name) for name in _features(train)["feature_name"].values]

    def _make_network(self) -> ResNet1D:
        features = len(self.feature_names_)
        return ResNet1D(self.units_, len(self.classes), **self.architecture, features=features, rest=self.rested_)

    def _look(self, windows: xr.Dataset) -> tuple[Tensor, Tensor]:
        feature = _features(windows)
        absent = sorted(set(self.feature_names_) - set(feature["feature_name"].values))
        if absent:
            raise InputError(f"the feature `{absent[0]}` is missing; the model was trained with it on another device.")
        values = feature.sel(feature_name=self.feature_names_).transpose("window", "feature_name").values
        infinite = np.isinf(values).any(axis=0)
        if infinite.any():
            raise InputError(f"the feature `{self.feature_names_[infinite.argmax()]}` is infinite in a window.")
        return self._signal(windows), torch.from_numpy(values.astype(np.float32))

    def _channel_of_measures(self) -> tuple[int, ...]:
        # A feature of several channels, such as the magnitude of acceleration, belongs to none of them.
        channels = [
            next((k for k, channel in enumerate(self.channels_) if name.startswith(f"{channel}_")), -1)
            for name in self.feature_names_
        ]
        return (*super()._channel_of_measures(), *channels)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "features": self.feature_names_}

    def _recall(self, saved: dict[str, Any]) -> None:
        self.feature_names_ = list(saved["features"])


def _features(windows: xr.Dataset) -> xr.DataArray:
    if "feature" not in windows:
        raise InputError("these windows have no features; `extract_features` adds them.")
    return windows["feature"]
