"""What a network consists of: its layers and blocks, their sizes and their cost."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from wesadlib.models.normalisation import RobustScale


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
        # Scales are read beside the way from layer to layer, not on it.
        if name and not list(module.children()) and not isinstance(module, nn.Sequential | RobustScale):
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
