"""The MNIST example of pytorch/examples in its three forms, and what one of them descends from.

Source: https://github.com/pytorch/examples, mnist/main.py: convolutions of 10 and 20 until 2018, of
20 and 50 in 2019, of 32 and 64 since. The net of 20, 50, 500 is Caffe's LeNet (BVLC/caffe,
examples/mnist/lenet.prototxt), which has no activation after its convolutions; both are met in
PyTorch under the same names.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import MNIST, MNIST_UNIT

_EXAMPLE = "github.com/pytorch/examples mnist/main.py"


def two_convolutions(
    num_classes: int = 10,
    channels: int = 1,
    *,
    widths: tuple[int, int, int],
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """5x5 convolutions without padding, each pooled, and one hidden layer.

    Input: ``(N, channels, 28, 28)``. Output: logits ``(N, num_classes)``. ``widths`` are those of
    the convolutions and of the hidden layer; ``activation`` follows the convolutions.
    """
    first, second, hidden = widths
    return chain(
        conv1=nn.Conv2d(channels, first, 5),
        pool1=nn.MaxPool2d(2),
        activation1=activation(),
        conv2=nn.Conv2d(first, second, 5),
        pool2=nn.MaxPool2d(2),
        activation2=activation(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(second * 4 * 4, hidden),
        relu3=nn.ReLU(),
        fc2=nn.Linear(hidden, num_classes),
    )


def current(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """3x3 convolutions of 32 and 64 without padding, one pooling after both, 128 hidden units.

    Input: ``(N, channels, 28, 28)``. Output: logits ``(N, num_classes)``.
    """
    return chain(
        conv1=nn.Conv2d(channels, 32, 3),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(32, 64, 3),
        pool=nn.MaxPool2d(2),
        relu2=nn.ReLU(),
        dropout1=nn.Dropout(0.25),
        flatten=nn.Flatten(),
        fc1=nn.Linear(9216, 128),
        relu3=nn.ReLU(),
        dropout2=nn.Dropout(0.5),
        fc2=nn.Linear(128, num_classes),
    )


_TASKS = (MNIST, MNIST_UNIT)
ENTRIES = (
    Architecture(
        "pytorch_mnist_2018",
        "convolutions of 10 and 20, linear 50",
        f"{_EXAMPLE}, until 2018",
        partial(two_convolutions, widths=(10, 20, 50)),
        _TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
    ),
    Architecture(
        "pytorch_mnist_2019",
        "convolutions of 20 and 50, linear 500",
        f"{_EXAMPLE}, 2019",
        partial(two_convolutions, widths=(20, 50, 500)),
        _TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
    ),
    Architecture(
        "caffe_lenet",
        "the same without activations after the convolutions",
        "github.com/BVLC/caffe examples/mnist/lenet.prototxt",
        partial(two_convolutions, widths=(20, 50, 500), activation=nn.Identity),
        (MNIST_UNIT,),
        first="conv1",
        last="fc2",
        tensors=8,
    ),
    Architecture(
        "pytorch_mnist_2020",
        "convolutions of 32 and 64, one pooling, linear 128",
        f"{_EXAMPLE}, since 2019",
        current,
        _TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
    ),
)
