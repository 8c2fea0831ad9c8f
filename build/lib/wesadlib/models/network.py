"""The architecture: a one-dimensional residual network with squeeze-and-excitation, its normalisation inside.

Reads from top to bottom like its figure. One-dimensional convolutions are written as two-dimensional ones of height
one, in the memory order "channels last": the same sums, two to three times as fast on a CPU.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from wesadlib.models.normalisation import RobustScale, WindowNormalisation

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
        # The mean in memory's order: its gradient need not be copied into that order.
        mean = maps.squeeze(2).transpose(1, 2).mean(1)
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


class RestWindows(NamedTuple):
    """Normalised windows at rest ``(rest_window, channel, time)``, and the number of each one's person."""

    normal: Tensor
    person: Tensor

    def of(self, people: Tensor) -> "RestWindows":
        """The windows of some people, by their numbers."""
        theirs = torch.isin(self.person, people)
        return RestWindows(self.normal[theirs], self.person[theirs])

    def draw(self, people: Tensor, number: int, generator: torch.Generator) -> "RestWindows":
        """At most `number` windows of each of these people."""
        rows = []
        for person in people:
            theirs = torch.nonzero(self.person == person).squeeze(1)
            rows.append(theirs[torch.randperm(len(theirs), generator=generator)[:number].to(theirs.device)])
        return RestWindows(self.normal[torch.cat(rows)], self.person[torch.cat(rows)])

    def mean_of_each(self, values: Tensor) -> Tensor:
        """Mean of ``(rest_window, value)`` over each person's windows, ``(person, value)``; 0 for who has none."""
        people = int(self.person.max()) + 1
        sums = values.new_zeros(people, values.shape[1]).index_add(0, self.person, values)
        return sums / torch.bincount(self.person, minlength=people).clamp(min=1)[:, None]


class ResNet1D(nn.Module):
    """Windows in native units in, one logit a state out.

    Beside the signals themselves the head sees **measures** of a window: what normalisation throws away, each channel's
    mean and log-spread, and features that were computed elsewhere, on the scale of the training windows. Where the
    person's rest is known, it sees beside all of that how far measures and pooled feature maps are from their means
    over the person's windows at rest, where what is the person's own cancels.
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
        self.measures = 2 * len(units) * levels + features
        self.normalisation = WindowNormalisation(units)
        self.scale = RobustScale(self.measures)
        self.rest_scale = RobustScale(self.measures * rest)
        self.stem = nn.Sequential(
            _convolution(len(units), width, STEM_KERNEL, stride=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d((1, 3), (1, 2), (0, 1)),
        )
        widths = [width, *(width * factor for factor in STAGE_FACTORS)]
        sizes = zip(widths, widths[1:], STAGE_KERNELS, STAGE_STRIDES, strict=False)
        self.stages = nn.Sequential(*(ResidualStage(*size, dropout) for size in sizes))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.maps = widths[-1]
        self.head = nn.Linear((self.maps + self.measures) * (1 + rest), states)
        self.to(memory_format=torch.channels_last)

    def forward(self, signal: Tensor, features: Tensor | None = None, rest: Tensor | None = None) -> Tensor:
        """Logits ``(window, state)`` of windows in native units, their features, and means of `summarise` at rest."""
        sizes = [self.measures, self.maps]
        measures, pooled = self.summarise(signal, features).split(sizes, dim=1)
        measures_at_rest, pooled_at_rest = (None, None) if rest is None else rest.split(sizes, dim=1)
        return self.decide(pooled, self.compare(measures, measures_at_rest), pooled_at_rest)

    def summarise(self, signal: Tensor, features: Tensor | None = None) -> Tensor:
        """Measures on the scale of the training windows, then pooled feature maps, ``(window, measure + map)``."""
        normal, levels = self.normalisation(signal)
        return torch.cat([self.scale(self.join_measures(levels, features)), self.embed(normal)], dim=1)

    def classify(
        self, normal: Tensor, measures: Tensor, person: Tensor | None = None, rest: RestWindows | None = None
    ) -> Tensor:
        """Logits in training: of normalised signals, measures as `compare` gives them, and rest of the same people."""
        if rest is None:
            return self.decide(self.embed(normal), measures)
        pooled = self.embed(torch.cat([normal, rest.normal])).float()
        pooled, at_rest = pooled.split([len(normal), len(rest.normal)])
        return self.decide(pooled, measures, rest.mean_of_each(at_rest)[person])

    def embed(self, normal: Tensor) -> Tensor:
        """Feature maps, pooled over time, ``(window, map)``."""
        maps = normal[:, :, None, :].contiguous(memory_format=torch.channels_last)
        return self.pool(self.stages(self.stem(maps)))

    def decide(self, pooled: Tensor, measures: Tensor, pooled_at_rest: Tensor | None = None) -> Tensor:
        """Logits ``(window, state)`` of pooled feature maps, measures as `compare` gives them, and maps at rest."""
        if pooled_at_rest is not None:
            pooled = torch.cat([pooled, pooled - pooled_at_rest], dim=1)
        return self.head(self.dropout(torch.cat([pooled, measures], dim=1)))

    def compare(self, measures: Tensor, measures_at_rest: Tensor | None = None) -> Tensor:
        """Measures, followed by their differences from rest where the network sees rest.

        What is unknown stands at the training windows' median, 0.
        """
        if self.rest:
            unknown = torch.full_like(measures, torch.nan)
            distance = unknown if measures_at_rest is None else measures - measures_at_rest
            measures = torch.cat([measures, self.rest_scale(distance)], dim=1)
        return torch.nan_to_num(measures, nan=0.0)

    def join_measures(self, levels: Tensor, features: Tensor | None = None) -> Tensor:
        """Levels, where the network sees them, and features side by side."""
        parts = [levels] * self.levels + ([] if features is None else [features])
        return torch.cat([levels[:, :0], *parts], dim=1)


@torch.no_grad()
def describe_layers(network: nn.Module, shape: Sequence[int]) -> pd.DataFrame:
    """A row a layer that a window of zeros ``(channel, time)`` runs through: what leaves it, its size and its cost."""
    rows = []

    def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        maps = output[0] if isinstance(output, tuple) else output
        samples = maps.shape[-1] if maps.ndim > 2 else 1
        multiplied = module.weight.numel() * samples if isinstance(module, nn.Conv2d | nn.Linear) else 0
        sizes = [getattr(module, of, (1, 1))[1] for of in ("kernel_size", "stride")]
        trained = sum(parameter.numel() for parameter in module.parameters())
        rows.append((name, type(module).__name__, maps.shape[1], samples, *sizes, trained, multiplied))

    # Scales are read beside the way from layer to layer, not on it.
    inner = {
        name: layer for name, layer in network.named_modules() if not isinstance(layer, nn.Sequential | RobustScale)
    }
    leaves = {name: layer for name, layer in inner.items() if name and not list(layer.children())}
    hooks = [layer.register_forward_hook(functools.partial(note, name)) for name, layer in leaves.items()]
    network(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    columns = ["layer", "kind", "maps", "samples", "kernel", "stride", "parameters", "multiply_accumulates"]
    return pd.DataFrame(rows, columns=columns)


def describe_blocks(layers: pd.DataFrame) -> pd.DataFrame:
    """Sum `describe_layers` up to what is drawn as one block: normalisation, stem, each stage, pool, head."""
    block = layers["layer"].str.extract(r"^(stages\.\d+|\w+)", expand=False).replace("dropout", "head")
    block = block.str.replace(r"stages\.(\d+)", lambda match: f"residual stage {int(match[1]) + 1}", regex=True)
    how = {"kernel": "first", "stride": "first", "maps": "last", "samples": "last"}
    how |= {"parameters": "sum", "multiply_accumulates": "sum"}
    return layers.groupby(block.rename("block"), sort=False).agg(how).reset_index()
