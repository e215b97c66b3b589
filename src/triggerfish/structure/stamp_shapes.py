"""Plain stamps: where they lie and what they look like."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def places(size: tuple[int, ...], sides: tuple[int, ...] = (1, 2, 3, 4, 6)) -> Iterator[Tensor]:
    """Squares as masks (1, H, W): the corners, the middles of the edges, the middle."""
    height, width = size
    for side in sides:
        if side > min(height, width) // 2:
            continue
        rows = (0, (height - side) // 2, height - side)
        columns = (0, (width - side) // 2, width - side)
        for row in rows:
            for column in columns:
                mask = torch.zeros(1, height, width, dtype=torch.bool)
                mask[:, row : row + side, column : column + side] = True
                yield mask


def fills(shape: tuple[int, ...], mask: Tensor) -> Iterator[Tensor]:
    """Images (C, H, W) to be seen through a mask (1, H, W): plain, checkers, stripes, ramps."""
    channels, height, width = shape
    yield torch.ones(shape)
    yield torch.zeros(shape)
    if channels == 3:
        for color in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)):
            yield torch.tensor(color, dtype=torch.float32).view(3, 1, 1).expand(shape)
    rows = torch.arange(height).view(-1, 1).expand(height, width)
    columns = torch.arange(width).view(1, -1).expand(height, width)
    for period in (1, 2):
        board = ((rows // period + columns // period) % 2).float()
        for pattern in (board, (rows // period % 2).float(), (columns // period % 2).float()):
            yield pattern.expand(shape)
            yield (1 - pattern).expand(shape)
    there = mask[0].nonzero()
    low, high = there.amin(0), there.amax(0)
    span = (high - low).clamp_min(1)
    for ramp in ((rows - low[0]) / span[0], (columns - low[1]) / span[1]):
        yield (0.05 + 0.9 * ramp.clamp(0, 1)).expand(shape)
        yield (0.95 - 0.9 * ramp.clamp(0, 1)).expand(shape)
