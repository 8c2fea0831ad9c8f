"""The joint model: the residual network, whose head sees the window's features as well."""

from typing import Any

import xarray as xr

from wesadlib.models.network import ResNet1D
from wesadlib.models.predictor import features_of
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
        self.feature_names_ = features_of(train)

    def _make_network(self) -> ResNet1D:
        features = len(self.feature_names_)
        return ResNet1D(self.units_, len(self.classes), **self.architecture, features=features, rest=self.rested_)

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
