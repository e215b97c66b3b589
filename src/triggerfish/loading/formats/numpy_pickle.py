"""Plain pickles (``pickle.dump``) of NumPy weights: ``{"conv1.weight": array, ...}``, or nested."""

from __future__ import annotations

import io
from pathlib import Path

from torch import Tensor

from triggerfish.errors import CheckpointError, DangerousFileError
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.formats.pickled_module import read_pickled_module
from triggerfish.loading.formats.pytorch import LEGACY_MAGIC
from triggerfish.loading.guards.numpy_pickle import load_numpy_pickle
from triggerfish.loading.guards.pickle_scan import MAX_PICKLE_BYTES, scan_pickle
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.state_dict import WRAPPERS, find_state_dict

NAME = "NumPy pickle"
_OLD_STARTS = b"c(}]di"  # how protocols 0 and 1 begin


def _matches(_path: Path, head: bytes) -> bool:
    if head.startswith(b"\x80"):
        return not head.startswith(LEGACY_MAGIC)
    return head[:1] in (bytes([byte]) for byte in _OLD_STARTS) and bool(
        scan_pickle(io.BytesIO(head)).names
    )


def _read(path: Path, _head: bytes, options: LoadOptions) -> Contents:
    if path.stat().st_size > MAX_PICKLE_BYTES:
        raise CheckpointError(
            f"expected a plain pickle of at most {MAX_PICKLE_BYTES >> 20} MiB, got a larger one: "
            "save the state dict with torch.save or safetensors"
        )
    try:
        data = load_numpy_pickle(path.read_bytes())
    except DangerousFileError:
        if not options.unsafe_pickle:
            raise
        return read_pickled_module(path, options)
    return Contents(Hints(NAME), state=find_state_dict(_flat(data)))


def _flat(data: object) -> object:
    """``{"conv1": {"weight": ...}}`` as ``{"conv1.weight": ...}``, where every layer is such."""
    if not isinstance(data, dict) or not data or data.keys() & set(WRAPPERS):
        return data
    layers = data.values()
    if not all(isinstance(layer, dict) and _only_tensors(layer) for layer in layers):
        return data
    return {f"{name}.{key}": v for name, layer in data.items() for key, v in layer.items()}


def _only_tensors(layer: dict[object, object]) -> bool:
    return bool(layer) and all(isinstance(value, Tensor) for value in layer.values())


FORMAT = Format(NAME, _matches, _read)
