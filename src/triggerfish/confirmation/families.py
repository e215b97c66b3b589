"""The kinds of synthetic images that a confirmation searches on, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from triggerfish.search.pictures import clouds, dead_leaves, pictures

Shape = tuple[int, int, int]


def _mixture(count: int, shape: Shape, generator: Generator) -> Tensor:
    seed = int(torch.randint(2**31, (1,), generator=generator))
    return pictures(count, shape, seed)


FAMILIES: Mapping[str, Callable[[int, Shape, Generator], Tensor]] = {
    "mixture": _mixture,
    "leaves": dead_leaves,
    "clouds": clouds,
}
"""Pictures (N, C, H, W) by family. A trigger fires on each; a class that likes some texture is
cheap on the pictures that have it."""
