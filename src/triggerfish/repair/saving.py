"""Repaired weights -> a file of the same format and keys as the original's."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.files import write_file
from triggerfish.loading.formats.pytorch import ZIP_MAGIC, load_pickled_data
from triggerfish.loading.formats.safetensors import load_safetensors
from triggerfish.loading.guards.files import read_head
from triggerfish.loading.weights.state_dict import WRAPPERS, strip_prefixes


def save_repaired(original: Path, target: Path, model: nn.Module) -> None:
    """Write ``original`` again with the weights of ``model`` to ``target``, which must not exist.

    Raises:
        UnsupportedModelError: a format that cannot be written, or weights that are not under the
            network's own names.
        CheckpointError: ``target`` exists.
    """
    if target.exists():
        raise CheckpointError(f"expected no file at {target}, got one: choose another --out")
    head = read_head(original)
    if original.suffix == ".safetensors":
        write_file(target, _safetensors(original, model))
    elif head.startswith((ZIP_MAGIC, b"\x80")):
        write_file(target, _pytorch(original, head, model))
    else:
        raise UnsupportedModelError(
            f"expected a PyTorch state dict or safetensors to write again, got {original.name}: "
            "convert the model to one of them first"
        )


def _pytorch(original: Path, head: bytes, model: nn.Module) -> bytes:
    data = copy.deepcopy(load_pickled_data(original, head))
    weights = _weights_in(data)
    weights.update(renewed({k: v for k, v in weights.items() if isinstance(v, Tensor)}, model))
    stream = io.BytesIO()
    # The older layout for files that had it: whoever reads them may know no other.
    torch.save(data, stream, _use_new_zipfile_serialization=head.startswith(ZIP_MAGIC))
    return stream.getvalue()


def _safetensors(original: Path, model: nn.Module) -> bytes:
    with safe_open(original, "pt") as file:
        metadata = file.metadata()
    weights = renewed(load_safetensors(original), model)
    return bytes(save_safetensors({k: v.contiguous() for k, v in weights.items()}, metadata))


def renewed(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """``weights`` with the values of ``model``, under the file's own keys and in its dtypes."""
    state = model.state_dict()
    for variant in strip_prefixes(dict(weights)):
        if set(state) <= set(variant):
            return {
                key: state[name].to(old.dtype) if name in state else old
                for (key, old), name in zip(weights.items(), variant, strict=True)
            }
    raise UnsupportedModelError(
        "expected weights under the network's own names, got others (pruning masks, or a network "
        "that was converted): save the plain state dict first"
    )


def _weights_in(data: object) -> MutableMapping[str, object]:
    """The state dict itself, wherever in the checkpoint it is."""
    for _ in range(3):
        if not isinstance(data, MutableMapping):
            break
        if data and all(isinstance(value, Tensor) for value in data.values()):
            return data
        inner = next((data[n] for n in WRAPPERS if isinstance(data.get(n), MutableMapping)), None)
        if inner is None:
            break
        data = inner
    raise UnsupportedModelError("expected a state dict to write again, got none in the checkpoint")
