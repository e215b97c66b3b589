"""Plain chains as a line of text: ``conv1/p2,relu,max2,flat,fc1,relu,fc2``.

Names with weights are layers of the state dict, whose shapes it has; ``/p2s1`` are a convolution's
padding and stride. The others are steps without weights. Nothing of it is code, so a model card
may hold it.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.weights.chain_layers import Layer, chain_layers
from triggerfish.loading.weights.state_dict import StateDict

PREFIX = "chain:"
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
_POOLING = re.compile(r"(max|avg)(\d)(?:s(\d))?")
_SETTINGS = re.compile(r"(.+?)(?:/(?:p(\d\d?))?(?:s(\d))?)?")


class ChainNetwork(nn.Module):
    """One layer after another, under the names of the state dict that fills them."""

    def __init__(self, steps: tuple[tuple[str, nn.Module], ...]) -> None:
        super().__init__()
        self._steps = tuple(module for _, module in steps)  # a tuple: registered below, by name
        for name, module in steps:
            if name:
                _register(self, name, module)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        for step in self._steps:
            x = step(x)
        return x


def build_chain(text: str, state: StateDict) -> nn.Module:
    """The network that ``text`` describes (without `PREFIX`), its weights not yet filled in.

    Raises `UnsupportedModelError` for a step that is neither a layer of ``state`` nor known.
    """
    layers = {layer.name: layer for layer in chain_layers(state)}
    if not layers:
        raise UnsupportedModelError(
            "a chain: architecture needs the weights of a plain chain of layers, and the file has "
            "others: pass --arch FILE.py:Class"
        )
    return ChainNetwork(tuple(_step(token.strip(), layers) for token in text.split(",")))


def split_step(step: str) -> tuple[str, int, int]:
    """A step's name, padding and stride."""
    match = _SETTINGS.fullmatch(step)
    if match is None:
        return step, 0, 1
    return match[1], int(match[2] or 0), int(match[3] or 1)


def _step(token: str, layers: dict[str, Layer]) -> tuple[str, nn.Module]:
    name, padding, stride = split_step(token)
    if name in layers:
        return name, _layer(layers[name], padding, stride)
    return "", _weightless(token)


def _layer(layer: Layer, padding: int, stride: int) -> nn.Module:
    if layer.kind == "conv":
        out, channels, high, wide = layer.shape
        return nn.Conv2d(channels, out, (high, wide), stride, padding, bias=layer.bias)
    if layer.kind == "linear":
        return nn.Linear(layer.shape[1], layer.shape[0], bias=layer.bias)
    return _BatchNorm(layer.shape[0])


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm of pictures and of vectors alike."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - the name in PyTorch
        del input


def _weightless(token: str) -> nn.Module:
    if token in ACTIVATIONS:
        return ACTIVATIONS[token]()
    if token == "flat":
        return nn.Flatten(1)
    if token == "global_avg":
        return nn.AdaptiveAvgPool2d(1)
    match = _POOLING.fullmatch(token)
    if match is None:
        known = ", ".join([*ACTIVATIONS, "flat", "global_avg", "max2", "avg2", "max3s2"])
        raise UnsupportedModelError(
            f"{token!r} is no step of a chain: name layers of the state dict, and {known}"
        )
    kind = nn.MaxPool2d if match[1] == "max" else nn.AvgPool2d
    return kind(int(match[2]), int(match[3] or match[2]))


def _register(root: nn.Module, name: str, module: nn.Module) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = getattr(root, parent)
    root.add_module(last, module)
