"""VGG (Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556): for 32x32, and torchvision's.

Sources: https://github.com/kuangliu/pytorch-cifar, models/vgg.py (one linear layer);
https://github.com/chenyaofo/pytorch-cifar-models, vgg.py (three of 512);
https://github.com/pytorch/vision, torchvision/models/vgg.py (7x7 pooling, three of 4096).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.resnet_kuangliu import TASKS
from triggerfish.architectures.tasks import CIFAR10, CIFAR100, GTSRB, IMAGENET, TINY_IMAGENET

# Table 1 of the paper: 3x3 convolutions in each of five stages, of these widths.
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
WIDTHS = (64, 128, 256, 512, 512)


def features(channels: int, depth: int, *, batch_norm: bool) -> nn.Sequential:
    """Convolutions, each with ReLU, and 2x2 pooling after each stage: sides shrink to 1/32."""
    layers: list[nn.Module] = []
    for count, width in zip(CONVOLUTIONS[depth], WIDTHS, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers.extend([nn.BatchNorm2d(width)] if batch_norm else [])
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def three_linear(inputs: int, hidden: int, num_classes: int) -> nn.Sequential:
    """Linear layers under the names 0, 3 and 6, with dropout between."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden, num_classes),
    )


def kuangliu(num_classes: int = 10, channels: int = 3, *, depth: int) -> nn.Sequential:
    """Images ``(N, channels, 32, 32)``, normalised -> logits ``(N, num_classes)``."""
    return chain(
        features=features(channels, depth, batch_norm=True),
        flatten=nn.Flatten(),
        classifier=nn.Linear(512, num_classes),
    )


def chenyaofo(num_classes: int = 10, channels: int = 3, *, depth: int) -> nn.Sequential:
    """The same with three linear layers."""
    return chain(
        features=features(channels, depth, batch_norm=True),
        flatten=nn.Flatten(),
        classifier=three_linear(512, 512, num_classes),
    )


def torchvision(
    num_classes: int = 1000, channels: int = 3, *, depth: int, batch_norm: bool
) -> nn.Sequential:
    """Images ``(N, channels, H, W)`` from 32x32 on, normalised -> logits ``(N, num_classes)``."""
    return chain(
        features=features(channels, depth, batch_norm=batch_norm),
        avgpool=nn.AdaptiveAvgPool2d(7),
        flatten=nn.Flatten(),
        classifier=three_linear(512 * 7 * 7, 4096, num_classes),
    )


def _entries() -> Iterator[Architecture]:
    for depth, convolutions in CONVOLUTIONS.items():
        count = sum(convolutions)
        yield Architecture(
            f"kuangliu_vgg{depth}",
            "batch norm, one linear layer",
            "github.com/kuangliu/pytorch-cifar models/vgg.py",
            partial(kuangliu, depth=depth),
            TASKS[:-1],  # larger images leave more than a pixel
            first="features.0",
            last="classifier",
            tensors=6 * count + 2,
        )
        yield Architecture(
            f"chenyaofo_vgg{depth}",
            "batch norm, three linear layers of 512",
            "github.com/chenyaofo/pytorch-cifar-models vgg.py",
            partial(chenyaofo, depth=depth),
            (CIFAR10, CIFAR100),
            first="features.0",
            last="classifier.6",
            tensors=6 * count + 6,
        )
        for batch_norm in (False, True):
            yield Architecture(
                f"torchvision_vgg{depth}{'_bn' if batch_norm else ''}",
                f"three linear layers of 4096{', batch norm' if batch_norm else ''}",
                "github.com/pytorch/vision torchvision/models/vgg.py",
                partial(torchvision, depth=depth, batch_norm=batch_norm),
                (IMAGENET, CIFAR10, CIFAR100, GTSRB, TINY_IMAGENET),
                first="features.0",
                last="classifier.6",
                tensors=(6 if batch_norm else 2) * count + 6,
            )


ENTRIES = tuple(_entries())
