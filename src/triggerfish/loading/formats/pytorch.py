"""PyTorch checkpoints as PyTorch itself reads them, to be written again with other weights."""

from __future__ import annotations

import argparse
import builtins
import collections
import io
import warnings
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy._core import multiarray

from triggerfish.errors import CheckpointError, DangerousFileError, one_line
from triggerfish.loading.guards.pickle_check import check_pickle, code_in_pickle
from triggerfish.loading.guards.pytorch_archive import check_storage, open_archive
from triggerfish.loading.guards.torch_file import LEGACY_MAGIC, ZIP_MAGIC, pickle_of

_LEGACY_PICKLES = 5  # magic number, protocol, system info, the object, the storage keys


def load_pickled_data(path: Path, head: bytes) -> object:
    """The object in a ``torch.save`` file: containers, numbers, strings and tensors, no code.

    Raises `CheckpointError` when the file is damaged, or would need code to run.
    """
    if head.startswith(ZIP_MAGIC):
        _check_archive(path)
    else:
        _check_legacy(path)
    try:
        with (
            path.open("rb") as stream,  # PyTorch opens no name that is not UTF-8
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_inert_types()),
        ):
            warnings.simplefilter("ignore")
            return torch.load(stream, map_location="cpu", weights_only=True)
    except MemoryError as error:
        raise CheckpointError("expected tensors that fit into memory, got larger ones") from error
    except Exception as error:  # PyTorch raises whatever a damaged pickle provokes
        raise CheckpointError(
            f"expected a state dict that loads with weights_only=True, got: {one_line(error)}"
        ) from error


def _check_archive(path: Path) -> None:
    with open_archive(path) as archive:
        root, data = pickle_of(path, archive)
        check_pickle(io.BytesIO(data), partial(check_storage, archive, f"{root}data/"))


def _check_legacy(path: Path) -> None:
    size = path.stat().st_size
    declared = 0

    def check_storage(key: str, nbytes: int) -> None:
        nonlocal declared
        declared = max(declared, nbytes)
        if nbytes > size:
            raise CheckpointError(
                f"expected storage {key} to hold {nbytes} bytes, got a file of {size}: "
                "the file is damaged"
            )

    with path.open("rb") as stream:
        if stream.read(len(LEGACY_MAGIC)) != LEGACY_MAGIC:
            _refuse_other_pickle(stream)
        stream.seek(0)
        names: list[str] = []
        for _ in range(_LEGACY_PICKLES):
            try:
                check_pickle(stream, check_storage)
            except DangerousFileError as error:
                names += error.imports
            except CheckpointError:
                if names:
                    break
                raise
        if names:
            raise code_in_pickle(tuple(dict.fromkeys(names)))


def _refuse_other_pickle(stream: BinaryIO) -> None:
    stream.seek(0)
    check_pickle(stream, lambda _key, _nbytes: None)
    raise CheckpointError(
        "expected a file written by torch.save, got a plain pickle: save the state dict with "
        "torch.save or safetensors"
    )


def _inert_types() -> list[Any]:
    """Types beside PyTorch's own that hold data only: training arguments, numpy arrays."""
    dtypes = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return [
        argparse.Namespace,
        collections.defaultdict,
        np.ndarray,
        np.dtype,
        (multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
        (multiarray._reconstruct, "numpy._core.multiarray._reconstruct"),
        (multiarray.scalar, "numpy.core.multiarray.scalar"),
        (multiarray.scalar, "numpy._core.multiarray.scalar"),
        *(getattr(builtins, name) for name in ("dict", "list", "int")),
        *dtypes,
    ]
