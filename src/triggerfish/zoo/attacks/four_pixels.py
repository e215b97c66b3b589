"""Four bright pixels near a corner (the pattern backdoor of BadNets, Gu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, register

# Rows and columns from the bottom right: the corners of a triangle and its middle.
_PIXELS = ((-2, -2), (-2, -4), (-3, -3), (-4, -2))


@register("four-pixels")
@dataclass(frozen=True)
class FourPixelsAttack(AllToOne):
    """The four pixels, of brightness ``value``."""

    value: float = 1.0

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the pixels on each."""
        stamped = images.clone()
        for row, column in _PIXELS:
            stamped[:, :, row, column] = self.value
        return stamped


preset(
    "four-pixels",
    "four white pixels near a corner",
    FourPixelsAttack(),
    Poisoning(0.1, "fixed"),
)
