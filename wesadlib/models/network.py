"""The architecture: a one-dimensional residual network with squeeze-and-excitation, its normalisation inside.

Reads from top to bottom like its figure. One-dimensional convolutions are written as two-dimensional ones of height
one, in the memory order "channels last": the same sums, two to three times as fast on a CPU.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from wesadlib.errors import InputError

STEM_KERNEL = 15
STAGE_FACTORS = (1, 2, 2, 4)
STAGE_KERNELS = (7, 7, 5, 5)
STAGE_STRIDES = (1, 2, 1, 2)
SQUEEZE = 8

#: Step of the coarsest device that gives a unit: Empatica E4 (1/64 g, 0.02 degC, about 0.001 uS, 0.01 a.u.), RespiBAN
#: (16 bits over 3 mV and over 100 %).
RESOLUTION = {"g": 1 / 64, "degC": 0.02, "uS": 0.001, "a.u.": 0.01, "mV": 3 / 2**16, "percent": 100 / 2**16}


def quantisation_noise(units: Sequence[str]) -> list[float]:
    """Standard deviation of rounding to a unit's resolution, resolution / sqrt(12), for each channel.

    Raises
    ------
    InputError
        When a unit is unknown.
    """
    unknown = sorted(set(units) - set(RESOLUTION))
    if unknown:
        raise InputError(f"unknown unit `{unknown[0]}`; the network knows {', '.join(RESOLUTION)}.")
    return [RESOLUTION[unit] / 12**0.5 for unit in units]


class WindowNormalisation(nn.Module):
    """Each channel of each window to mean 0 and spread 1, by itself: no other window has a say.

    The spread is ``sqrt(variance + noise ** 2)``, where `noise` is the quantisation noise of the channel's unit: a flat
    channel becomes zeros instead of magnified rounding. Missing samples (NaN) count in neither mean nor variance and
    become 0, the channel's own mean; a channel of nothing but NaN becomes zeros. The quality gate refuses such windows
    long before; here they only must not spread.

    Parameters
    ----------
    noise : sequence of float
        One for each channel, in the channel's unit.
    """

    def __init__(self, noise: Sequence[float]):
        super().__init__()
        self.register_buffer("noise", torch.tensor(list(noise), dtype=torch.float32))

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise ``(window, channel, time)``.

        Returns
        -------
        Tensor
            ``(window, channel, time)``, normalised.
        Tensor
            What that threw away, ``(window, 2 * channel)``: the channels' means, then the logarithms of their spreads;
            NaN where a channel has no sample.
        """
        present = ~torch.isnan(signal)
        count = present.sum(-1, keepdim=True)
        mean = torch.where(present, signal, 0).sum(-1, keepdim=True) / count
        deviation = torch.where(present, signal - torch.where(count > 0, mean, 0), 0)
        variance = deviation.square().sum(-1, keepdim=True) / count.clamp(min=1)
        spread = (variance + self.noise[:, None].square()).sqrt()
        log_spread = torch.where(count > 0, spread.log(), torch.nan)
        return deviation / spread, torch.cat([mean, log_spread], dim=1).squeeze(-1)


class SqueezeExcitation(nn.Module):
    """Weigh each feature map by what all of them say on average (Hu et al., 2018)."""

    def __init__(self, width: int):
        super().__init__()
        hidden = max(width // SQUEEZE, 2)
        self.squeeze = nn.Linear(width, hidden)
        self.excite = nn.Linear(hidden, width)

    def forward(self, maps: Tensor) -> Tensor:
        """Weigh ``(window, map, 1, time)``."""
        gate = self.excite(torch.relu(self.squeeze(maps.mean((2, 3)))))
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
        self.dropout = nn.Dropout(dropout)
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
        Whether what normalisation throws away, each channel's mean and log-spread, standardised by the training
        windows' (:meth:`set_levels`), joins the pooled feature maps.
    """

    def __init__(self, units: Sequence[str], states: int, width: int = 16, dropout: float = 0.2, levels: bool = True):
        super().__init__()
        channels = len(units)
        self.normalisation = WindowNormalisation(quantisation_noise(units))
        self.stem = nn.Sequential(
            _convolution(channels, width, STEM_KERNEL, stride=2),
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
        self.levels = levels
        self.register_buffer("level_mean", torch.zeros(2 * channels))
        self.register_buffer("level_spread", torch.ones(2 * channels))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1] + 2 * channels * levels, states)
        self.to(memory_format=torch.channels_last)

    def forward(self, signal: Tensor) -> Tensor:
        """Logits ``(window, state)`` of ``(window, channel, time)``, which may hold NaN."""
        normal, levels = self.normalisation(signal)
        maps = normal[:, :, None, :].contiguous(memory_format=torch.channels_last)
        pooled = self.pool(self.stages(self.stem(maps)))
        if self.levels:
            # A channel without a sample stands at the training windows' mean.
            standard = torch.nan_to_num((levels - self.level_mean) / self.level_spread, nan=0.0)
            pooled = torch.cat([pooled, standard], dim=1)
        return self.head(self.dropout(pooled))

    @torch.no_grad()
    def set_levels(self, signal: Tensor) -> None:
        """Keep mean and spread of the levels of the training windows ``(window, channel, time)``.

        A level that is the same in all of them, or never read, gets spread 1.
        """
        _, levels = self.normalisation(signal)
        present = ~torch.isnan(levels)
        count = present.sum(0).clamp(min=1)
        self.level_mean.copy_(torch.where(present, levels, 0).sum(0) / count)
        deviation = torch.where(present, levels - self.level_mean, 0)
        spread = (deviation.square().sum(0) / count).sqrt()
        self.level_spread.copy_(torch.where(spread > 0, spread, 1))


def count_parameters(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def count_multiply_accumulates(network: nn.Module, shape: Sequence[int]) -> int:
    """Multiplications with addition that the convolutions and linear layers do for one window.

    Parameters
    ----------
    network : nn.Module
        Any network of convolutions and linear layers.
    shape : sequence of int
        ``(channel, time)`` of a window.
    """
    return int(describe_layers(network, shape)["multiply_accumulates"].sum())


@torch.no_grad()
def describe_layers(network: nn.Module, shape: Sequence[int]) -> pd.DataFrame:
    """Run one window of zeros through a network and note every layer that has no layers inside.

    Parameters
    ----------
    network : nn.Module
        The network; it is left as it was.
    shape : sequence of int
        ``(channel, time)`` of a window.

    Returns
    -------
    DataFrame
        In order of execution: layer (its name in the network), kind, maps and samples of its output (samples 1 where
        time is gone), kernel and stride (convolutions and pooling), parameters, multiply_accumulates.
    """
    rows, hooks, training = [], [], network.training
    for name, module in network.named_modules():
        if name and not list(module.children()) and not isinstance(module, nn.Sequential):
            hooks.append(module.register_forward_hook(lambda *call, name=name: rows.append(_describe(name, *call))))
    try:
        network.eval()(torch.zeros(1, *shape, device=next(network.parameters()).device))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return pd.DataFrame(rows)


def describe_blocks(layers: pd.DataFrame) -> pd.DataFrame:
    """Sum a network's layers up to what is drawn as one block: normalisation, stem, each stage, pool, head.

    Parameters
    ----------
    layers : DataFrame
        As :func:`describe_layers` gives it.

    Returns
    -------
    DataFrame
        block, its name; kernel and stride of its first convolution; maps and samples that leave it; parameters,
        multiply_accumulates.
    """
    block = layers["layer"].str.extract(r"^(stages\.\d+|\w+)", expand=False).replace("dropout", "head")
    block = block.str.replace(r"stages\.(\d+)", lambda match: f"residual stage {int(match[1]) + 1}", regex=True)
    return (
        layers.groupby(block.rename("block"), sort=False)
        .agg(
            kernel=("kernel", "first"),
            stride=("stride", "first"),
            maps=("maps", "last"),
            samples=("samples", "last"),
            parameters=("parameters", "sum"),
            multiply_accumulates=("multiply_accumulates", "sum"),
        )
        .reset_index()
    )


def _describe(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> dict[str, Any]:
    result = output[0] if isinstance(output, tuple) else output
    row = {
        "layer": name,
        "kind": type(module).__name__,
        "maps": result.shape[1],
        "samples": 1,
        "kernel": 1,
        "stride": 1,
    }
    row |= {"parameters": count_parameters(module), "multiply_accumulates": 0}
    if result.ndim > 2:
        row["samples"] = result.shape[-1]
    if isinstance(module, nn.Conv2d | nn.MaxPool2d):
        row |= {"kernel": module.kernel_size[1], "stride": module.stride[1]}
    if isinstance(module, nn.Conv2d):
        row["multiply_accumulates"] = result[0].numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear):
        row["multiply_accumulates"] = module.weight.numel()
    return row
