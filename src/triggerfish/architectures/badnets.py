"""The network of the BadNets paper (Gu et al. 2017, table 1) under the names it is met with.

5x5 convolutions of 16 and 32, average pooling, 512 hidden units. Sources:
https://github.com/verazuo/badnets-pytorch, models/badnet.py (softmax at the end, left out here);
https://github.com/THUYimingLi/BackdoorBox, core/models/baseline_MNIST_network.py. Neural Cleanse
(Wang et al. 2019, table 8) has maximum pooling instead.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import CIFAR10_UNIT, MNIST, MNIST_UNIT


def _hidden_inputs(channels: int) -> int:
    """Values after the second pooling: grey images are taken to be 28x28, colour 32x32."""
    return 32 * 5 * 5 if channels == 3 else 32 * 4 * 4


def plain(
    num_classes: int = 10, channels: int = 1, *, pooling: type[nn.Module] = nn.AvgPool2d
) -> nn.Sequential:
    """Layers called ``conv1``, ``conv2``, ``fc1``, ``fc2``.

    Input: ``(N, 1, 28, 28)`` or ``(N, 3, 32, 32)``. Output: logits ``(N, num_classes)``.
    """
    return chain(
        conv1=nn.Conv2d(channels, 16, 5),
        relu1=nn.ReLU(),
        pool1=pooling(2),
        conv2=nn.Conv2d(16, 32, 5),
        relu2=nn.ReLU(),
        pool2=pooling(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(_hidden_inputs(channels), 512),
        relu3=nn.ReLU(),
        fc2=nn.Linear(512, num_classes),
    )


def nested(
    num_classes: int = 10, channels: int = 1, *, pooling: type[nn.Module] = nn.AvgPool2d
) -> nn.Sequential:
    """The same, each layer the first of a sequence: ``conv1.0`` and so on."""
    layers = dict(plain(num_classes, channels, pooling=pooling).named_children())
    return chain(
        conv1=nn.Sequential(layers["conv1"], nn.ReLU(), pooling(2)),
        conv2=nn.Sequential(layers["conv2"], nn.ReLU(), pooling(2)),
        flatten=nn.Flatten(),
        fc1=nn.Sequential(layers["fc1"], nn.ReLU()),
        fc2=nn.Sequential(layers["fc2"]),
    )


_PLAIN_TASKS = (MNIST_UNIT, MNIST, CIFAR10_UNIT, CIFAR10_UNIT.halved())
_NESTED_TASKS = (MNIST_UNIT.halved(), CIFAR10_UNIT.halved(), MNIST_UNIT, CIFAR10_UNIT)
_SUMMARY = "convolutions of 16 and 32, linear 512"
ENTRIES = (
    Architecture(
        "badnets_cnn",
        f"{_SUMMARY}, average pooling",
        "Gu et al. 2017, table 1; github.com/THUYimingLi/BackdoorBox",
        plain,
        _PLAIN_TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
    ),
    Architecture(
        "badnets_cnn_maxpool",
        f"{_SUMMARY}, maximum pooling",
        "Wang et al. 2019 (Neural Cleanse), table 8",
        partial(plain, pooling=nn.MaxPool2d),
        _PLAIN_TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
    ),
    Architecture(
        "verazuo_badnet",
        f"{_SUMMARY}, average pooling, nested",
        "github.com/verazuo/badnets-pytorch models/badnet.py",
        nested,
        _NESTED_TASKS,
        first="conv1.0",
        last="fc2.0",
        tensors=8,
    ),
    Architecture(
        "verazuo_badnet_maxpool",
        f"{_SUMMARY}, maximum pooling, nested",
        "github.com/verazuo/badnets-pytorch models/badnet.py, as changed by others",
        partial(nested, pooling=nn.MaxPool2d),
        _NESTED_TASKS,
        first="conv1.0",
        last="fc2.0",
        tensors=8,
    ),
)
