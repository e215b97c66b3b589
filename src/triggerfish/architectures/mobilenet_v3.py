"""MobileNetV3 (Howard et al. 2019, https://arxiv.org/abs/1905.02244), large and small.

Source: https://github.com/pytorch/vision, torchvision/models/mobilenetv3.py; the rows are tables 1
and 2 of the paper. Batch norms have an epsilon of 0.001.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

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

_EPS = 0.001


class Row(NamedTuple):
    """One block: its filter, widths, squeeze and excitation, hard swish or ReLU, stride."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    swish: bool
    stride: int


LARGE = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)
SMALL = (
    Row(3, 16, 16, True, False, 2),
    Row(3, 72, 24, False, False, 2),
    Row(3, 88, 24, False, False, 1),
    Row(5, 96, 40, True, True, 2),
    Row(5, 240, 40, True, True, 1),
    Row(5, 240, 40, True, True, 1),
    Row(5, 120, 48, True, True, 1),
    Row(5, 144, 48, True, True, 1),
    Row(5, 288, 96, True, True, 2),
    Row(5, 576, 96, True, True, 1),
    Row(5, 576, 96, True, True, 1),
)


def mobilenet_v3(
    num_classes: int = 1000, channels: int = 3, *, rows: Sequence[Row], hidden: int
) -> nn.Sequential:
    """Images ``(N, channels, H, W)`` of any size, normalised -> logits ``(N, num_classes)``."""
    layers: list[nn.Module] = [conv_norm(channels, 16, 3, 2, activation=nn.Hardswish, eps=_EPS)]
    before = 16
    for row in rows:
        squeezed = divisible(row.expanded // 4) if row.squeeze else 0
        sizes = BlockSettings(before, row.expanded, row.out, row.kernel, row.stride, squeezed)
        layers.append(
            InvertedResidual(sizes, nn.Hardswish if row.swish else nn.ReLU, eps=_EPS)
        )  # fmt: skip
        before = row.out
    layers.append(conv_norm(before, 6 * before, activation=nn.Hardswish, eps=_EPS))
    return chain(
        features=nn.Sequential(*layers),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(
            nn.Linear(6 * before, hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(hidden, num_classes),
        ),
    )


ENTRIES = tuple(
    Architecture(
        f"torchvision_mobilenet_v3_{name}",
        f"{len(rows)} blocks, linear {hidden}",
        "github.com/pytorch/vision torchvision/models/mobilenetv3.py",
        partial(mobilenet_v3, rows=rows, hidden=hidden),
        (IMAGENET, CIFAR10, CIFAR100, GTSRB, TINY_IMAGENET),
        first="features.0.0",
        last="classifier.3",
        tensors=tensors,
    )
    for name, rows, hidden, tensors in (("large", LARGE, 1280, 266), ("small", SMALL, 1024, 210))
)
