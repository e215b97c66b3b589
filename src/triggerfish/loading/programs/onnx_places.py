"""ONNX operators that pick or put values at places that a tensor names."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_operator import Attributes

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    """Pick along ``axis``; negative places count from the end."""
    axis = a.get("axis", 0) % x.ndim
    picked = x.index_select(axis, _counted(index.flatten(), x.shape[axis]))
    return picked.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def gather_elements(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    """Pick one value for each of ``index``, along ``axis``."""
    axis = a.get("axis", 0) % x.ndim
    return x.gather(axis, _counted(index, x.shape[axis]))


def gather_nd(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    """Pick at tuples of places, which are the last axis of ``index``."""
    batch, depth = a.get("batch_dims", 0), index.shape[-1]
    rows = math.prod(x.shape[:batch])
    inner, rest = x.shape[batch : batch + depth], x.shape[batch + depth :]
    flat = x.reshape(rows, math.prod(inner), *rest)
    places = _flat_places(index.reshape(rows, -1, depth), inner)
    picked = flat[torch.arange(rows, device=x.device)[:, None], places]
    return picked.reshape((*index.shape[:-1], *rest))


def scatter_nd(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    """``x`` with ``updates`` at tuples of places."""
    depth = index.shape[-1]
    flat = x.reshape(math.prod(x.shape[:depth]), -1)
    places = _flat_places(index.reshape(-1, depth), x.shape[:depth])
    rows = updates.reshape(len(places), -1)
    return _put(a, flat, 0, places[:, None].expand_as(rows), rows).reshape(x.shape)


def scatter_elements(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    """``x`` with one value put for each of ``index``, along ``axis``."""
    axis = a.get("axis", 0) % x.ndim
    return _put(a, x, axis, _counted(index, x.shape[axis]), updates)


def one_hot(a: Attributes, index: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """``values`` are (off, on): on at the places of ``index``, along a new ``axis``."""
    count = int(depth.item())
    axis = a.get("axis", -1)
    places = torch.arange(count, device=index.device)
    hit = torch.remainder(index.long(), count)[..., None] == places
    valid = ((index >= -count) & (index < count))[..., None]
    return torch.where(hit & valid, values[1], values[0]).movedim(-1, axis)


def _put(a: Attributes, x: Tensor, axis: int, places: Tensor, updates: Tensor) -> Tensor:
    reduction = a.get("reduction", b"none").decode()
    if reduction == "none":
        return x.scatter(axis, places, updates)
    if reduction not in _REDUCTIONS:
        raise UnsupportedModelError(f"expected a reduction of ONNX, got {reduction!r}")
    return x.scatter_reduce(axis, places, updates, _REDUCTIONS[reduction])


def _counted(places: Tensor, length: int) -> Tensor:
    """Places from 0 on, where negative ones counted from the end."""
    places = places.long()
    return torch.where(places < 0, places + length, places)


def _flat_places(index: Tensor, sizes: torch.Size) -> Tensor:
    """Tuples of places (..., depth) as places in the flattened axes."""
    flat = torch.zeros(index.shape[:-1], dtype=torch.long, device=index.device)
    for depth, length in enumerate(sizes):
        flat = flat * length + _counted(index[..., depth], length)
    return flat
