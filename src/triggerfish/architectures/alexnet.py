"""AlexNet in the form of Krizhevsky 2014 (https://arxiv.org/abs/1404.5997).

Source: https://github.com/pytorch/vision, torchvision/models/alexnet.py.
"""

from __future__ import annotations

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import CIFAR10, IMAGENET


def alexnet(num_classes: int = 1000, channels: int = 3) -> nn.Sequential:
    """Images ``(N, channels, H, W)`` from 63x63 on, normalised -> logits ``(N, num_classes)``."""
    return chain(
        features=nn.Sequential(
            nn.Conv2d(channels, 64, 11, 4, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        ),
        avgpool=nn.AdaptiveAvgPool2d(6),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        ),
    )


ENTRIES = (
    Architecture(
        "torchvision_alexnet",
        "five convolutions, linear 4096, 4096",
        "github.com/pytorch/vision torchvision/models/alexnet.py",
        alexnet,
        (IMAGENET, CIFAR10.resized(224)),
        first="features.0",
        last="classifier.6",
        tensors=16,
    ),
)
