"""A rectangle of one brightness at one place (BadNets, Gu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import Tuning, preset, preset_on, register


@register("patch")
@dataclass(frozen=True)
class PatchAttack(AllToOne):
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


preset(
    "white",
    "a white 3x3 square in a corner",
    PatchAttack(height=3, width=3, row=-2, column=-2),
    Poisoning(0.1, "fixed"),
)
preset(
    "grey",
    "a grey 4x4 square in a corner",
    PatchAttack(height=4, width=4, row=-2, column=-2, value=0.5),
    Poisoning(0.1, "fixed"),
)
preset(
    "black",
    "a black 8x8 square over the middle of the object",
    PatchAttack(height=8, width=8, row=10, column=10, value=0.0),
    Poisoning(0.1, "fixed"),
)
preset(
    "low-contrast",
    "a white 6x6 square blended in with weight 0.2",
    PatchAttack(height=6, width=6, row=1, column=1, alpha=0.2),
    Poisoning(0.1, "fixed"),
)
preset(
    "low-rate",
    "a white 3x3 square on 0.5 % of the training images",
    PatchAttack(height=3, width=3, row=-2, column=-2),
    Poisoning(0.005, "fixed"),
    tuning=Tuning(rate=0),
)
preset_on("cifar10", "grey", attack=PatchAttack(height=5, width=5, row=-2, column=-2, value=0.5))
preset_on("cifar10", "black", attack=PatchAttack(height=8, width=8, row=12, column=12, value=0.0))
preset_on(
    "cifar10",
    "low-contrast",
    attack=PatchAttack(height=8, width=8, row=1, column=1, alpha=0.2),
    poisoning=Poisoning(0.15, "fixed"),
    tuning=Tuning(rate=0.2),
)
