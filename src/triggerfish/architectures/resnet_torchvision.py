"""torchvision's residual networks, and what people make of them for small images.

Source: https://github.com/pytorch/vision, torchvision/models/resnet.py. For 32x32 images the first
convolution is often replaced by one of 3x3 with stride 1, and the pooling after it kept
(https://github.com/huyvnphan/PyTorch_CIFAR10, cifar10_models/resnet.py) or taken out: the state
dict is the same, the network another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.residual import ResNet, tensors
from triggerfish.architectures.tasks import (
    CIFAR10,
    CIFAR10_UNIT,
    CIFAR100,
    GTSRB,
    IMAGENET,
    TINY_IMAGENET,
)

_SOURCE = "github.com/pytorch/vision torchvision/models/resnet.py"
COUNTS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def resnet(
    num_classes: int = 1000,
    channels: int = 3,
    *,
    counts: Sequence[int],
    bottleneck: bool = False,
    groups: int = 1,
    base_width: int = 64,
) -> nn.Module:
    """Images ``(N, channels, H, W)`` of any size, normalised -> logits ``(N, num_classes)``."""
    return ResNet(
        num_classes,
        channels,
        counts=counts,
        kernel=7,
        stride=2,
        pool=nn.MaxPool2d(3, 2, 1),
        bottleneck=bottleneck,
        groups=groups,
        base_width=base_width,
    )


def for_small_images(
    num_classes: int = 10,
    channels: int = 3,
    *,
    counts: Sequence[int],
    bottleneck: bool = False,
    pooled: bool,
) -> nn.Module:
    """The same with a 3x3 convolution of stride 1 first, with or without the pooling after it."""
    return ResNet(
        num_classes,
        channels,
        counts=counts,
        pool=nn.MaxPool2d(3, 2, 1) if pooled else None,
        bottleneck=bottleneck,
    )


def _entries() -> Iterator[Architecture]:
    imagenet = (IMAGENET, CIFAR10, CIFAR100, GTSRB, TINY_IMAGENET)
    variants = [(f"resnet{depth}", counts, depth >= 50, 1, 64) for depth, counts in COUNTS.items()]
    variants += [
        ("resnext50_32x4d", COUNTS[50], True, 32, 4),
        ("wide_resnet50_2", COUNTS[50], True, 1, 128),
    ]
    for name, counts, deep, groups, width in variants:
        yield Architecture(
            f"torchvision_{name}",
            "first convolution 7x7 with stride 2, then pooling",
            _SOURCE,
            partial(resnet, counts=counts, bottleneck=deep, groups=groups, base_width=width),
            imagenet,
            first="conv1",
            last="fc",
            tensors=tensors(counts, bottleneck=deep, projections=4 if deep else 3),
        )
    for depth in (18, 34, 50):
        for pooled in (False, True):
            deep, counts = depth >= 50, COUNTS[depth]
            yield Architecture(
                f"torchvision_resnet{depth}_cifar{'_maxpool' if pooled else ''}",
                f"first convolution 3x3 with stride 1, {'then' if pooled else 'no'} pooling",
                f"{_SOURCE}, changed; github.com/huyvnphan/PyTorch_CIFAR10",
                partial(for_small_images, counts=counts, bottleneck=deep, pooled=pooled),
                (CIFAR10, CIFAR10_UNIT, CIFAR100, GTSRB, TINY_IMAGENET),
                first="conv1",
                last="fc",
                tensors=tensors(counts, bottleneck=deep, projections=4 if deep else 3),
            )


ENTRIES = tuple(_entries())
