"""Residual networks for 32x32 images as in He et al. 2016, section 4.2: 16, 32, 64 channels.

Sources: https://github.com/akamaster/pytorch_resnet_cifar10, resnet.py (option A by default, B by a
setting; layers ``linear`` and ``shortcut``) and https://github.com/chenyaofo/pytorch-cifar-models
and https://github.com/bearpaw/pytorch-classification (option B; layers ``fc`` and ``downsample``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.residual import ResNet, Shortcut, Subsampled, projected, tensors
from triggerfish.architectures.tasks import CIFAR10, CIFAR100, IMAGENET, Task

DEPTHS = (20, 32, 44, 56, 110)
_IMAGENET_STATISTICS = CIFAR10.normalized(IMAGENET.mean, IMAGENET.std)
_AKAMASTER = "github.com/akamaster/pytorch_resnet_cifar10 resnet.py"


def resnet(
    num_classes: int = 10,
    channels: int = 3,
    *,
    depth: int,
    shortcut: Shortcut,
    output: str = "linear",
    name: str = "shortcut",
) -> nn.Module:
    """``(depth - 2) / 6`` blocks in each of three stages.

    Input: ``(N, channels, 32, 32)``, normalised. Output: logits ``(N, num_classes)``.
    """
    counts = ((depth - 2) // 6,) * 3
    return ResNet(
        num_classes,
        channels,
        counts=counts,
        width=16,
        shortcut=shortcut,
        output=output,
        name=name,
    )


def _entry(
    name: str, source: str, depth: int, shortcut: Shortcut, layers: tuple[str, str], task: Task
) -> Architecture:
    output, shortcut_name = layers
    with_weights = shortcut is projected
    return Architecture(
        name,
        f"option {'B' if with_weights else 'A'}, output layer `{output}`",
        source,
        partial(resnet, depth=depth, shortcut=shortcut, output=output, name=shortcut_name),
        (task, CIFAR10, CIFAR100),
        first="conv1",
        last=output,
        tensors=tensors(((depth - 2) // 6,) * 3, projections=2 if with_weights else 0),
    )


def _entries() -> Iterator[Architecture]:
    linear, fc = ("linear", "shortcut"), ("fc", "downsample")
    for depth in DEPTHS:
        name, task = f"akamaster_resnet{depth}", _IMAGENET_STATISTICS
        yield _entry(name, _AKAMASTER, depth, Subsampled, linear, task)
        yield _entry(f"{name}_b", _AKAMASTER, depth, projected, linear, task)
        yield _entry(f"{name}_fc", f"{_AKAMASTER}, renamed", depth, Subsampled, fc, task)
        yield _entry(
            f"chenyaofo_resnet{depth}",
            "github.com/chenyaofo/pytorch-cifar-models resnet.py",
            depth,
            projected,
            fc,
            CIFAR10.normalized((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        )


ENTRIES = tuple(_entries())
