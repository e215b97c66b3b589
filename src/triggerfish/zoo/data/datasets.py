"""Data sets as two tensors: all images and all labels, without per-image Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from triggerfish.errors import DatasetError
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD
from triggerfish.zoo.data.cifar import load_cifar_split
from triggerfish.zoo.data.idx import load_idx_split

Split = Literal["train", "test"]

_DIGITS = tuple(str(digit) for digit in range(10))
_GARMENTS = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_THINGS = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """``images`` uint8 (N, C, H, W), ``labels`` int64 (N,); mean and std of images in [0, 1]."""

    name: str
    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def normalise(self, images: Tensor) -> Tensor:
        """Images in [0, 1], ``(N, C, H, W)``, as the networks take them."""
        mean = torch.tensor(self.mean, device=images.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(1, -1, 1, 1)
        return (images - mean) / std

    def to(self, device: torch.device) -> Dataset:
        """The same data on ``device``."""
        return Dataset(
            self.name, self.images.to(device), self.labels.to(device),
            self.mean, self.std, self.classes,
        )  # fmt: skip


@dataclass(frozen=True)
class _Source:
    """How to read one data set: a split's tensors from a folder, and its published constants."""

    read: Callable[[Path, Split], tuple[Tensor, Tensor]]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    bundled: Path | None = None


_SOURCES = {
    "mnist": _Source(
        load_idx_split, (1, 28, 28), (MNIST_MEAN,), (MNIST_STD,), _DIGITS,
        bundled=Path(__file__).parents[2] / "data" / "mnist",
    ),
    "fashion-mnist": _Source(load_idx_split, (1, 28, 28), (0.2860,), (0.3530,), _GARMENTS),
    "cifar10": _Source(
        load_cifar_split, (3, 32, 32),
        (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), _THINGS,
    ),
}  # fmt: skip

DATASETS = tuple(_SOURCES)


def image_shape(name: str) -> tuple[int, int, int]:
    """Channels, height, width of a data set's images."""
    return _SOURCES[name].shape


def normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, one value a channel, of a data set's images in [0, 1]."""
    return _SOURCES[name].mean, _SOURCES[name].std


@lru_cache(maxsize=4)
def load_dataset(name: str, split: Split = "train", root: Path | None = None) -> Dataset:
    """Read one split of a data set by name.

    ``root`` is the folder with its files, or one that has them in a sub-folder of the data set's
    name; MNIST needs none, it ships with the package. Cached: treat the tensors as read-only.
    Raises `DatasetError` for missing or corrupt files, ``ValueError`` for an unknown name.
    """
    if name not in _SOURCES:
        raise ValueError(f"expected a data set of {', '.join(_SOURCES)}, got {name}")
    source = _SOURCES[name]
    folder = source.bundled if root is None else root
    if folder is None:
        raise DatasetError(
            f"expected a folder with the files of {name}, got none: "
            "download them and pass the folder with --data-root"
        )
    folder = folder / name if (folder / name).is_dir() else folder
    images, labels = source.read(folder, split)
    if int(labels.max()) >= len(source.classes) or int(labels.min()) < 0:
        raise DatasetError(
            f"expected labels 0 to {len(source.classes) - 1} in {folder}, got "
            f"{int(labels.min())} to {int(labels.max())}: these are not the files of {name}"
        )
    return Dataset(name, images, labels, source.mean, source.std, source.classes)
