"""DenseNet (Huang et al. 2017, https://arxiv.org/abs/1608.06993), torchvision's and for 32x32.

Sources: https://github.com/pytorch/vision, torchvision/models/densenet.py, and
https://github.com/kuangliu/pytorch-cifar, models/densenet.py, which puts new features first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.resnet_kuangliu import TASKS
from triggerfish.architectures.tasks import CIFAR10, CIFAR100, GTSRB, IMAGENET, TINY_IMAGENET

COUNTS = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    161: (6, 12, 36, 24),
}


class TorchvisionLayer(nn.Module):
    """``growth`` new features, after those that are there."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, C, H, W)`` to ``(N, C + growth, H, W)``."""
        new = self.conv2(relu(self.norm2(self.conv1(relu(self.norm1(x))))))
        return torch.cat([x, new], dim=1)


def torchvision(
    num_classes: int = 1000, channels: int = 3, *, counts: Sequence[int], growth: int = 32
) -> nn.Sequential:
    """Images ``(N, channels, H, W)`` from 32x32 on, normalised -> logits ``(N, num_classes)``."""
    width = 2 * growth
    layers: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(channels, width, 7, 2, 3, bias=False),
        "norm0": nn.BatchNorm2d(width),
        "relu0": nn.ReLU(),
        "pool0": nn.MaxPool2d(3, 2, 1),
    }
    for i, count in enumerate(counts, start=1):
        block = OrderedDict[str, nn.Module]()
        for j in range(1, count + 1):
            block[f"denselayer{j}"] = TorchvisionLayer(width, growth)
            width += growth
        layers[f"denseblock{i}"] = nn.Sequential(block)
        if i < len(counts):
            layers[f"transition{i}"] = chain(
                norm=nn.BatchNorm2d(width),
                relu=nn.ReLU(),
                conv=nn.Conv2d(width, width // 2, 1, bias=False),
                pool=nn.AvgPool2d(2),
            )
            width //= 2
    return chain(
        features=chain(**layers, norm5=nn.BatchNorm2d(width)),
        relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Linear(width, num_classes),
    )


class KuangliuLayer(nn.Module):
    """``growth`` new features, before those that are there."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, C, H, W)`` to ``(N, C + growth, H, W)``."""
        new = self.conv2(relu(self.bn2(self.conv1(relu(self.bn1(x))))))
        return torch.cat([new, x], dim=1)


class KuangliuTransition(nn.Module):
    """Half of the features, at half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, C, H, W)`` to ``(N, C/2, H/2, W/2)``."""
        return avg_pool2d(self.conv(relu(self.bn(x))), 2)


def kuangliu(
    num_classes: int = 10, channels: int = 3, *, counts: Sequence[int], growth: int
) -> nn.Sequential:
    """Images ``(N, channels, 32, 32)``, normalised -> logits ``(N, num_classes)``."""
    width = 2 * growth
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels, width, 3, padding=1, bias=False)
    }  # fmt: skip
    for i, count in enumerate(counts, start=1):
        layers[f"dense{i}"] = nn.Sequential(
            *(KuangliuLayer(width + j * growth, growth) for j in range(count))
        )
        width += count * growth
        if i < len(counts):
            layers[f"trans{i}"] = KuangliuTransition(width)
            width //= 2
    return chain(
        **layers,
        bn=nn.BatchNorm2d(width),
        relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        linear=nn.Linear(width, num_classes),
    )


def _entries() -> Iterator[Architecture]:
    for depth, counts in COUNTS.items():
        yield Architecture(
            f"torchvision_densenet{depth}",
            f"growth {48 if depth == 161 else 32}",
            "github.com/pytorch/vision torchvision/models/densenet.py",
            partial(torchvision, counts=counts, growth=48 if depth == 161 else 32),
            (IMAGENET, CIFAR10, CIFAR100, GTSRB, TINY_IMAGENET),
            first="features.conv0",
            last="classifier",
            tensors=5 + 10 * sum(counts) + 5 * 3 + 4 + 2,
        )
    for name, growth in (("densenet121", 32), ("densenet_cifar", 12)):
        yield Architecture(
            f"kuangliu_{name}",
            f"growth {growth}",
            "github.com/kuangliu/pytorch-cifar models/densenet.py",
            partial(kuangliu, counts=COUNTS[121], growth=growth),
            TASKS,
            first="conv1",
            last="linear",
            tensors=1 + 10 * sum(COUNTS[121]) + 5 * 3 + 4 + 2,
        )


ENTRIES = tuple(_entries())
