"""Small networks of PyTorch's own tutorials.

Source: https://docs.pytorch.org/tutorials/beginner, blitz/cifar10_tutorial.html,
introyt/trainingyt.html (Fashion-MNIST) and basics/buildmodel_tutorial.html.
"""

from __future__ import annotations

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import CIFAR10_UNIT, FASHION_UNIT, MNIST_UNIT

_TUTORIALS = "docs.pytorch.org/tutorials/beginner"


def convolutional(num_classes: int = 10, channels: int = 3, *, size: int = 32) -> nn.Sequential:
    """Two 5x5 convolutions without padding, 6 and 16 channels, three linear layers.

    Input: ``(N, channels, size, size)``. Output: logits ``(N, num_classes)``.
    """
    side = (size - 4) // 2
    side = (side - 4) // 2
    return chain(
        conv1=nn.Conv2d(channels, 6, 5),
        pool1=nn.MaxPool2d(2),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(6, 16, 5),
        pool2=nn.MaxPool2d(2),
        relu2=nn.ReLU(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * side * side, 120),
        relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        fc3=nn.Linear(84, num_classes),
    )


def garment(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """The same network for 28x28 images."""
    return convolutional(num_classes, channels, size=28)


def quickstart(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """Two hidden layers of 512 units on images ``(N, channels, 28, 28)``."""
    return chain(
        flatten=nn.Flatten(),
        linear_relu_stack=nn.Sequential(
            nn.Linear(channels * 28 * 28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, num_classes),
        ),
    )


ENTRIES = (
    Architecture(
        "pytorch_tutorial_cnn",
        "convolutions of 6 and 16 without padding, linear 120, 84",
        f"{_TUTORIALS}/blitz/cifar10_tutorial.html",
        convolutional,
        (CIFAR10_UNIT.halved(),),
        first="conv1",
        last="fc3",
        tensors=10,
    ),
    Architecture(
        "pytorch_tutorial_garment",
        "the tutorial's CNN for 28x28 images",
        f"{_TUTORIALS}/introyt/trainingyt.html",
        garment,
        (FASHION_UNIT.halved(), MNIST_UNIT.halved()),
        first="conv1",
        last="fc3",
        tensors=10,
    ),
    Architecture(
        "pytorch_tutorial_mlp",
        "linear 512, 512",
        f"{_TUTORIALS}/basics/buildmodel_tutorial.html",
        quickstart,
        (FASHION_UNIT, MNIST_UNIT),
        first="linear_relu_stack.0",
        last="linear_relu_stack.4",
        tensors=6,
    ),
)
