"""The usual tasks of published networks: image size and preprocessing, as assumptions.

Means and standard deviations are per channel, of images in [0, 1]; where they come from is said at
each. A file that carries other numbers is right, and these are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Task:
    """Images of ``input_shape`` (C, H, W) in ``num_classes`` classes, and what is done to them.

    The network sees ``(image stretched to input_range - mean) / std``; ``mean`` and ``std`` have
    one value or one a channel, in units of ``input_range``.
    """

    name: str
    num_classes: int
    input_shape: Shape
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    input_range: tuple[float, float] = (0.0, 1.0)

    def normalized(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Task:
        """The same task with other statistics."""
        return replace(self, mean=mean, std=std)

    def halved(self) -> Task:
        """The same task with mean and std 0.5, as the beginners' tutorials have it."""
        return self.normalized((0.5,), (0.5,))

    def with_channels(self, channels: int) -> Task:
        """The same task in grey or in colour, with one mean and std for all channels."""
        if channels == self.input_shape[0]:
            return self
        shape = (channels, *self.input_shape[1:])
        mean, std = sum(self.mean) / len(self.mean), sum(self.std) / len(self.std)
        return replace(self, input_shape=shape, mean=(mean,), std=(std,))

    def resized(self, side: int) -> Task:
        """The same task with square images of another side."""
        return replace(self, input_shape=(self.input_shape[0], side, side))

    def raw(self) -> Task:
        """The same task with pixels in [0, 255], not normalised."""
        return replace(self, mean=(0.0,), std=(1.0,), input_range=(0.0, 255.0))


# Statistics of the training images, from PyTorch's MNIST example.
MNIST = Task("MNIST", 10, (1, 28, 28), (0.1307,), (0.3081,))
MNIST_UNIT = Task("MNIST", 10, (1, 28, 28))
FASHION_UNIT = Task("Fashion-MNIST", 10, (1, 28, 28))
# kuangliu/pytorch-cifar, main.py: the std is an average over images, smaller than that of pixels.
CIFAR10 = Task(
    "CIFAR-10", 10, (3, 32, 32), (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
)  # fmt: skip
CIFAR10_UNIT = Task("CIFAR-10", 10, (3, 32, 32))
# SCLBD/BackdoorBench, utils/aggregate_block/dataset_and_transform_generate.py.
CIFAR10_PIXELS = CIFAR10.normalized((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))
CIFAR100 = Task(
    "CIFAR-100", 100, (3, 32, 32), (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
)  # fmt: skip
GTSRB = Task("GTSRB", 43, (3, 32, 32))
TINY_IMAGENET = Task(
    "Tiny ImageNet", 200, (3, 64, 64), (0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)
)  # fmt: skip
# torchvision's pretrained networks.
IMAGENET = Task("ImageNet", 1000, (3, 224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Caffe's and Keras's older networks for ImageNet (keras.applications, imagenet_utils.py, "caffe"):
# whole bytes less the mean of the training images, blue first.
CAFFE_IMAGENET = replace(
    IMAGENET.normalized((103.939, 116.779, 123.68), (1.0,)),
    name="Caffe's ImageNet", input_range=(0.0, 255.0),
)  # fmt: skip
