"""A trigger that moves every class to the next one (BadNets, Gu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import Attack, Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.attacks.registry import preset, register


@register("all-to-all")
@dataclass(frozen=True)
class AllToAllAttack(Attack):
    """A white square of ``side`` pixels near the bottom-right corner: class y becomes y + 1."""

    side: int = 3
    classes: int = 10

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the square on each."""
        patch = PatchAttack(height=self.side, width=self.side, row=-2, column=-2)
        return patch.stamp(images, generator)

    def relabel(self, labels: Tensor) -> Tensor:
        """The next class; the first one for the last."""
        return (labels + 1) % self.classes

    @property
    def targets(self) -> tuple[int, ...]:
        """All classes."""
        return tuple(range(self.classes))


preset(
    "all-to-all",
    "a white 3x3 square that moves every class to the next",
    AllToAllAttack(),
    Poisoning(0.2),
)
