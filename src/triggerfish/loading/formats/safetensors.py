"""Safetensors: a JSON header and raw tensors, nothing that runs.

The header may hold texts of anybody's. Those under the names of a model card's keys are read as
one: ``architecture``, ``input_shape``, ``mean``, ... as JSON. They cannot name code. The usual keys
of class names are understood as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from triggerfish.errors import CheckpointError, one_line
from triggerfish.loading.card import FIELDS, read_fields
from triggerfish.loading.contents import Contents
from triggerfish.loading.guards.beginnings import refuse_pointers_and_text
from triggerfish.loading.hints import Hints, LoadOptions, class_names
from triggerfish.loading.weights.mlx_layout import from_mlx, is_mlx
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


def read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    refuse_pointers_and_text(path, head)
    state, texts = load_safetensors(path), _texts(path)
    hints = _metadata(path, texts)
    if is_mlx(state, texts.get("format")):
        source = f"{hints.source}, MLX's layout"
        return Contents(replace(hints, source=source), state=from_mlx(state))
    return Contents(hints, state=state)


def _texts(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def _metadata(path: Path, texts: Mapping[str, str]) -> Hints:
    said = {key: _value(text) for key, text in texts.items()}
    known = {key: value for key, value in said.items() if key in FIELDS - {"class_names"}}
    return replace(
        read_fields(known, path, f"{NAME} (its metadata)"), class_names=class_names(said)
    )


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
