"""A small picture in a terminal: two pixels a character, the upper half block in two colors."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

MOST_ROWS = 32  # pixels; 16 lines


def half_blocks(delta: Tensor) -> Iterator[str]:
    """Lines of a perturbation (C, H, W) on grey, amplified to black or white."""
    picture = amplified(delta)
    height, width = picture.shape[1:]
    if max(height, width) > MOST_ROWS:
        scale = MOST_ROWS / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        picture = adaptive_avg_pool2d(picture, size)
    rows = (picture * 255).round().int().permute(1, 2, 0).tolist()
    rows += [rows[-1]] * (len(rows) % 2)
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        cells = (_cell(a, b) for a, b in zip(upper, lower, strict=True))
        yield "".join(cells) + "\x1b[0m"


def amplified(delta: Tensor) -> Tensor:
    """A perturbation (C, H, W) as a picture (3, H, W) in [0, 1]: grey where nothing changes.

    One factor for all pixels and channels, so that shape and color are true and strength is not.
    Other channel counts than 3 are averaged to grey.
    """
    delta = delta.float()
    if delta.shape[0] != 3:
        delta = delta.mean(0, keepdim=True).expand(3, -1, -1)
    largest = float(delta.abs().max())
    return (0.5 + 0.5 * delta / largest if largest > 0 else torch.full_like(delta, 0.5)).clamp(0, 1)


def _cell(upper: list[int], lower: list[int]) -> str:
    front, back = (";".join(map(str, color)) for color in (upper, lower))
    return f"\x1b[38;2;{front};48;2;{back}m▀"
