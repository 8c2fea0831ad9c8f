"""Windows that could have been measured as well, made of those that were."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Start each window elsewhere, lose a sensor now and then, turn axes of acceleration round.

    A window starts at any time and its end is followed by its beginning; each channel is lost (all NaN) in a share of
    the windows; the swings of each axis in `mirrored` change sign, about the window's mean, in half of them, because
    their sign depends on the wrist and on how the device was strapped on. The label stays.

    Parameters
    ----------
    mirrored : tuple of int
        Positions of channels whose sign means nothing.
    lost : float
        Share of channels that are lost.
    """

    mirrored: tuple[int, ...] = ()
    lost: float = 0.1

    def __call__(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        """Other windows ``(window, channel, time)``; those given are left as they are."""
        windows, channels, samples = signal.shape
        start = torch.randint(samples, (windows, 1), generator=generator)
        order = ((torch.arange(samples) + start) % samples).to(signal.device)
        signal = signal.gather(2, order[:, None].expand(windows, channels, samples))

        mirrored = list(self.mirrored)
        sign = 1 - 2 * torch.randint(2, (windows, len(mirrored), 1), generator=generator).to(signal.device)
        mean = signal[:, mirrored].nanmean(-1, keepdim=True)
        signal[:, mirrored] = mean + sign * (signal[:, mirrored] - mean)

        lost = torch.rand(windows, channels, generator=generator) < self.lost
        return signal.masked_fill(lost[:, :, None].to(signal.device), torch.nan)
