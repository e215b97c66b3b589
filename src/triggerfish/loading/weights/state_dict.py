"""What a checkpoint holds -> the state dict inside it, checked tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import torch
from torch import Tensor, nn

from triggerfish.errors import CheckpointError

StateDict = dict[str, Tensor]

# Where people put the weights, most specific first.
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "net_state_dict",
    "state_dict_ema",
    "model_ema",
    "model",
    "net",
    "network",
    "module",
    "classifier",
    "weights",
    "params",
)
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "_model.", "classifier.")
_MASK, _ORIGINAL = "_mask", "_orig"


def find_state_dict(data: object) -> StateDict:
    """The state dict in a checkpoint, as `unwrapped` finds it.

    Raises `CheckpointError` when there is none.
    """
    found = unwrapped(data)
    if not is_state_dict(found):
        raise CheckpointError(
            f"expected a state dict (names -> tensors), got {_describe(found)}: "
            "save model.state_dict(), or see --unsafe-pickle for a pickled module"
        )
    return _checked(_pruned(dict(found)))


def unwrapped(data: object) -> object:
    """What a checkpoint holds: itself, or what is under one of `WRAPPERS`, at most two deep.

    Nothing is copied: who changes what is found changes the checkpoint.
    """
    for _ in range(2):
        if not isinstance(data, Mapping) or is_state_dict(data):
            break
        data = next((data[name] for name in WRAPPERS if _is_mapping(data.get(name))), data)
    return data


def is_state_dict(data: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Whether this is names and tensors, and nothing else."""
    return _is_mapping(data) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in data.items()
    )


def strip_prefixes(state: StateDict) -> list[StateDict]:
    """The state dict as it is and with each common prefix taken off, the outermost first."""
    variants = [state]
    while prefix := next(
        (p for p in PREFIXES if variants[-1] and all(k.startswith(p) for k in variants[-1])), None
    ):
        variants.append({key[len(prefix) :]: value for key, value in variants[-1].items()})
    return variants


def as_state_dict(tensors: Mapping[str, Tensor]) -> StateDict:
    """A state dict from a format that holds nothing else, checked like any other."""
    return _checked(_pruned(dict(tensors)))


def _pruned(tensors: StateDict) -> StateDict:
    """Apply the masks that ``torch.nn.utils.prune`` leaves: weight = weight_orig * weight_mask."""
    merged = {}
    for key, value in tensors.items():
        stem = key.removesuffix(_ORIGINAL)
        if key.endswith(_MASK) and key.removesuffix(_MASK) + _ORIGINAL in tensors:
            continue
        if key.endswith(_ORIGINAL) and stem + _MASK in tensors:
            mask = tensors[stem + _MASK]
            if mask.shape != value.shape:
                raise CheckpointError(
                    f"expected a pruning mask of shape {tuple(value.shape)} for {stem}, "
                    f"got {tuple(mask.shape)}"
                )
            value = value * mask
        merged[stem if key.endswith(_ORIGINAL) and stem + _MASK in tensors else key] = value
    return merged


def _checked(tensors: StateDict) -> StateDict:
    for key, value in tensors.items():
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise CheckpointError(f"expected dense tensors, got {value.layout} for {key}")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(
                f"expected {key} to own its {value.numel()} values, got overlapping ones"
            )
        if not _is_finite(value):
            raise CheckpointError(
                f"expected finite weights, got NaN or infinity in {key}: the file is damaged, or "
                "the training diverged"
            )
    return {key: _parameter_value(value) for key, value in tensors.items()}


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _parameter_value(value: Tensor) -> Tensor:
    return value.detach() if isinstance(value, nn.Parameter) else value


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping) and len(value) > 0


def _describe(data: object) -> str:
    if isinstance(data, Mapping):
        names = ", ".join(repr(key)[:40] for key in list(data)[:5])
        return f"a dictionary with the keys {names}" if names else "an empty dictionary"
    return f"an object of type {type(data).__name__}"
