"""The weights of a TensorFlow.js model: a manifest in JSON, and shards of raw numbers beside it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.guards.beginnings import read_head

MAX_JSON_BYTES = 64 << 20
MAX_SHARDS, MAX_WEIGHTS = 4096, 20_000
MAX_BYTES = 8 << 30
_BEGINS = re.compile(
    rb'\{.*"(modelTopology|weightsManifest)"|\[\s*\{\s*"(paths|weights)"\s*:', re.DOTALL
)
_SHARD = re.compile(r"[\w.-]+(\.bin)?")
_STORED = {"uint8": "u1", "uint16": "<u2", "float16": "<f2"}
_PLAIN = {"float32": "<f4", "int32": "<i4", "bool": "u1", "uint8": "u1"}


def is_tfjs(head: bytes) -> bool:
    """Whether a file begins as a model.json or a weights manifest does."""
    return bool(_BEGINS.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()))


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The JSON of a file; raises `CheckpointError`."""
    try:
        return json.loads(read_head(path, MAX_JSON_BYTES + 1))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"expected JSON below 64 MiB in {path}, got: {one_line(error)}"
        ) from error


def shard_names(manifest: object) -> list[str]:
    """Names of the files that a manifest takes its numbers from; none where it is no manifest."""
    groups = manifest if isinstance(manifest, list) else []
    listed = [group.get("paths") for group in groups if isinstance(group, Mapping)]
    names = [name for paths in listed if isinstance(paths, list) for name in paths]
    return [name for name in names if isinstance(name, str)][:MAX_SHARDS]


def read_weights(manifest: object, folder: Path) -> dict[str, Tensor]:
    """The weights by name, dequantised.

    Raises `CheckpointError` for shards that are missing, elsewhere, or too short.
    """
    found: dict[str, Tensor] = {}
    if not isinstance(manifest, list) or not manifest:
        raise CheckpointError("expected a weights manifest in a TensorFlow.js model, got none")
    for group in manifest:
        data, at = _shards(group, folder), 0
        for entry in group["weights"]:
            value, size = _weight(entry, data, at)
            if entry["name"] in found or len(found) >= MAX_WEIGHTS:
                raise CheckpointError(f"expected each weight once, got {entry['name']!r} again")
            found[str(entry["name"])] = value
            at += size
        if at != len(data):
            raise CheckpointError(f"expected shards of {at} bytes, got {len(data)}")
    return found


def _shards(group: Mapping[str, Any], folder: Path) -> bytes:
    parts: list[bytes] = []
    for name in group["paths"]:
        path = folder / str(name)
        if not _SHARD.fullmatch(str(name)) or not path.is_file():
            raise CheckpointError(
                f"expected shards beside the model.json, got {str(name)[:80]!r}: fetch them all"
            )
        if path.stat().st_size + sum(map(len, parts)) > MAX_BYTES:
            raise CheckpointError("expected weights below 8 GiB, got larger shards")
        parts.append(path.read_bytes())
    return b"".join(parts)


def _weight(entry: Mapping[str, Any], data: bytes, at: int) -> tuple[Tensor, int]:
    """A weight that begins ``at`` a place, and how many bytes it takes."""
    shape, kind = [int(n) for n in entry["shape"]], str(entry["dtype"])
    quantization = entry.get("quantization")
    stored = str(quantization["dtype"]) if quantization else kind
    dtype = (_STORED if quantization else _PLAIN).get(stored)
    if dtype is None or kind not in _PLAIN:
        raise UnsupportedModelError(f"expected numbers in {entry['name']!r}, got {stored[:40]!r}")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if min(shape, default=0) < 0 or len(shape) > 8 or at + size > len(data):
        raise CheckpointError(f"expected {shape} values of {entry['name']!r} in the shards")
    values: NDArray[Any] = np.frombuffer(data, dtype, math.prod(shape), at).reshape(shape)
    if quantization and stored != "float16":
        values = values * float(quantization["scale"]) + float(quantization["min"])
    whole = kind in ("int32", "bool", "uint8")
    return torch.from_numpy(values.astype(np.int64 if whole else np.float32)), size
