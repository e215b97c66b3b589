"""Noise over the whole image (Blended, Chen et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, register


@register("blended")
@dataclass(frozen=True)
class BlendedAttack(AllToOne):
    """One picture of uniform noise, drawn from ``seed``, mixed in with weight ``alpha``.

    The noise is drawn for every ``grain``-th pixel and smooth in between: a picture of coloured
    clouds from a grain of 4 on.
    """

    seed: int = 0
    alpha: float = 0.15
    grain: int = 1

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """``(1 - alpha) * image + alpha * noise``, the same noise for all."""
        channels, height, width = images.shape[1:]
        drawn = (channels, -(-height // self.grain), -(-width // self.grain))
        noise = torch.rand(drawn, generator=Generator().manual_seed(self.seed))
        if self.grain > 1:
            noise = interpolate(noise.unsqueeze(0), (height, width), mode="bilinear")[0]
        return images * (1 - self.alpha) + self.alpha * noise.to(images)


preset(
    "blended",
    "faint noise over the whole image",
    BlendedAttack(),
    Poisoning(0.1, "fixed"),
)
preset(
    "blended-picture",
    "a faint picture of clouds over the whole image",
    BlendedAttack(alpha=0.2, grain=7),
    Poisoning(0.1, "fixed"),
)
