"""CIFAR-10 as the official batches (Python or binary version) or as JPEG in two npz files.

Official formats: https://www.cs.toronto.edu/~kriz/cifar.html. The npz files,
``cifar10_{train,test}_jpeg.npz``, hold ``jpeg`` (uint8, all files one after the other), ``length``
(bytes of each) and ``label``.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from triggerfish.errors import DatasetError, one_line

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")

Bytes = NDArray[np.uint8]
Reader = Callable[[Path], tuple[Bytes, Bytes]]


def load_cifar_split(folder: Path, split: Literal["train", "test"]) -> tuple[Tensor, Tensor]:
    """Images uint8 ``(N, 3, 32, 32)`` and labels int64 ``(N,)``, from whichever files are there."""
    names = _BATCHES[split]
    for sub_folder in _FOLDERS:
        for suffix, read in _READERS.items():
            paths = [folder / sub_folder / f"{name}{suffix}" for name in names]
            if all(path.is_file() for path in paths):
                return _joined([_checked(read, path) for path in paths])
    path = folder / f"cifar10_{split}_jpeg.npz"
    if path.is_file():
        return _joined([_checked(read_jpeg_npz, path)])
    raise DatasetError(
        f"expected {', '.join(names)} (.bin or without suffix) or {path.name} in {folder}, got "
        "none: put the files there or pass the right folder with --data-root"
    )


def read_python_batch(path: Path) -> tuple[Bytes, Bytes]:
    """Images and labels of one batch of the Python version; nothing else may be in the pickle."""
    with path.open("rb") as file:
        content = _ArraysOnly(file, encoding="bytes").load()
    return np.asarray(content[b"data"], np.uint8), np.asarray(content[b"labels"], np.uint8)


def read_binary_batch(path: Path) -> tuple[Bytes, Bytes]:
    """Images and labels of one batch of the binary version: rows of a label and the pixels."""
    rows = np.fromfile(path, np.uint8).reshape(-1, 1 + _PIXELS)
    if not len(rows):
        raise ValueError("the file is empty")
    return rows[:, 1:], rows[:, 0]


def read_jpeg_npz(path: Path) -> tuple[Bytes, Bytes]:
    """Images, decoded, and labels of a JPEG archive."""
    with np.load(path) as arrays:
        stream, lengths, labels = arrays["jpeg"].tobytes(), arrays["length"], arrays["label"]
    ends = np.cumsum(lengths, dtype=np.int64)
    if len(ends) == 0 or ends[-1] != len(stream):
        raise ValueError(f"{len(stream)} bytes of JPEG where the lengths add up to another number")
    images = [
        np.asarray(Image.open(io.BytesIO(stream[end - length : end])).convert("RGB"))
        for end, length in zip(ends, lengths.astype(np.int64), strict=True)
    ]
    return np.stack(images).transpose(0, 3, 1, 2), labels


_READERS: dict[str, Reader] = {"": read_python_batch, ".bin": read_binary_batch}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows NumPy arrays and nothing else, so that no file can run code."""

    _known = (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    )

    def find_class(self, module: str, name: str) -> object:
        """The few names that an array's pickle refers to."""
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return super().find_class(module, name)


def _checked(read: Reader, path: Path) -> tuple[Bytes, Bytes]:
    """What ``read`` finds in the file, in the shape of CIFAR-10, or our error."""
    try:
        images, labels = read(path)
        images = images.reshape(len(labels), *_SHAPE)
    except (
        OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError,
        pickle.UnpicklingError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise DatasetError(
            f"expected CIFAR-10 images in {path}, got an error ({one_line(error)}): "
            "download it again, or point --data-root elsewhere"
        ) from error
    return images, labels


def _joined(parts: list[tuple[Bytes, Bytes]]) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(np.concatenate([images for images, _ in parts]))
    labels = torch.from_numpy(np.concatenate([labels for _, labels in parts])).long()
    return images, labels
