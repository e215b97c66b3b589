"""What a checkpoint holds -> the state dict inside it, checked tensor by tensor."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TypeGuard

import torch
from torch import Tensor, nn

from triggerfish.errors import CheckpointError
from triggerfish.loading.weights.as_stored import dequantized, folded

StateDict = dict[str, Tensor]

# What wrappers of PyTorch's own put into the middle of a name.
_WRAPPERS = frozenset(
    {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
)
_PARALLEL = "module"
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""Ends of the names of what a network keeps beside its parameters."""
_MAX_PREFIXES = 8


def no_state_dict(found: str) -> CheckpointError:
    """The error for a file that holds ``found``, and no weights."""
    return CheckpointError(
        f"the file has no state dict (names -> tensors) but {found}: save model.state_dict(), or "
        "see --unsafe-pickle for a pickled module"
    )


def is_state_dict(data: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Whether this is names and tensors, and nothing else."""
    return _is_mapping(data) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in data.items()
    )


def strip_prefixes(state: StateDict) -> list[StateDict]:
    """The state dict as it is and under every shorter name that all of its tensors allow.

    That is without what wrappers have put into the names, and without a first part of the name
    that is common to all, the outermost first.
    """
    variants = [state]
    plain = _without(state, _WRAPPERS)
    variants += [plain] if plain is not None else []
    for _ in range(_MAX_PREFIXES):
        first = {key.partition(".")[0] for key in variants[-1]}
        if len(first) != 1 or not all("." in key for key in variants[-1]):
            break
        variants.append({key.partition(".")[2]: v for key, v in variants[-1].items()})
    inner = _without(variants[-1], {_PARALLEL})
    return [*variants, inner] if inner is not None else variants


def _without(state: StateDict, parts: Container[str]) -> StateDict | None:
    """Without some parts of the names; None where nothing changes, or two names become one."""
    names = [".".join(part for part in key.split(".") if part not in parts) for key in state]
    if names == list(state) or len(set(names)) < len(names):
        return None
    return dict(zip(names, state.values(), strict=True))


def as_state_dict(tensors: Mapping[str, Tensor]) -> StateDict:
    """A state dict, its tensors checked, its weights whole and in floats.

    Raises `CheckpointError` for what cannot be weights.
    """
    given = checked(tensors)
    whole = folded(dequantized(given))
    # What was computed here is checked again: a division may have given infinity.
    made = {key: value for key, value in whole.items() if value is not given.get(key)}
    return {**whole, **checked(made)}


def checked(tensors: Mapping[str, Tensor]) -> StateDict:
    """The tensors as they are; raises `CheckpointError` unless all are dense, whole and finite."""
    for key, value in tensors.items():
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise CheckpointError(f"expected dense tensors, got {value.layout} for {key}")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(
                f"expected {key} to own its {value.numel()} values, got overlapping ones"
            )
        small = value.dtype.itemsize == 1  # no comparisons are defined for 8-bit floats
        if value.is_floating_point() and not bool(
            torch.isfinite(value.float() if small else value).all()
        ):
            raise CheckpointError(
                f"{key} holds NaN or infinity: the file is damaged, or the training diverged"
            )
    return {k: v.detach() if isinstance(v, nn.Parameter) else v for k, v in tensors.items()}


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping) and len(value) > 0


def describe(data: object) -> str:
    """What a file holds instead of weights, in words."""
    if isinstance(data, Mapping):
        names = ", ".join(
            repr(key)[:40] if isinstance(key, (str, int)) else type(key).__name__
            for key in list(data)[:5]
        )
        return f"a dictionary with the keys {names}" if names else "an empty dictionary"
    return f"an object of type {type(data).__name__}"
