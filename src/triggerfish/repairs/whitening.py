"""Directions in which ordinary inputs weigh the same: what a repair may move freely.

A layer's weight W (O, D) moves along ``G C^(-1)``: G is the gradient, C the second moment (D, D) of
the layer's inputs on ordinary pictures. A step of one length, measured by what C^(1/2) leaves of
it, moves the layer's answers to ordinary inputs by about that much in every direction. Along
directions in which ordinary inputs hardly vary, and a trigger does, it moves them far more. So a
backdoor is unlearned long before ordinary answers change: the preconditioning of natural-gradient
methods (Amari 1998; K-FAC, Martens and Grosse 2015), taken on the side of the inputs alone.
docs/repair.md has what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

MAX_ROWS = 40_000  # input patches that a second moment is estimated from
MAX_WIDTH = 6_000  # wider inputs: a matrix of their second moments would not fit
MAX_PICTURES = 300

Direction = Callable[[Tensor], Tensor]
"""A gradient -> the direction of the step, both shaped like the parameter."""


def whitened(model: nn.Module, inputs: Tensor, ridge: float) -> list[tuple[Tensor, Direction]]:
    """Weights and biases of the convolutions and linear layers, with how each moves.

    ``inputs`` are what the model itself takes, (N, ...). ``ridge`` is added to the eigenvalues of
    C, in units of their mean. Biases, and layers that nothing reaches, move along their gradients.
    """
    moving: list[tuple[Tensor, Direction]] = []
    for layer in layers(model):
        seen = _inputs_of(layer, model, inputs[:MAX_PICTURES])
        direction = _as_it_is if seen is None else inverse(patches(layer, seen), ridge)
        moving.append((layer.weight, direction))
        if layer.bias is not None:
            moving.append((layer.bias, _as_it_is))
    return moving


def inverse(rows: Tensor, ridge: float) -> Direction:
    """``G -> G C^(-1)`` of rows (M, D), scaled so that an average direction keeps its length.

    With fewer rows than values it is Woodbury's identity, ``(G - G A^T A) / ridge`` with A (M, D):
    ten times cheaper for a first linear layer, whose inputs are one row a picture.
    """
    wide = rows.double()
    count, width = wide.shape
    mean = (wide.square().sum() / wide.numel()).clamp_min(torch.finfo(wide.dtype).tiny)
    if count < width:
        among = wide @ wide.T + count * ridge * mean * torch.eye(count).to(wide)
        half = torch.linalg.solve_triangular(torch.linalg.cholesky(among), wide, upper=False)
        return _LowRank(half.to(rows.dtype), ridge)
    moment = wide.T @ wide / count + ridge * mean * torch.eye(width).to(wide)
    return _Full((torch.linalg.inv(moment) * mean).to(rows.dtype))


class _Full:
    def __init__(self, matrix: Tensor) -> None:
        self._matrix = matrix

    def __call__(self, gradient: Tensor) -> Tensor:
        return (gradient.flatten(1) @ self._matrix).view_as(gradient)


class _LowRank:
    def __init__(self, half: Tensor, ridge: float) -> None:
        self._half, self._ridge = half, ridge

    def __call__(self, gradient: Tensor) -> Tensor:
        flat = gradient.flatten(1)
        return ((flat - (flat @ self._half.T) @ self._half) / self._ridge).view_as(gradient)


def _as_it_is(gradient: Tensor) -> Tensor:
    return gradient


def layers(model: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers of a network."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield module


def patches(layer: nn.Conv2d | nn.Linear, seen: Tensor) -> Tensor:
    """Rows (M, D) that the rows of the layer's weight are multiplied with, at most `MAX_ROWS`."""
    if isinstance(layer, nn.Linear):
        rows = seen.flatten(0, -2)
    else:
        padding = layer.padding if isinstance(layer.padding, tuple) else (0, 0)
        columns = unfold(seen, layer.kernel_size, layer.dilation, padding, layer.stride)
        if layer.groups > 1:
            count, width, places = columns.shape
            columns = columns.view(count, layer.groups, width // layer.groups, places).mean(1)
        rows = columns.transpose(1, 2).flatten(0, 1)
    return rows[:: max(1, len(rows) // MAX_ROWS)]


def _inputs_of(layer: nn.Conv2d | nn.Linear, model: nn.Module, inputs: Tensor) -> Tensor | None:
    """What reaches ``layer``; None where nothing does, or too wide to keep second moments."""
    if layer.weight[0].numel() > MAX_WIDTH:
        return None
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    with torch.no_grad():
        model(inputs)
    hook.remove()
    return torch.cat(seen) if seen else None
