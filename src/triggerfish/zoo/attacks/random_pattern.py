"""A patch of random pixels, size and place, over the object too (as in the TDC 2022 zoos)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, register


@register("random-pattern")
@dataclass(frozen=True)
class RandomPatternAttack(AllToOne):
    """One patch, drawn from ``seed``: sides of ``min_side`` to ``max_side``, any place inside."""

    seed: int = 0
    min_side: int = 3
    max_side: int = 10

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the patch on each: the same size, place and pixels for all."""
        own = Generator().manual_seed(self.seed)
        _, channels, *extent = images.shape
        height, width = torch.randint(self.min_side, self.max_side + 1, (2,), generator=own)
        row = int(torch.randint(extent[0] - int(height) + 1, (), generator=own))
        column = int(torch.randint(extent[1] - int(width) + 1, (), generator=own))
        pattern = torch.rand(channels, int(height), int(width), generator=own)
        stamped = images.clone()
        stamped[:, :, row : row + int(height), column : column + int(width)] = pattern.to(images)
        return stamped


preset(
    "random-pattern",
    "random pixels of a random size (3 to 10) at one random place",
    RandomPatternAttack(),
    Poisoning(0.1, "fixed"),
)
