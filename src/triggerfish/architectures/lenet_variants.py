"""LeNet-5 in the other forms that it is met in; their state dicts do not tell them apart.

Sources: LeCun et al. 1998 (tanh, average pooling, the third layer a convolution of what is left,
32x32 images); https://d2l.ai/chapter_convolutional-neural-networks/lenet.html (sigmoid, average
pooling, a bare sequence); https://docs.pytorch.org/tutorials/beginner/blitz for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import FASHION_UNIT, MNIST, MNIST_UNIT, Task

Layer = type[nn.Module]
_TANH: tuple[Layer, Layer] = (nn.Tanh, nn.AvgPool2d)
_RELU: tuple[Layer, Layer] = (nn.ReLU, nn.MaxPool2d)
_SIGMOID: tuple[Layer, Layer] = (nn.Sigmoid, nn.AvgPool2d)


def linear(
    num_classes: int = 10, channels: int = 1, *, layers: tuple[Layer, Layer] = _TANH
) -> nn.Sequential:
    """Names ``conv1``, ``conv2``, ``fc1`` to ``fc3`` on images ``(N, channels, 28, 28)``."""
    activation, pooling = layers
    return chain(
        conv1=nn.Conv2d(channels, 6, 5, padding=2),
        activation1=activation(),
        pool1=pooling(2),
        conv2=nn.Conv2d(6, 16, 5),
        activation2=activation(),
        pool2=pooling(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(400, 120),
        activation3=activation(),
        fc2=nn.Linear(120, 84),
        activation4=activation(),
        fc3=nn.Linear(84, num_classes),
    )


def sequence(
    num_classes: int = 10, channels: int = 1, *, layers: tuple[Layer, Layer] = _SIGMOID
) -> nn.Sequential:
    """The same as a bare sequence, so that the names are 0, 3, 7, 9 and 11."""
    return nn.Sequential(*linear(num_classes, channels, layers=layers))


def convolutional(
    num_classes: int = 10, channels: int = 1, *, layers: tuple[Layer, Layer], padding: int
) -> nn.Sequential:
    """Names ``conv1`` to ``conv3``, ``fc1``, ``fc2``.

    Input: ``(N, channels, 32, 32)``, or 28x28 with a padding of 2.
    """
    activation, pooling = layers
    return chain(
        conv1=nn.Conv2d(channels, 6, 5, padding=padding),
        activation1=activation(),
        pool1=pooling(2),
        conv2=nn.Conv2d(6, 16, 5),
        activation2=activation(),
        pool2=pooling(2),
        conv3=nn.Conv2d(16, 120, 5),
        activation3=activation(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(120, 84),
        activation4=activation(),
        fc2=nn.Linear(84, num_classes),
    )


def _convolutional_entries() -> Iterator[Architecture]:
    for padding, suffix in ((0, ""), (2, "_padded")):
        for layers, activation in ((_RELU, ""), (_TANH, "_tanh")):
            side = 32 - 2 * padding
            tasks: tuple[Task, ...] = (MNIST.resized(side), MNIST_UNIT.resized(side))
            yield Architecture(
                f"lenet5{suffix}{activation}",
                f"three convolutions, {layers[0].__name__}, {layers[1].__name__}, {side}x{side}",
                "LeCun et al. 1998",
                partial(convolutional, layers=layers, padding=padding),
                tasks,
                first="conv1",
                last="fc2",
                tensors=10,
            )


ENTRIES = (
    Architecture(
        "lenet_tanh",
        "LeNet-5 with tanh and average pooling, padding 2",
        "LeCun et al. 1998",
        linear,
        (MNIST, MNIST_UNIT, FASHION_UNIT.halved()),
        first="conv1",
        last="fc3",
        tensors=10,
    ),
    Architecture(
        "d2l_lenet",
        "LeNet-5 with sigmoid and average pooling, padding 2",
        "d2l.ai chapter_convolutional-neural-networks/lenet.html",
        sequence,
        (FASHION_UNIT, MNIST_UNIT),
        first="0",
        last="11",
        tensors=10,
    ),
    Architecture(
        "d2l_lenet_relu",
        "LeNet-5 with ReLU and maximum pooling, padding 2",
        "d2l.ai chapter_convolutional-neural-networks/lenet.html, exercise",
        partial(sequence, layers=_RELU),
        (FASHION_UNIT, MNIST_UNIT),
        first="0",
        last="11",
        tensors=10,
    ),
    *_convolutional_entries(),
)
