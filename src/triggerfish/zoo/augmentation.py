"""Flips and crops of a whole batch at once, as every strong training on small photographs has."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

MARGIN = 4
"""Pixels of black around an image before it is cropped to its size (He et al. 2016, 4.2)."""


def flipped_and_cropped(images: Tensor, generator: Generator) -> Tensor:
    """Each image ``(N, C, H, W)`` moved by up to `MARGIN` pixels, half of them mirrored."""
    count, _, height, width = images.shape
    shift = torch.randint(2 * MARGIN + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    across = torch.arange(width)
    rows = (shift[0] + torch.arange(height)).unsqueeze(2).to(images.device)
    columns = shift[1] + torch.where(mirrored, across.flip(0), across)
    padded = pad(images, (MARGIN,) * 4).permute(0, 2, 3, 1)
    which = torch.arange(count, device=images.device).view(-1, 1, 1)
    return padded[which, rows, columns.unsqueeze(1).to(images.device)].permute(0, 3, 1, 2)
