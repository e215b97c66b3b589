"""Building a network, and filling it with a state dict without leaving a gap."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.weights.state_dict import StateDict, strip_prefixes

# Old checkpoints lack this counter, and it does not enter the output.
_OPTIONAL_SUFFIX = "num_batches_tracked"


def fill(network: nn.Module, state: StateDict, name: str) -> nn.Module:
    """Load ``state`` into ``network``, prefixes taken off where needed; every key must match.

    Raises `UnsupportedModelError` with the first missing, unexpected and misshapen keys.
    """
    variants = strip_prefixes(state)
    for variant in variants:
        if _mismatch(network.state_dict(), variant) is None:
            network.load_state_dict(variant, strict=False)
            return network
    problem = min((_mismatch(network.state_dict(), variant) or "" for variant in variants), key=len)
    raise UnsupportedModelError(
        f"the weights are not those of {name}: {problem}. Pass the right --arch"
    )


def build(factory: Callable[[], object]) -> nn.Module:
    """Call a network's factory without disturbing the global random state."""
    with torch.random.fork_rng(devices=[]):
        network = factory()
    if not isinstance(network, nn.Module):
        raise UnsupportedModelError(
            f"the architecture is a {type(network).__name__} and no torch.nn.Module"
        )
    return network


def _mismatch(expected: Mapping[str, Tensor], found: StateDict) -> str | None:
    missing = [k for k in expected if k not in found and not k.endswith(_OPTIONAL_SUFFIX)]
    unexpected = [k for k in found if k not in expected]
    misshapen = [
        f"{k} of {tuple(found[k].shape)} for {tuple(expected[k].shape)}"
        for k in expected
        if k in found and found[k].shape != expected[k].shape
    ]
    parts = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("misshapen", misshapen),
        )
        if keys
    ]
    return "; ".join(parts) or None


_COUNTER = "num_batches_tracked"


def named_as(network: nn.Module, state: StateDict, name: str) -> StateDict:
    """``state`` under the keys of ``network``, whose tensors must have its shapes in its order.

    Raises `UnsupportedModelError` for the first that does not.
    """
    expected = {k: v for k, v in network.state_dict().items() if not k.endswith(_COUNTER)}
    if len(expected) != len(state):
        raise UnsupportedModelError(
            f"{name} has {len(expected)} tensors, and the file {len(state)}: pass the right --arch"
        )
    for (key, value), (own, found) in zip(expected.items(), state.items(), strict=True):
        if value.shape != found.shape:
            raise UnsupportedModelError(
                f"{key} of {name} is {tuple(value.shape)}, and {own} of the file "
                f"{tuple(found.shape)}: pass the right --arch"
            )
    return dict(zip(expected, state.values(), strict=True))
