"""EfficientNet (Tan and Le 2019, https://arxiv.org/abs/1905.11946), B0 to B3.

Source: https://github.com/pytorch/vision, torchvision/models/efficientnet.py.
"""

from __future__ import annotations

import math
from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.mobile_blocks import (
    BlockSettings,
    InvertedResidual,
    conv_norm,
    divisible,
)
from triggerfish.architectures.tasks import CIFAR10, CIFAR100, GTSRB, IMAGENET, TINY_IMAGENET

# Table 1 of the paper: expansion, kernel, stride of the first, channels, blocks.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# The authors' release: factors of width and depth, image side.
SIZES = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
}
TENSORS = {"b0": 311, "b1": 439, "b2": 439, "b3": 496}


def efficientnet(
    num_classes: int = 1000, channels: int = 3, *, width: float = 1.0, depth: float = 1.0
) -> nn.Sequential:
    """Images ``(N, channels, H, W)`` of any size, normalised -> logits ``(N, num_classes)``."""
    before = divisible(32 * width)
    stages: list[nn.Module] = [conv_norm(channels, before, 3, 2, activation=nn.SiLU)]
    for expansion, kernel, stride, out, count in STAGES:
        blocks = []
        for i in range(math.ceil(count * depth)):
            sizes = BlockSettings(
                before,
                divisible(before * expansion),
                divisible(out * width),
                kernel,
                1 if i else stride,
                squeezed=max(1, before // 4),
            )
            blocks.append(InvertedResidual(sizes, nn.SiLU, squeeze=(nn.SiLU, nn.Sigmoid)))
            before = sizes.channels_out
        stages.append(nn.Sequential(*blocks))
    stages.append(conv_norm(before, 4 * before, activation=nn.SiLU))
    return chain(
        features=nn.Sequential(*stages),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(nn.Dropout(0.2), nn.Linear(4 * before, num_classes)),
    )


ENTRIES = tuple(
    Architecture(
        f"torchvision_efficientnet_{name}",
        f"width times {width:g}, depth times {depth:g}",
        "github.com/pytorch/vision torchvision/models/efficientnet.py",
        partial(efficientnet, width=width, depth=depth),
        (IMAGENET.resized(side), CIFAR10, CIFAR100, GTSRB, TINY_IMAGENET),
        first="features.0.0",
        last="classifier.1",
        tensors=TENSORS[name],
    )
    for name, (width, depth, side) in SIZES.items()
)
