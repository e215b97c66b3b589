"""The residual networks that most CIFAR-10 papers train: ImageNet's widths on 32x32 images.

Source: https://github.com/kuangliu/pytorch-cifar, models/resnet.py. The first convolution is 3x3
with stride 1, there is no pooling before the stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.residual import ResNet, tensors
from triggerfish.architectures.tasks import CIFAR10, CIFAR10_UNIT, CIFAR100, GTSRB, TINY_IMAGENET

TASKS = (CIFAR10, CIFAR10_UNIT, CIFAR100, GTSRB, TINY_IMAGENET)
COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def resnet(
    num_classes: int = 10,
    channels: int = 3,
    *,
    counts: Sequence[int],
    bottleneck: bool = False,
) -> nn.Module:
    """Images ``(N, channels, 32, 32)``, normalised -> logits ``(N, num_classes)``."""
    return ResNet(
        num_classes,
        channels,
        counts=counts,
        output="linear",
        name="shortcut",
        bottleneck=bottleneck,
    )


ENTRIES = tuple(
    Architecture(
        f"kuangliu_resnet{depth}",
        "first convolution 3x3 with stride 1, no pooling",
        "github.com/kuangliu/pytorch-cifar models/resnet.py",
        partial(resnet, counts=counts, bottleneck=depth >= 50),
        TASKS,
        first="conv1",
        last="linear",
        tensors=tensors(counts, bottleneck=depth >= 50, projections=4 if depth >= 50 else 3),
    )
    for depth, counts in COUNTS.items()
)
