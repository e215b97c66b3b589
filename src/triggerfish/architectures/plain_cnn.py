"""Two 3x3 convolutions and 128 hidden units: what beginners write, without a single source.

`triggerfish.architectures.paper_cnn` is the most frequent form, of 32 and 64 channels with padding
on 28x28 images; these are the others, seen in public repositories under the same names.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain, pooled_size
from triggerfish.architectures.tasks import CIFAR10, CIFAR10_UNIT, FASHION_UNIT, MNIST, MNIST_UNIT


def plain_cnn(
    num_classes: int = 10,
    channels: int = 1,
    *,
    widths: tuple[int, int],
    size: int,
    padding: int = 1,
) -> nn.Sequential:
    """Images ``(N, channels, size, size)`` -> logits ``(N, num_classes)``."""
    side = pooled_size(size, 3, 3, padding=padding)
    return chain(
        conv1=nn.Conv2d(channels, widths[0], 3, padding=padding),
        pool1=nn.MaxPool2d(2),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(widths[0], widths[1], 3, padding=padding),
        pool2=nn.MaxPool2d(2),
        relu2=nn.ReLU(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(widths[1] * side * side, 128),
        relu3=nn.ReLU(),
        fc2=nn.Linear(128, num_classes),
    )


_GREY = (MNIST, MNIST_UNIT, FASHION_UNIT.halved())
_COLOUR = (CIFAR10_UNIT.halved(), CIFAR10, CIFAR10_UNIT)

ENTRIES = tuple(
    Architecture(
        f"plain_cnn_{widths[0]}_{widths[1]}_{size}{'' if padding else '_unpadded'}",
        f"convolutions of {widths[0]} and {widths[1]} {'with' if padding else 'without'} padding",
        "common, without a single source",
        partial(plain_cnn, widths=widths, size=size, padding=padding),
        _GREY if size == 28 else _COLOUR,
        first="conv1",
        last="fc2",
        tensors=8,
    )
    for widths, size, padding in (
        ((32, 64), 28, 0),
        ((32, 64), 32, 1),
        ((32, 64), 32, 0),
        ((16, 32), 28, 1),
        ((16, 32), 32, 1),
    )
)
