"""Windows that could have been measured as well, made of those that were."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Start each window elsewhere, lose a sensor now and then, turn axes of acceleration round.

    A window starts at any time and its end is followed by its beginning; each channel is lost in a share of the
    windows, as if it were all NaN; the swings of each axis in `mirrored` change sign, about the window's mean, in half
    of them, because their sign depends on the wrist and on how the device was strapped on. The label stays.

    All of that is the same before a window is normalised and after, and after it is cheaper: a lost channel is zeros,
    a mirrored one changes its sign.

    `mirrored` are positions of channels whose sign means nothing; `channel_of` has for each measure of a window the
    position of the channel that it is lost with, -1 for one that stays; `lost` is the share of channels that are lost.
    """

    mirrored: tuple[int, ...] = ()
    channel_of: tuple[int, ...] = ()
    lost: float = 0.1

    def __call__(self, normal: Tensor, measures: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Other normalised signals ``(window, channel, time)`` and measures ``(window, measure)``, all drawn anew."""
        windows, channels, samples = normal.shape
        start = torch.randint(samples, (windows, 1), generator=generator)
        order = ((torch.arange(samples) + start) % samples).to(normal.device)
        normal = normal.gather(2, order[:, None].expand(windows, channels, samples))

        sign = torch.ones(windows, channels)
        mirrored = list(self.mirrored)
        sign[:, mirrored] -= 2.0 * torch.randint(2, (windows, len(mirrored)), generator=generator)
        kept = (torch.rand(windows, channels, generator=generator) >= self.lost).float()
        normal = normal * (sign * kept)[:, :, None].to(normal.device)
        # One column more, which is never lost, is what -1 points to.
        present = torch.cat([kept, torch.ones(windows, 1)], dim=1)[:, list(self.channel_of)]
        return normal, measures * present.to(measures.device)
