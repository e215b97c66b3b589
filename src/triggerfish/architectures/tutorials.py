"""Networks of courses that many a checkpoint comes from.

Sources: https://github.com/udacity/deep-learning-v2-pytorch (cifar-cnn, mnist-mlp);
https://github.com/yunjey/pytorch-tutorial (02-intermediate/convolutional_neural_network);
https://github.com/MorvanZhou/PyTorch-Tutorial (401_CNN.py).
"""

from __future__ import annotations

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import CIFAR10_UNIT, MNIST, MNIST_UNIT


def udacity_cnn(num_classes: int = 10, channels: int = 3) -> nn.Sequential:
    """Images ``(N, channels, 32, 32)``, normalised -> logits ``(N, num_classes)``."""
    return chain(
        conv1=nn.Conv2d(channels, 16, 3, padding=1),
        pool1=nn.MaxPool2d(2),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(16, 32, 3, padding=1),
        pool2=nn.MaxPool2d(2),
        relu2=nn.ReLU(),
        conv3=nn.Conv2d(32, 64, 3, padding=1),
        pool3=nn.MaxPool2d(2),
        relu3=nn.ReLU(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(64 * 4 * 4, 500),
        relu4=nn.ReLU(),
        fc2=nn.Linear(500, num_classes),
    )


def udacity_mlp(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """Images ``(N, channels, 28, 28)`` -> logits ``(N, num_classes)``."""
    return chain(
        flatten=nn.Flatten(),
        fc1=nn.Linear(channels * 28 * 28, 512),
        relu1=nn.ReLU(),
        fc2=nn.Linear(512, 512),
        relu2=nn.ReLU(),
        fc3=nn.Linear(512, num_classes),
    )


def _stage(channels_in: int, channels_out: int, *, batch_norm: bool) -> nn.Sequential:
    """A 5x5 convolution that keeps the size, ReLU, 2x2 pooling."""
    norm = [nn.BatchNorm2d(channels_out)] if batch_norm else []
    convolution = nn.Conv2d(channels_in, channels_out, 5, padding=2)
    return nn.Sequential(convolution, *norm, nn.ReLU(), nn.MaxPool2d(2))


def yunjey(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """Images ``(N, channels, 28, 28)`` -> logits ``(N, num_classes)``."""
    return chain(
        layer1=_stage(channels, 16, batch_norm=True),
        layer2=_stage(16, 32, batch_norm=True),
        flatten=nn.Flatten(),
        fc=nn.Linear(7 * 7 * 32, num_classes),
    )


def morvan(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """Images ``(N, channels, 28, 28)`` -> logits ``(N, num_classes)``."""
    return chain(
        conv1=_stage(channels, 16, batch_norm=False),
        conv2=_stage(16, 32, batch_norm=False),
        flatten=nn.Flatten(),
        out=nn.Linear(32 * 7 * 7, num_classes),
    )


ENTRIES = (
    Architecture(
        "udacity_cifar10_cnn",
        "convolutions of 16, 32 and 64, linear 500",
        "github.com/udacity/deep-learning-v2-pytorch cifar-cnn",
        udacity_cnn,
        (CIFAR10_UNIT.halved(),),
        first="conv1",
        last="fc2",
        tensors=10,
    ),
    Architecture(
        "udacity_mnist_mlp",
        "linear 512, 512",
        "github.com/udacity/deep-learning-v2-pytorch mnist-mlp",
        udacity_mlp,
        (MNIST_UNIT, MNIST),
        first="fc1",
        last="fc3",
        tensors=6,
    ),
    Architecture(
        "yunjey_mnist_cnn",
        "convolutions of 16 and 32 with batch norm",
        "github.com/yunjey/pytorch-tutorial convolutional_neural_network",
        yunjey,
        (MNIST_UNIT, MNIST),
        first="layer1.0",
        last="fc",
        tensors=14,
    ),
    Architecture(
        "morvan_mnist_cnn",
        "convolutions of 16 and 32",
        "github.com/MorvanZhou/PyTorch-Tutorial 401_CNN.py",
        morvan,
        (MNIST_UNIT, MNIST),
        first="conv1.0",
        last="out",
        tensors=6,
    ),
)
