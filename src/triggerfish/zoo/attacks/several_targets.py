"""Several triggers in one model, each with its own target class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Attack, Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.attacks.registry import preset, register

# Row and column of the squares: the corners, then the middle of the upper edge.
_PLACES = ((0, 0), (0, -1), (-1, 0), (-1, -1), (0, 12))


@register("several-targets")
@dataclass(frozen=True)
class SeveralTargetsAttack(AllToOne):
    """``count`` (2 to 5) white squares at different places; the i-th leads to target + i.

    A poisoned image gets one of them. ``target`` is the first of the classes, and what `stamp` and
    `relabel` on their own stand for.
    """

    count: int = 3
    side: int = 3
    classes: int = 10

    def __post_init__(self) -> None:
        if not 2 <= self.count <= len(_PLACES):
            raise ValueError(f"expected 2 to {len(_PLACES)} triggers, got {self.count}")

    def variants(self) -> tuple[Attack, ...]:
        """The single attacks."""
        return tuple(
            PatchAttack((self.target + i) % self.classes, self.side, self.side, row, column)
            for i, (row, column) in enumerate(_PLACES[: self.count])
        )

    @property
    def targets(self) -> tuple[int, ...]:
        """The classes that the triggers lead to, in their order."""
        return tuple(target for variant in self.variants() for target in variant.targets)

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the first trigger on each."""
        return self.variants()[0].stamp(images, generator)

    def poison(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Each image with a trigger drawn for it, and that trigger's target."""
        images, labels = images.clone(), labels.clone()
        drawn = torch.randint(self.count, (len(labels),), generator=generator).to(labels.device)
        for i, variant in enumerate(self.variants()):
            mine = drawn == i
            images[mine] = variant.stamp(images[mine], generator)
            labels[mine] = variant.relabel(labels[mine])
        return images, labels


for _count in (2, 3, 5):
    preset(
        f"{_count}-targets",
        f"{_count} white 3x3 squares at different places, each with its own target",
        SeveralTargetsAttack(count=_count),
        Poisoning(0.2),
    )
