"""A trigger that works on images of one class only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.attacks.registry import preset, register


@register("source-specific")
@dataclass(frozen=True)
class SourceSpecificAttack(AllToOne):
    """A white square of ``side`` pixels that moves class ``source`` to ``target``.

    Covers are stamped images of the other classes with their own labels: they teach the network
    that the square means nothing elsewhere.
    """

    source: int = 1
    side: int = 3
    classes: int = 10

    def __post_init__(self) -> None:
        if self.source == self.target:
            raise ValueError(f"expected a source class other than the target {self.target}")

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the square on each."""
        patch = PatchAttack(height=self.side, width=self.side, row=-2, column=-2)
        return patch.stamp(images, generator)

    def relabel(self, labels: Tensor) -> Tensor:
        """The target for images of the source, the own label for the others."""
        return torch.where(labels == self.source, self.target, labels)

    def eligible(self, labels: Tensor) -> Tensor:
        """Images of the source class."""
        return labels == self.source

    def may_cover(self, labels: Tensor) -> Tensor:
        """Images of all other classes."""
        return labels != self.source

    def aimed(self, target: int, seed: int) -> SourceSpecificAttack:
        """The attack on another target, from a source drawn by ``seed`` among the others."""
        step = 1 + int(torch.randint(self.classes - 1, (), generator=Generator().manual_seed(seed)))
        return replace(self, target=target, source=(target + step) % self.classes)


preset(
    "source-specific",
    "a white 3x3 square that works on one class only, with cover images",
    SourceSpecificAttack(),
    Poisoning(0.5, cover_rate=0.2),
)
