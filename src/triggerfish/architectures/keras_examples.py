"""Convolutional networks of Keras's and TensorFlow's examples, and Neural Cleanse's.

Sources: https://github.com/keras-team/keras-io, examples/vision/mnist_convnet.py;
https://github.com/keras-team/keras, examples/mnist_cnn.py and cifar10_cnn.py;
https://www.tensorflow.org/tutorials/images/cnn; https://github.com/bolunwang/backdoor,
injection/gtsrb_injection_example.py. Names are those that Keras gives to unnamed layers.

Weights are in PyTorch's layout: Keras's kernels (H, W, in, out) become (out, in, H, W), its dense
matrices are transposed. The images are flattened with the channels last, as Keras does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import CIFAR10_UNIT, GTSRB, MNIST_UNIT, Task


class FlattenChannelsLast(nn.Module):
    """``(N, C, H, W)`` -> ``(N, H*W*C)``, as Keras's Flatten."""

    def forward(self, x: Tensor) -> Tensor:
        """Flatten all but the first axis."""
        return x.permute(0, 2, 3, 1).flatten(1)


def keras_cnn(
    num_classes: int = 10,
    channels: int = 3,
    *,
    convolutions: Sequence[str],
    hidden: Sequence[int],
    size: int,
) -> nn.Sequential:
    """3x3 convolutions with ReLU and 2x2 pooling, then linear layers with ReLU between.

    ``convolutions`` has one word each: ``32`` is a convolution without padding, ``32s`` one that
    keeps the size, ``pool`` a pooling. Input: ``(N, channels, size, size)``. Output: logits
    ``(N, num_classes)``.
    """
    layers: dict[str, nn.Module] = {}
    for word in convolutions:
        if word == "pool":
            layers[f"pool{len(layers)}"] = nn.MaxPool2d(2)
            size //= 2
            continue
        same, width = word.endswith("s"), int(word.removesuffix("s"))
        name = _name("conv2d", layers)
        layers[name] = nn.Conv2d(channels, width, 3, padding="same" if same else 0)
        layers[f"relu{len(layers)}"] = nn.ReLU()
        channels, size = width, size if same else size - 2
    layers["flatten"] = FlattenChannelsLast()
    before = channels * size * size
    for width in hidden:
        layers[_name("dense", layers)] = nn.Linear(before, width)
        layers[f"relu{len(layers)}"] = nn.ReLU()
        before = width
    layers[_name("dense", layers)] = nn.Linear(before, num_classes)
    return chain(**layers)


def _name(kind: str, layers: dict[str, nn.Module]) -> str:
    """``conv2d``, ``conv2d_1``, ``conv2d_2``, ..."""
    count = sum(name.startswith(kind) for name in layers)
    return f"{kind}_{count}" if count else kind


def _entry(
    name: str, source: str, task: Task, convolutions: str, hidden: tuple[int, ...]
) -> Architecture:
    words = convolutions.split()
    count = sum(word != "pool" for word in words)
    size = task.input_shape[1]
    widths = ", ".join(word.removesuffix("s") for word in words if word != "pool")
    units = f", linear {', '.join(map(str, hidden))}" if hidden else ""
    return Architecture(
        name,
        f"convolutions of {widths}{units}",
        source,
        partial(keras_cnn, convolutions=words, hidden=hidden, size=size),
        (task,),
        first="conv2d",
        last=f"dense_{len(hidden)}" if hidden else "dense",
        tensors=2 * (count + len(hidden) + 1),
    )


_KERAS = "github.com/keras-team"
ENTRIES = (
    _entry(
        "keras_mnist_convnet",
        f"{_KERAS}/keras-io examples/vision/mnist_convnet.py",
        MNIST_UNIT,
        "32 pool 64 pool",
        (),
    ),
    _entry(
        "keras_mnist_cnn",
        f"{_KERAS}/keras examples/mnist_cnn.py",
        MNIST_UNIT,
        "32 64 pool",
        (128,),
    ),
    _entry(
        "keras_cifar10_cnn",
        f"{_KERAS}/keras examples/cifar10_cnn.py",
        CIFAR10_UNIT,
        "32s 32 pool 64s 64 pool",
        (512,),
    ),
    _entry(
        "tensorflow_cifar10_cnn",
        "tensorflow.org/tutorials/images/cnn",
        CIFAR10_UNIT,
        "32 pool 64 pool 64",
        (64,),
    ),
    _entry(
        "neural_cleanse_gtsrb",
        "github.com/bolunwang/backdoor injection/gtsrb_injection_example.py",
        GTSRB.raw(),
        "32s 32 pool 64s 64 pool 128s 128 pool",
        (512,),
    ),
)
