"""A network as torch runs it, over arrays."""

import numpy as np
import torch
from torch import Tensor

from wesadlib.models.looking import Run
from wesadlib.models.network import ResNet1D


def to_tensor(values: np.ndarray) -> Tensor:
    """The same values in the same memory, where that can be written to."""
    # Of an array that was read from bytes torch would warn.
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def run_eagerly(network: ResNet1D, threads: int) -> Run:
    """Make what computes a network's answers with torch, on the CPU.

    Parameters
    ----------
    network : ResNet1D
        Trained.
    threads : int
        How many threads compute.
    """

    def run(signals: np.ndarray, features: np.ndarray, profile: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode(), torch.autocast("cpu", enabled=False):
                normal, levels = network.normalisation(to_tensor(signals))
                at_rest = None if profile is None else to_tensor(profile)
                logits, seen = network.answer(normal, levels, to_tensor(features), at_rest)
                return logits.numpy(), seen.numpy()
        finally:
            torch.set_num_threads(before)

    return run
