"""HDF5 files: only numbers that lie in the file itself, no larger than it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.guards.pytorch_archive import MAX_COMPRESSION

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 24
MAX_DATASETS = 20_000

Path = tuple[str, ...]
"""A dataset's place: the names of its groups, and its own."""


def import_h5py() -> Any:  # noqa: ANN401 - the optional package
    """The h5py module; raises `UnsupportedModelError` where it is not installed."""
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise UnsupportedModelError(
            "a Keras model needs the h5py package: pip install 'triggerfish[keras]'"
        ) from error


def read_datasets(group: Any, file_size: int) -> dict[Path, Tensor]:  # noqa: ANN401
    """All datasets below a group, by their path from it, in the file's order.

    Floating-point numbers become float32, others int64. Raises `CheckpointError` for links,
    storage in other files, groups in circles, and sizes beyond what the file can hold.
    """
    h5py = import_h5py()
    found: dict[Path, Tensor] = {}
    budget = MAX_COMPRESSION * file_size
    for path, dataset in _walk(group, h5py, ()):
        if len(found) >= MAX_DATASETS:
            raise CheckpointError(f"expected at most {MAX_DATASETS} datasets, got more")
        budget -= int(dataset.nbytes)
        found[path] = _tensor("/".join(path), dataset, budget)
    return found


def _walk(group: Any, h5py: Any, above: Path) -> list[tuple[Path, Any]]:  # noqa: ANN401
    if len(above) > MAX_DEPTH:
        raise CheckpointError("expected weights a few groups deep, got deeper ones")
    found: list[tuple[Path, Any]] = []
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise CheckpointError(f"expected weights in the file itself, got a link at {name}")
        item = group[name]
        path = (*above, str(name))
        found += [(path, item)] if isinstance(item, h5py.Dataset) else _walk(item, h5py, path)
        if len(found) > MAX_DATASETS:
            raise CheckpointError(f"expected at most {MAX_DATASETS} datasets, got more")
    return found


def _tensor(path: str, dataset: Any, budget: int) -> Tensor:  # noqa: ANN401
    if dataset.external or dataset.is_virtual:
        raise CheckpointError(f"expected weights in the file itself, got other files for {path}")
    # HDF5 has no bfloat16: Keras writes its two bytes as they are.
    bfloat16 = dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2
    if (dataset.dtype.kind not in "fiu" and not bfloat16) or budget < 0:
        raise CheckpointError(
            f"expected numbers that fit the file, got {path} with {dataset.nbytes} bytes of "
            f"{dataset.dtype}"
        )
    if bfloat16:
        stored = np.asarray(dataset).view(np.int16).reshape(dataset.shape)
        return torch.from_numpy(stored.copy()).view(torch.bfloat16).float()
    dtype = np.float32 if dataset.dtype.kind == "f" else np.int64
    return torch.from_numpy(np.asarray(dataset, dtype=dtype))
