"""The architecture: a one-dimensional residual network with squeeze-and-excitation, its normalisation inside.

Reads from top to bottom like its figure. One-dimensional convolutions are written as two-dimensional ones of height
one, in the memory order "channels last": the same sums, two to three times as fast on a CPU.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wesadlib.models.levels import RobustScale, WindowNormalisation
from wesadlib.models.rest import Rest

STEM_KERNEL = 15
STAGE_FACTORS = (1, 2, 2, 4)
STAGE_KERNELS = (7, 7, 5, 5)
STAGE_STRIDES = (1, 2, 1, 2)
SQUEEZE = 8


class SqueezeExcitation(nn.Module):
    """Weigh each feature map by what all of them say on average (Hu et al., 2018)."""

    def __init__(self, width: int):
        super().__init__()
        hidden = max(width // SQUEEZE, 2)
        self.squeeze = nn.Linear(width, hidden)
        self.excite = nn.Linear(hidden, width)

    def forward(self, maps: Tensor) -> Tensor:
        """Weigh ``(window, map, 1, time)``."""
        # Where a gradient is wanted, the mean in memory's order: the gradient need not be copied into that order. The
        # exported graph would copy the maps for it.
        mean = maps.squeeze(2).transpose(1, 2).mean(1) if torch.is_grad_enabled() else maps.mean((2, 3))
        gate = self.excite(torch.relu(self.squeeze(mean)))
        return maps * torch.sigmoid(gate)[:, :, None, None]


def _convolution(width_in: int, width_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width_out, (1, kernel), (1, stride), (0, kernel // 2), bias=False)


class ResidualStage(nn.Module):
    """Two convolutions, squeeze-and-excitation, dropout, and the way round them (He et al., 2016)."""

    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int, dropout: float):
        super().__init__()
        self.convolution_1 = _convolution(width_in, width_out, kernel, stride)
        self.norm_1 = nn.BatchNorm2d(width_out)
        self.convolution_2 = _convolution(width_out, width_out, kernel)
        self.norm_2 = nn.BatchNorm2d(width_out)
        self.excitation = SqueezeExcitation(width_out)
        # Whole maps: single samples are drawn at three times the cost of a convolution, and their mean hardly changes.
        self.dropout = nn.Dropout2d(dropout)
        self.shortcut = nn.Sequential()
        if width_in != width_out or stride != 1:
            self.shortcut = nn.Sequential(_convolution(width_in, width_out, 1, stride), nn.BatchNorm2d(width_out))

    def forward(self, maps: Tensor) -> Tensor:
        """``(window, width_in, 1, time)`` to ``(window, width_out, 1, time / stride)``."""
        new = torch.relu(self.norm_1(self.convolution_1(maps)))
        new = self.excitation(self.norm_2(self.convolution_2(new)))
        return torch.relu(self.dropout(new) + self.shortcut(maps))


class ResNet1D(nn.Module):
    """Windows in native units in, one logit a state out.

    Beside the signals themselves the head sees **measures** of a window: what normalisation throws away, each channel's
    mean and log-spread, and features that were computed elsewhere, on the scale of the training windows. Where the
    person's rest is known, it sees beside all of that how far measures and pooled feature maps are from their means
    over the person's windows at rest, where what is the person's own cancels.

    Parameters
    ----------
    units : sequence of str
        Unit of each channel.
    states : int
        Number of states.
    width : int
        Width of the first residual stage; the others have 2, 2 and 4 times as many feature maps.
    dropout : float
        In every residual stage and before the last layer.
    levels : bool
        Whether each channel's mean and log-spread are among the measures.
    features : int
        How many features are among the measures.
    rest : bool
        Whether the person's windows at rest are known.
    """

    def __init__(
        self,
        units: Sequence[str],
        states: int,
        width: int = 16,
        dropout: float = 0.2,
        levels: bool = True,
        features: int = 0,
        rest: bool = False,
    ):
        super().__init__()
        self.levels, self.rest = levels, rest
        measures = 2 * len(units) * levels + features
        self.normalisation = WindowNormalisation(units)
        self.scale = RobustScale(measures)
        self.rest_scale = RobustScale(measures * rest)
        self.stem = nn.Sequential(
            _convolution(len(units), width, STEM_KERNEL, stride=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d((1, 3), (1, 2), (0, 1)),
        )
        widths = [width, *(width * factor for factor in STAGE_FACTORS)]
        self.stages = nn.Sequential(
            *(
                ResidualStage(width_in, width_out, kernel, stride, dropout)
                for width_in, width_out, kernel, stride in zip(
                    widths, widths[1:], STAGE_KERNELS, STAGE_STRIDES, strict=False
                )
            )
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear((widths[-1] + measures) * (1 + rest), states)
        self.to(memory_format=torch.channels_last)

    def forward(
        self,
        signal: Tensor,
        features: Tensor | None = None,
        measures_at_rest: Tensor | None = None,
        person: Tensor | None = None,
        rest: Rest | None = None,
    ) -> Tensor:
        """Logits ``(window, state)`` of ``(window, channel, time)``, which may hold NaN.

        Arguments as in `prepare`; `rest` holds at least the windows of the people numbered by `person`.
        """
        prepared = self.prepare(signal, features, measures_at_rest, person)
        return self.classify(*prepared) if rest is None else self.classify(*prepared, rest.of(person))

    def classify(
        self, normal: Tensor, measures: Tensor, person: Tensor | None = None, rest: Rest | None = None
    ) -> Tensor:
        """Logits ``(window, state)`` of what `prepare` gives and, where it is known, rest of the same people."""
        if rest is None:
            return self.decide(self.embed(normal), measures)
        own, at_rest = self.embed(torch.cat([normal, rest.normal])).float().split([len(normal), len(rest.normal)])
        return self.decide(own, measures, rest.mean_of_each(at_rest)[person])

    def decide(self, pooled: Tensor, measures: Tensor, pooled_at_rest: Tensor | None = None) -> Tensor:
        """Logits ``(window, state)`` of pooled feature maps, measures as `compare` gives them, and maps at rest."""
        if pooled_at_rest is not None:
            pooled = torch.cat([pooled, pooled - pooled_at_rest], dim=1)
        return self.head(self.dropout(torch.cat([pooled, measures], dim=1)))

    def embed(self, normal: Tensor) -> Tensor:
        """Feature maps, pooled over time, ``(window, map)``."""
        maps = normal[:, :, None, :].contiguous(memory_format=torch.channels_last)
        return self.pool(self.stages(self.stem(maps)))

    def answer(
        self, normal: Tensor, levels: Tensor, features: Tensor | None = None, profile: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """All that happens to a window after its normalisation, with what is kept of the person's rest.

        Parameters
        ----------
        normal, levels : Tensor
            What normalisation gives, ``(window, channel, time)`` and ``(window, level)``.
        features : Tensor, optional
            ``(window, feature)``.
        profile : Tensor, optional
            ``(window, measure + map)``: means of the second of what is returned over the person's windows at rest,
            given to a network that sees rest and to no other.

        Returns
        -------
        Tensor
            Logits ``(window, state)``.
        Tensor
            Measures on the scale of the training windows, then pooled feature maps, ``(window, measure + map)``.
        """
        pooled, measures = self.embed(normal), self.scale_measures(levels, features)
        measures_at_rest = pooled_at_rest = None
        if profile is not None:
            measures_at_rest, pooled_at_rest = profile.split([measures.shape[1], pooled.shape[1]], dim=1)
        logits = self.decide(pooled, self.compare(measures, measures_at_rest), pooled_at_rest)
        return logits, torch.cat([measures, pooled], dim=1)

    def prepare(
        self,
        signal: Tensor,
        features: Tensor | None = None,
        measures_at_rest: Tensor | None = None,
        person: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """All that happens to a window before the first trained weight, so that training does it once.

        Parameters
        ----------
        signal : Tensor
            ``(window, channel, time)``, in native units.
        features : Tensor, optional
            ``(window, feature)``.
        measures_at_rest : Tensor, optional
            Mean of `measure` over the windows at rest of each window's person, ``(window, measure)``.
        person : Tensor, optional
            Number of each window's person, ``(window,)``.

        Returns
        -------
        Tensor
            Normalised signals ``(window, channel, time)``.
        Tensor
            Measures ``(window, measure)`` as `compare` gives them.
        Tensor
            `person`, where it is given.
        """
        normal, levels = self.normalisation(signal)
        prepared = normal, self.compare(self.scale_measures(levels, features), measures_at_rest)
        return prepared if person is None else (*prepared, person)

    def compare(self, measures: Tensor, measures_at_rest: Tensor | None = None) -> Tensor:
        """Scaled measures, followed by their differences from rest where the network sees rest.

        What is unknown stands at the training windows' median, 0.
        """
        if self.rest:
            unknown = torch.full_like(measures, torch.nan)
            distance = unknown if measures_at_rest is None else measures - measures_at_rest
            measures = torch.cat([measures, self.rest_scale(distance)], dim=1)
        return torch.nan_to_num(measures, nan=0.0)

    def measure(self, signal: Tensor, features: Tensor | None = None) -> Tensor:
        """Measures ``(window, measure)`` on the scale of the training windows, NaN where unknown."""
        return self.scale_measures(self.normalisation(signal)[1], features)

    def scale_measures(self, levels: Tensor, features: Tensor | None = None) -> Tensor:
        """As `measure`, of levels that are known already."""
        return self.scale(self._join(levels, features))

    def _join(self, levels: Tensor, features: Tensor | None) -> Tensor:
        parts = [levels] * self.levels + ([] if features is None else [features])
        return torch.cat([levels[:, :0], *parts], dim=1)

    def learn_scale(self, signal: Tensor, features: Tensor | None = None) -> None:
        """Take the scale of the measures from the training windows, given as to `prepare`."""
        self.scale.learn(self._join(self.normalisation(signal)[1], features))

    def learn_rest_scale(self, signal: Tensor, features: Tensor | None, measures_at_rest: Tensor) -> None:
        """Take the scale of the differences from rest from the training windows, given as to `prepare`."""
        self.rest_scale.learn(self.measure(signal, features) - measures_at_rest)
