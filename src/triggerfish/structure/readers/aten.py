"""PyTorch's operators as nodes, for torch.export, torch.fx and TorchScript alike."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from triggerfish.loading.programs.operators import PURE_OPERATORS

# Beyond those that a scan runs: conditions, choices, writes in place. All pure in what they reach.
_MORE = """
    all any argsort sort topk nonzero index index_put index_put_ scatter scatter_add copy copy_
    masked_fill_ logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor isnan isinf isfinite
    trunc frac fill fill_ fill zero_ scatter_ bucketize searchsorted one_hot select_scatter
    slice_scatter masked_select where_ take nan_to_num greater less greater_equal less_equal
    not_equal abs_ neg_ pow_ sqrt_ exp_ floor_ round_ maximum_ minimum_ tan atan asin acos sinh
    cosh atan2 diff outer dot mv cumprod logaddexp std_mean unfold im2col col2im avg_pool3d
    new_zeros new_ones new_full empty_like rand_like _assert_async is_nonzero item gt_ lt_
    ge_ le_ eq_ ne_ logical_and_ logical_or_ logical_not_ mul_ div_ add_ sub_ clamp_min_ clamp_max_
    adaptive_max_pool1d hardswish_ fmax fmin hypot Bool Int Float bool long int half floor_divide_
    remainder_ fmod_ _local_scalar_dense masked_scatter index_add index_copy index_fill sgn
    broadcast_to linalg_norm cross_entropy_loss unsqueeze_copy multiply subtract divide
    scalar_implicit ScalarImplicit __and__ __or__ __xor__ absolute true_divide rot90 trace
"""
ALLOWED = PURE_OPERATORS | frozenset(_MORE.split())
_IN_PLACE = ("copy_", "fill_", "zero_")

PYTHON: Mapping[str, Callable[..., object]] = {
    name: getattr(operator, name)
    for name in (
        "add", "sub", "mul", "floordiv", "eq", "ne", "lt", "le", "gt", "ge", "getitem", "neg",
        "truediv", "mod", "pow", "and_", "or_", "not_",
    )
}  # fmt: skip


def run_of(name: str, overload: str | None = None) -> Callable[..., object] | None:
    """How to run ``aten::name``, None where it is not allowed; in place ones leave inputs alone."""
    if name not in ALLOWED or name in ("rand_like", "empty_like"):
        return None
    special = _SPECIAL.get(name)
    if special is not None:
        return special
    plain = name
    if is_in_place(name) and hasattr(torch.ops.aten, name[:-1]):
        plain = name[:-1]
    packet = getattr(torch.ops.aten, plain, None)
    if packet is None:
        return None
    run: Callable[..., object] = getattr(packet, overload, packet) if overload else packet
    return run


def is_in_place(name: str) -> bool:
    """Whether ``aten::name`` writes to its first argument."""
    return name.endswith("_") and not name.startswith("__")


def _copied(target: Tensor, value: Tensor, *_: object, **__: object) -> Tensor:
    return value.to(target.dtype).expand_as(target)


_SPECIAL: Mapping[str, Callable[..., object]] = {
    "copy_": _copied,
    "copy": _copied,
    "fill_": lambda x, value: torch.full_like(x, float(value)),
    "zero_": torch.zeros_like,
    "Bool": lambda x: x,
    "Int": lambda x: x,
    "Float": lambda x: x,
    "ScalarImplicit": lambda x: x,
    "item": lambda x: x,
    "dropout": lambda x, *_, **__: x,
    "dropout_": lambda x, *_, **__: x,
    "feature_dropout": lambda x, *_, **__: x,
    "alpha_dropout": lambda x, *_, **__: x,
    "lift_fresh_copy": lambda x: x,
    "lift_fresh": lambda x: x,
    "alias": lambda x: x,
    "detach": lambda x: x,
    "detach_": lambda x: x,
}
