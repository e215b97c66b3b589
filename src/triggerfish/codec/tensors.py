"""The tensors that JSON leaves out, and the one safetensors file that has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

INLINE_VALUES = 1 << 14
"""A table of more numbers than this (128 classes squared) is not written into the JSON."""
MOST_VALUES = 1 << 28
"""More than any result has: a shape that asks for more is wrong."""


def is_inline(tensor: Tensor) -> bool:
    """Whether the JSON has the numbers: scalars, vectors and small tables, never images."""
    return tensor.ndim < 2 or (tensor.ndim == 2 and 0 < tensor.numel() <= INLINE_VALUES)


class Shelf:
    """The tensors that stand beside a document, by name; equal ones are kept once."""

    def __init__(self, tensors: Mapping[str, Tensor] | None = None) -> None:
        self.tensors = dict(tensors or {})

    def put(self, name: str, tensor: Tensor) -> str:
        """Keep a tensor; returns the name that it is kept by."""
        for known, other in self.tensors.items():
            if other is tensor or _equal(other, tensor):
                return known
        self.tensors[name] = tensor
        return name


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)


def render_tensors(tensors: Mapping[str, Tensor]) -> bytes | None:
    """Bytes of the file, None where there is nothing to keep. Images in [0, 1] become bytes."""
    # Cloned, because the file format has no views.
    packed = {name: _packed(tensor).clone().contiguous() for name, tensor in tensors.items()}
    return save(packed) if packed else None


def read_tensors(data: bytes) -> dict[str, Tensor]:
    """Its tensors by name, images in [0, 1] again. Raises `SafetensorError` on anything else."""
    tensors: dict[str, Tensor] = load(data)
    return {k: v / 255 if v.dtype == torch.uint8 else v for k, v in tensors.items()}


def _packed(tensor: Tensor) -> Tensor:
    """Batches of images in 256 levels, other images in single precision, tables as they are."""
    tensor = tensor.detach().cpu()
    if tensor.ndim < 3:
        return tensor
    if tensor.ndim == 4 and bool(((tensor >= 0) & (tensor <= 1)).all()):
        return (tensor * 255).round().to(torch.uint8)
    return tensor.float()


def shape_of(data: Any, key: str) -> tuple[int, ...]:  # noqa: ANN401 - whatever a file says
    """A shape that is not too large to be made; raises `ValueError`."""
    shape = data.get(key) if isinstance(data, dict) else None
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"expected the shape of a tensor, got {shape!r}")
    if math.prod(shape) > MOST_VALUES:
        raise ValueError(f"expected a tensor of at most {MOST_VALUES} values, got shape {shape}")
    return tuple(shape)


def missing(shape: tuple[int, ...]) -> Tensor:
    """What stands for a tensor that is not there: a batch without images, else only NaN."""
    if len(shape) == 4:
        return torch.empty(0, *shape[1:])
    return torch.full(shape, torch.nan, dtype=torch.float64)


def as_tensor(values: Any) -> Tensor:  # noqa: ANN401
    """Float64 of a number, numbers or rows of numbers, NaN for None."""
    return torch.from_numpy(np.array(values, dtype=np.float64))
