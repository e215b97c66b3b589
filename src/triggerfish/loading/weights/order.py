"""A state dict whose keys are not the network's: filled by the order of its tensors."""

from __future__ import annotations

from torch import nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.weights.state_dict import StateDict

_COUNTER = "num_batches_tracked"


def named_as(network: nn.Module, state: StateDict, name: str) -> StateDict:
    """``state`` under the keys of ``network``, whose tensors must have its shapes in its order.

    Raises `UnsupportedModelError` for the first that does not.
    """
    expected = {k: v for k, v in network.state_dict().items() if not k.endswith(_COUNTER)}
    if len(expected) != len(state):
        raise UnsupportedModelError(
            f"expected the {len(expected)} tensors of {name}, got {len(state)}: "
            "pass the right --arch"
        )
    for (key, value), (own, found) in zip(expected.items(), state.items(), strict=True):
        if value.shape != found.shape:
            raise UnsupportedModelError(
                f"expected {key} of {name} with {tuple(value.shape)}, got {own} with "
                f"{tuple(found.shape)}: pass the right --arch"
            )
    return dict(zip(expected, state.values(), strict=True))
