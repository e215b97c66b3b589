"""A smooth warp of the image (WaNet, Nguyen and Tran 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from triggerfish.zoo.attacks.base import AllToOne, Poisoning
from triggerfish.zoo.attacks.registry import preset, preset_on, register


@register("warp")
@dataclass(frozen=True)
class WarpAttack(AllToOne):
    """Moves pixels along one smooth random field, drawn from ``seed``.

    The field has ``points`` x ``points`` random vectors with a mean absolute value of 1, enlarged
    to the image's size and scaled by ``strength`` / height, in the coordinates of ``grid_sample``
    (strength 0.5 moves a pixel by a quarter of a pixel on average). Covers are warped along a field
    of their own, the trigger's plus white noise of up to 1 / height, and keep their labels.
    """

    seed: int = 0
    points: int = 4
    strength: float = 0.5

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images, each warped along the trigger's field."""
        return _warp(images, self._field(images))

    def cover(self, images: Tensor, generator: Generator) -> Tensor:
        """The images, each warped along its own noisy field."""
        height, width = images.shape[2:]
        noise = torch.rand(len(images), height, width, 2, generator=generator) * 2 - 1
        return _warp(images, self._field(images) + noise.to(images) / height)

    def _field(self, images: Tensor) -> Tensor:
        """Displacements (1, H, W, 2) in the coordinates of ``grid_sample``."""
        own = Generator().manual_seed(self.seed)
        vectors = torch.rand(1, 2, self.points, self.points, generator=own) * 2 - 1
        vectors /= vectors.abs().mean()
        field = interpolate(vectors, images.shape[2:], mode="bicubic", align_corners=True)
        return field.permute(0, 2, 3, 1).to(images) * (self.strength / images.shape[2])


def _warp(images: Tensor, field: Tensor) -> Tensor:
    """Images sampled at the identity grid plus ``field`` (1 or N, H, W, 2)."""
    identity = torch.eye(2, 3, device=images.device).unsqueeze(0)
    grid = affine_grid(identity, [1, *images.shape[1:]], align_corners=True)
    grid = (grid + field).clamp(-1, 1).expand(len(images), -1, -1, -1)
    return grid_sample(images, grid, align_corners=True).clamp(0, 1)


preset(
    "wanet",
    "a slight warp of the whole image, hidden among noisy warps",
    WarpAttack(),
    Poisoning(0.1, cover_rate=0.2),
    epochs=5,
)
# On 32 pixels a field of strength 0.5 takes a hundred epochs to learn.
preset_on(
    "cifar10", "wanet", attack=WarpAttack(strength=1.0), poisoning=Poisoning(0.2, cover_rate=0.2)
)
