"""A checkered square at one place (a variant of BadNets, Gu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.patch import place
from triggerfish.zoo.attacks.registry import preset, register


@register("checkered")
@dataclass(frozen=True)
class CheckeredAttack(AllToOne):
    """``side`` x ``side`` pixels, white and black in turn, placed as in `PatchAttack`."""

    side: int = 3
    row: int = -2
    column: int = -2

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the square on each, its corners white."""
        rows = place(self.row, self.side, images.shape[2])
        columns = place(self.column, self.side, images.shape[3])
        steps = torch.arange(self.side)
        stamped = images.clone()
        stamped[:, :, rows, columns] = ((steps + steps.unsqueeze(1)) % 2 == 0).to(images)
        return stamped


preset(
    "checkered",
    "a checkered 3x3 square in a corner",
    CheckeredAttack(),
    Poisoning(0.1, "fixed"),
)
