"""Safetensors: a JSON header and raw tensors, nothing that runs."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from triggerfish.errors import CheckpointError, one_line
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.guards.files import refuse_pointers_and_text
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.state_dict import StateDict, as_state_dict

NAME = "safetensors"


def load_safetensors(path: Path) -> StateDict:
    """The tensors of a safetensors file; raises `CheckpointError` when it is damaged."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, MemoryError) as error:
        raise CheckpointError(
            f"expected a whole safetensors file, got {one_line(error)}: fetch it again"
        ) from error
    if not tensors:
        raise CheckpointError("expected weights, got a safetensors file without tensors")
    return as_state_dict(tensors)


def _matches(path: Path, head: bytes) -> bool:
    header_size = int.from_bytes(head[:8], "little")
    return path.suffix == ".safetensors" or (head[8:9] == b"{" and header_size < 100 << 20)


def _read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    refuse_pointers_and_text(path, head)
    return Contents(Hints(NAME), state=load_safetensors(path))


FORMAT = Format(NAME, _matches, _read)
