"""Networks that are one layer after another, under the names of the original."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def chain(**layers: nn.Module) -> nn.Sequential:
    """Layers in the order given; the name of each begins its keys in the state dict."""
    return nn.Sequential(OrderedDict(layers))


def pooled_size(size: int, *kernels: int, padding: int = 0) -> int:
    """Side of a square image after convolutions of these kernels, each followed by 2x2 pooling."""
    for kernel in kernels:
        size = (size + 2 * padding - kernel + 1) // 2
    return size
