"""Resizing of pictures as TensorFlow defines it, without antialiasing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def resize(x: Tensor, size: Sequence[int], *, linear: bool, coordinates: str) -> Tensor:
    """(N, C, H, W) to (N, C, *size): bilinear, or the nearest pixel.

    ``coordinates`` says where a pixel of the result lies in the picture: pixels have centres
    (``half_pixel``), begin at whole numbers (``asymmetric``), or the corners stay in the corners.
    """
    for axis, wanted in ((2, int(size[0])), (3, int(size[1]))):
        if wanted != x.shape[axis]:
            x = _along(x, axis, wanted, linear=linear, coordinates=coordinates)
    return x


def _along(x: Tensor, axis: int, wanted: int, *, linear: bool, coordinates: str) -> Tensor:
    held = x.shape[axis]
    places = torch.arange(wanted, dtype=torch.float64)
    if coordinates == "align_corners":
        places = places * ((held - 1) / max(wanted - 1, 1))
    elif coordinates == "half_pixel":
        places = (places + 0.5) * (held / wanted) - 0.5
    else:
        places = places * (held / wanted)
    if not linear:
        nearest = {
            "half_pixel": torch.floor(places + 0.5),
            "asymmetric": torch.floor(places),
            "align_corners": torch.floor(places + 0.5),
        }[coordinates]
        return x.index_select(axis, nearest.clamp(0, held - 1).long().to(x.device))
    places = places.clamp(0, held - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=held - 1)
    share = (places - below).to(x.device, x.dtype).view(-1, *[1] * (3 - axis))
    low = x.index_select(axis, below.to(x.device))
    return low + (x.index_select(axis, above.to(x.device)) - low) * share
