"""A model from elsewhere, whose network does not do when it is traced what it does else."""

import torch

from wesadlib.models.network import ResNet1D
from wesadlib.models.resnet import ResNet


class Fickle(ResNet1D):
    """Answers differently where it is exported."""

    def embed(self, normal):
        maps = super().embed(normal)
        return maps + 0.01 if torch.jit.is_tracing() else maps


class Untraceable(ResNet):
    """Its answers are its own only as torch runs it."""

    name = "untraceable"

    def _make_network(self):
        return Fickle(self.units_, len(self.classes), **self.architecture, rest=self.rested_)
