"""Noise over the whole image (Blended, Chen et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, register


@register("blended")
@dataclass(frozen=True)
class BlendedAttack(AllToOne):
    """One picture of uniform noise, drawn from ``seed``, mixed in with weight ``alpha``."""

    seed: int = 0
    alpha: float = 0.15

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """``(1 - alpha) * image + alpha * noise``, the same noise for all."""
        noise = torch.rand(images.shape[1:], generator=Generator().manual_seed(self.seed))
        return images * (1 - self.alpha) + self.alpha * noise.to(images)


preset(
    "blended",
    "faint noise over the whole image",
    BlendedAttack(),
    Poisoning(0.1, "fixed"),
)
