"""ONNX files: parsed by the onnx package, below the size that a protocol buffer may have.

Tensors are read when the file, or its folder, really holds their values.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line

MAX_BYTES = 2 << 30  # of a protocol buffer


def import_onnx() -> Any:  # noqa: ANN401 - the optional package
    """The onnx package; raises `UnsupportedModelError` where it is not installed."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise UnsupportedModelError(
            "an ONNX model needs the onnx package: pip install 'triggerfish[onnx]'"
        ) from error


def parse_onnx(path: Path) -> Any:  # noqa: ANN401 - a protocol buffer
    """The model in a file; raises `CheckpointError` for a damaged one."""
    onnx = import_onnx()
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError("expected an ONNX model below 2 GiB, got a larger file")
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise CheckpointError(f"the file is no whole ONNX model: {one_line(error)}") from error


def read_tensor(item: Any, folder: Path) -> Tensor:  # noqa: ANN401 - a protocol buffer
    """A tensor of the file; raises `CheckpointError` when it declares more than it holds."""
    onnx = importlib.import_module("onnx")
    count = math.prod(item.dims)
    if min(item.dims, default=0) < 0:
        raise CheckpointError(f"expected sizes of {item.name} from 0 up, got {list(item.dims)}")
    if item.data_location == onnx.TensorProto.EXTERNAL:
        item.raw_data = _external(item, folder)
        item.data_location = onnx.TensorProto.DEFAULT
    held = len(item.raw_data) or item.ByteSize()
    if count > 8 * held:
        raise CheckpointError(f"expected {count} values of {item.name}, got {held} bytes")
    array = np.array(onnx.numpy_helper.to_array(item))
    return torch.from_numpy(array)


def _external(item: Any, folder: Path) -> bytes:  # noqa: ANN401
    """The bytes of a tensor that lies in another file, which must be in the model's folder."""
    entries = {entry.key: entry.value for entry in item.external_data}
    location = entries.get("location", "")
    path = (folder / location).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise CheckpointError(
            f"expected external data inside the model's folder, got {location!r}: copy it there"
        )
    with path.open("rb") as stream:
        stream.seek(int(entries.get("offset", 0)))
        length = int(entries.get("length", path.stat().st_size))
        data: bytes = stream.read(max(0, min(length, path.stat().st_size)))
    return data
