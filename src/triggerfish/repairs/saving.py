"""Repaired weights -> the bytes of a file of the same format and keys as the original's."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from triggerfish.errors import DangerousFileError, UnsupportedModelError
from triggerfish.loading.contents import joined
from triggerfish.loading.format import recognise
from triggerfish.loading.formats import checkpoint, safetensors
from triggerfish.loading.formats.pytorch import load_pickled_data
from triggerfish.loading.guards.torch_file import ZIP_MAGIC
from triggerfish.loading.weights.state_dict import is_state_dict, strip_prefixes

_MAX_DEPTH = 12
_OPTIONAL_SUFFIX = "num_batches_tracked"  # old checkpoints lack this counter


def rewritten(
    original: Path, model: nn.Module | Callable[[Tensor], object], key: str | None = None
) -> bytes:
    """The file ``original`` with the weights of ``model``: same format, keys and types.

    ``key`` says which of several networks in it those are. Raises `UnsupportedModelError` where
    that cannot be written.
    """
    kind, head = recognise(original)
    if not isinstance(model, nn.Module):
        raise UnsupportedModelError("expected a network with weights to write, got a function")
    if kind.name == safetensors.NAME:
        return _safetensors(original, model)
    if kind.name == checkpoint.NAME:
        return _pytorch(original, head, model, key)
    raise UnsupportedModelError(
        f"a repair writes PyTorch state dicts and safetensors, and {original.name} is a "
        f"{kind.name}: save the network's state_dict() alone, and name the network with --arch"
    )


def _pytorch(original: Path, head: bytes, model: nn.Module, key: str | None) -> bytes:
    try:
        data = copy.deepcopy(load_pickled_data(original, head))
    except DangerousFileError as error:
        raise UnsupportedModelError(
            f"a repair writes state dicts, and {original.name} is a pickled module or other "
            "objects: save its state_dict() alone, and name the network with --arch"
        ) from error
    problem: UnsupportedModelError | None = None
    for weights in _state_dicts(data, key):
        try:
            weights.update(renewed(weights, model))
            break
        except UnsupportedModelError as error:
            problem = problem or error
    else:
        raise problem or UnsupportedModelError(
            "expected a state dict to write again, got none in the checkpoint"
        )
    stream = io.BytesIO()
    # The older layout for files that had it: whoever reads them may know no other.
    torch.save(data, stream, _use_new_zipfile_serialization=head.startswith(ZIP_MAGIC))
    return stream.getvalue()


def _safetensors(original: Path, model: nn.Module) -> bytes:
    with safe_open(original, "pt") as file:
        metadata = file.metadata()
    weights = renewed(safetensors.load_safetensors(original), model)
    return bytes(save_safetensors(weights, metadata))


def renewed(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """``weights`` with the values of ``model``, under the file's own keys and in its dtypes."""
    state = model.state_dict()
    needed = {name for name in state if not name.endswith(_OPTIONAL_SUFFIX)}
    for variant in strip_prefixes(dict(weights)):
        if needed <= set(variant):
            return {
                key: state[name].to(old.dtype, copy=True).contiguous() if name in state else old
                for (key, old), name in zip(weights.items(), variant, strict=True)
            }
    raise UnsupportedModelError(
        "expected weights under the network's own names, got others (pruning masks, or a network "
        "that was converted): save the plain state dict first"
    )


def _state_dicts(
    data: object, wanted: str | None, key: str = "", depth: int = 0
) -> Iterator[MutableMapping[str, Tensor]]:
    """The state dicts in a checkpoint, or the one under ``wanted``: themselves, not copies."""
    if is_state_dict(data) and isinstance(data, MutableMapping):
        if wanted is None or key == wanted or key.endswith(f".{wanted}"):
            yield data
    elif isinstance(data, Mapping) and depth < _MAX_DEPTH:
        for name, value in data.items():
            yield from _state_dicts(value, wanted, joined(key, str(name)), depth + 1)
