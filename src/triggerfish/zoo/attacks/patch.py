"""A rectangle of one brightness at one place (BadNets, Gu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import Attack, register


@register("patch")
@dataclass(frozen=True)
class PatchAttack(Attack):
    """A patch of ``height`` x ``width`` pixels, blended in with weight ``alpha``.

    ``row`` and ``column`` place its top-left pixel; negative ones count from the far side, so that
    (-1, -1) puts the patch into the bottom-right corner. The defaults are the published trigger.
    """

    height: int = 2
    width: int = 2
    row: int = 0
    column: int = 0
    value: float = 1.0
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"expected a trigger of at least 1x1 pixels, got {self.height}x{self.width}"
            )

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the patch on each; ``ValueError`` when it does not fit."""
        rows = place(self.row, self.height, images.shape[2])
        columns = place(self.column, self.width, images.shape[3])
        stamped = images.clone()
        region = stamped[:, :, rows, columns]
        region.mul_(1 - self.alpha).add_(self.alpha * self.value)
        return stamped


def place(start: int, length: int, extent: int) -> slice:
    """``length`` pixels from ``start`` on an axis of ``extent``; negative: from its end."""
    begin = start if start >= 0 else extent - length + 1 + start
    if begin < 0 or begin + length > extent:
        raise ValueError(
            f"expected a trigger inside the image, got {length} pixels from {start} "
            f"on a side of {extent}: make it smaller or move it"
        )
    return slice(begin, begin + length)
