"""The IDX files that MNIST and Fashion-MNIST come in (format: yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from triggerfish.errors import DatasetError, one_line

_PREFIX = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08
_REPAIR = "download it again, or point --data-root elsewhere"


def load_idx_split(folder: Path, split: Literal["train", "test"]) -> tuple[Tensor, Tensor]:
    """Images uint8 ``(N, 1, H, W)`` and labels int64 ``(N,)`` from the standard pair of files."""
    prefix = _PREFIX[split]
    images = read_idx(find_idx(folder, f"{prefix}-images-idx3-ubyte"), dimensions=3)
    labels = read_idx(find_idx(folder, f"{prefix}-labels-idx1-ubyte"), dimensions=1)
    if len(images) != len(labels) or not len(images):
        raise DatasetError(
            f"expected one label an image in {folder}, got {len(images)} images and "
            f"{len(labels)} labels: the two files are of different sets"
        )
    return images.unsqueeze(1), labels.long()


def find_idx(folder: Path, name: str) -> Path:
    """The file ``name`` or ``name.gz`` in ``folder``."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DatasetError(
        f"expected {name} or {name}.gz in {folder}, got neither: "
        "put the file there or pass the right folder with --data-root"
    )


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked when it is gzipped."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"expected a readable file {path}, got an error ({one_line(error)}): {_REPAIR}"
        ) from error


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The uint8 array of an IDX file, gzipped or not; its size must be what its header says."""
    content = read_bytes(path)
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
        raise DatasetError(
            f"expected an IDX file of bytes in {dimensions} dimensions in {path}, "
            f"got one that begins with {content[:4].hex() or 'nothing'}: {_REPAIR}"
        )
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    if len(content) - header != math.prod(shape):
        raise DatasetError(
            f"expected {math.prod(shape)} values in {path}, got {len(content) - header}: {_REPAIR}"
        )
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return values[header:].view(shape)
