"""Weights in coordinates in which ordinary inputs weigh the same: what a repair may move freely.

A layer's weight W (O, D) becomes ``W0 + V R`` with ``R = C^(-1/2)``, C the second moment (D, D) of
the layer's inputs on ordinary pictures. A step of one size in V moves the layer's answers to
ordinary inputs by about that much in every direction; along directions in which ordinary inputs
hardly vary, and a trigger does, it moves them far more. So a backdoor is unlearned long before
ordinary answers change: the preconditioning of natural-gradient methods (Amari 1998; K-FAC, Martens
and Grosse 2015), taken on the side of the inputs alone. docs/repair.md has what it is worth.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold
from torch.nn.utils import parametrize

MAX_ROWS = 40_000  # input patches that a second moment is estimated from
MAX_WIDTH = 6_000  # wider inputs: a matrix of their second moments would not fit
MAX_PICTURES = 300


class Whitened(nn.Module):
    """``W0 + V R``, shaped like the weight that it stands for; V starts at zero."""

    start: Tensor
    root: Tensor | None

    def __init__(self, weight: Tensor, root: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("start", weight.detach().clone())
        self.register_buffer("root", root)
        self.shift = nn.Parameter(torch.zeros_like(weight).flatten(1))

    def forward(self, _: Tensor) -> Tensor:
        """The weight, whatever is stored in its place."""
        shift = self.shift if self.root is None else self.shift @ self.root
        weight: Tensor = self.start + shift.view_as(self.start)
        return weight


def whiten(model: nn.Module, inputs: Tensor, ridge: float) -> list[nn.Parameter]:
    """Put every convolution and linear layer of ``model`` into whitened coordinates, in place.

    ``inputs`` are what the model itself takes, (N, ...). ``ridge`` is added to the eigenvalues of
    C, in units of their mean. Returns the parameters to train: shifts and biases.
    """
    parameters: list[nn.Parameter] = []
    for layer in list(layers(model)):
        seen = _inputs_of(layer, model, inputs[:MAX_PICTURES])
        root = None if seen is None else _root(patches(layer, seen), ridge)
        whitened = Whitened(layer.weight, root)
        parametrize.register_parametrization(layer, "weight", whitened, unsafe=True)
        parameters.append(whitened.shift)
        if isinstance(layer.bias, nn.Parameter):
            parameters.append(layer.bias)
    return parameters


def settle(model: nn.Module) -> None:
    """Write the trained weights back as plain parameters, in place."""
    for layer in list(layers(model)):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
            # The weight comes back behind the bias; a state dict keeps the order that it had.
            if "bias" in layer._parameters:
                layer.register_parameter("bias", layer._parameters.pop("bias"))


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


def _root(rows: Tensor, ridge: float) -> Tensor:
    """``C^(-1/2)`` (D, D) of rows (M, D), scaled so that an average direction keeps its length."""
    wide = rows.double()
    values, vectors = torch.linalg.eigh(wide.T @ wide / len(wide))
    values = values.clamp_min(0.0)
    mean = values.mean().clamp_min(torch.finfo(values.dtype).tiny)
    root: Tensor = (vectors * (mean / (values + ridge * mean)).sqrt()) @ vectors.T
    return root.to(rows.dtype)
