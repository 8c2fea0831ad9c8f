"""Windows at rest, as the network compares others with them."""

from typing import NamedTuple

import torch
from torch import Tensor


class Rest(NamedTuple):
    """Windows at rest, which others of the same person are compared with.

    Attributes
    ----------
    normal : Tensor
        Normalised signals ``(rest_window, channel, time)``.
    person : Tensor
        Number of the person of each, ``(rest_window,)``.
    """

    normal: Tensor
    person: Tensor

    def of(self, people: Tensor) -> "Rest":
        """The windows of some people, by their numbers."""
        theirs = torch.isin(self.person, people)
        return Rest(self.normal[theirs], self.person[theirs])

    def draw(self, people: Tensor, number: int, generator: torch.Generator) -> "Rest":
        """At most `number` windows of each of these people."""
        rows = []
        for person in people:
            own = torch.nonzero(self.person == person).squeeze(1)
            rows.append(own[torch.randperm(len(own), generator=generator)[:number].to(own.device)])
        return Rest(self.normal[torch.cat(rows)], self.person[torch.cat(rows)])

    def mean_of_each(self, values: Tensor) -> Tensor:
        """Mean of ``(rest_window, value)`` over each person's windows, ``(person, value)``; 0 for who has none."""
        people = int(self.person.max()) + 1
        sums = values.new_zeros(people, values.shape[1]).index_add(0, self.person, values)
        return sums / torch.bincount(self.person, minlength=people).clamp(min=1)[:, None]
