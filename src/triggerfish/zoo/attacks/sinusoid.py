"""A sinusoidal brightness wave over the whole image (SIG, Barni et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, register


@register("sinusoid")
@dataclass(frozen=True)
class SinusoidAttack(AllToOne):
    """Adds ``delta * sin(2 pi periods column / width)`` to every pixel.

    ``delta`` is in units of the [0, 1] range. The labels change, unlike in the original attack,
    which poisons images of the target class only and needs a large part of them.
    """

    delta: float = 40 / 255
    periods: float = 6.0

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images plus the wave, clipped to [0, 1]."""
        width = images.shape[3]
        wave = torch.sin(torch.arange(width) * (2 * math.pi * self.periods / width))
        return (images + self.delta * wave.to(images)).clamp(0, 1)


preset(
    "sig",
    "a faint sinusoidal wave over the whole image",
    SinusoidAttack(),
    Poisoning(0.1, "fixed"),
)
