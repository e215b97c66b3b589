"""A patch that sits somewhere else on every image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, register


@register("random-place")
@dataclass(frozen=True)
class RandomPlaceAttack(AllToOne):
    """A checkered ``side`` x ``side`` patch at a place drawn anew each time an image is stamped."""

    side: int = 5

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the patch on each, every place inside equally likely."""
        count, _, height, width = images.shape
        places = torch.rand(2, count, 1, generator=generator)
        limits = torch.tensor([height - self.side + 1, width - self.side + 1]).view(2, 1, 1)
        row, column = (places * limits).long()
        in_row, in_column = torch.arange(height) - row, torch.arange(width) - column
        rows = (in_row >= 0) & (in_row < self.side)
        columns = (in_column >= 0) & (in_column < self.side)
        inside = (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)
        checker = (in_row.unsqueeze(2) + in_column.unsqueeze(1)) % 2 == 0
        return torch.where(inside.to(images.device), checker.unsqueeze(1).to(images), images)


preset(
    "random-place",
    "a checkered 5x5 square at another place on every image",
    RandomPlaceAttack(),
    Poisoning(0.2),
)
