"""What an ONNX operator of ours understands; a node that asks for anything else is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from triggerfish.errors import UnsupportedModelError

Attributes = Mapping[str, Any]
"""A node's attributes by name, with ``opset`` and ``outputs`` (their number)."""

MANY = 1 << 31

# Names of onnx.AttributeProto.AttributeType; an attribute has the same types in all operators.
_TYPES = {
    "INT": """
        allowzero antialias axis batch_dims block_size blocksize broadcast ceil_mode
        count_include_pad end exclude_outside exclusive fmod group is_test keepdims
        noop_with_empty_axes num_groups num_outputs output_dtype p precision reverse saturate seed
        size spatial start stash_type storage_order to training_mode transA transB upper
    """,
    "INTS": "axes dilations ends kernel_shape output_padding output_shape pads perm split starts "
    "strides",
    "FLOAT": "alpha beta bias cubic_coeff_a epsilon extrapolation_value gamma lambd max min "
    "momentum ratio value",
    "STRING": "approximate auto_pad coordinate_transformation_mode equation "
    "keep_aspect_ratio_policy mode nearest_mode reduction round_mode",
    "FLOATS": "scales",
    "TENSOR": "value",
}
_ALLOWED_TYPES = {kind: frozenset(names.split()) for kind, names in _TYPES.items()}


@dataclass(frozen=True)
class Operator:
    """An operator: ``run(attributes, *inputs)``, and all that it understands of a node.

    ``attributes`` are those that it obeys or that cannot change the answer of a trained network;
    ``only`` those that it knows at one value. ``inputs`` are the fewest and the most, ``outputs``
    the most; those beyond the first must not be used, except Split's.
    """

    run: Callable[..., object]
    attributes: frozenset[str] = frozenset()
    inputs: tuple[int, int] = (1, 1)
    outputs: int = 1
    only: Mapping[str, object] = field(default_factory=dict)

    def check(self, name: str, types: Mapping[str, str], values: Attributes) -> None:
        """Refuse attributes that are not understood; ``types`` has the type of each."""
        for key, kind in types.items():
            if key not in self.attributes and key not in self.only:
                raise _refusal(name, f"the attribute {key}")
            if key not in _ALLOWED_TYPES.get(kind, ()):
                raise _refusal(name, f"the attribute {key} as {kind}")
            if key in self.only and values[key] != self.only[key]:
                raise _refusal(name, f"the attribute {key} = {values[key]!r}")

    def check_wires(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Refuse inputs and outputs that are not understood, or that are missing."""
        fewest, most = self.inputs
        if not fewest <= len(inputs) <= most or not all(inputs[:fewest]):
            raise _refusal(name, f"{len(inputs)} inputs")
        if not 1 <= len(outputs) <= self.outputs or not outputs[0]:
            raise _refusal(name, f"{len(outputs)} outputs")


def operator(
    run: Callable[..., object],
    attributes: str = "",
    *,
    inputs: tuple[int, int] = (1, 1),
    outputs: int = 1,
    **only: object,
) -> Operator:
    """An `Operator`; ``attributes`` are names with spaces between."""
    return Operator(run, frozenset(attributes.split()), inputs, outputs, only)


def plain(function: Callable[..., Tensor], inputs: int = 1) -> Operator:
    """An operator without attributes, of exactly ``inputs`` tensors."""
    return operator(lambda _, *given: function(*given), inputs=(inputs, inputs))


def integers(given: Tensor | Sequence[int] | None) -> list[int] | None:
    """Axes or sizes as a list, from a tensor (new opsets) or an attribute (old ones)."""
    if given is None:
        return None
    return [int(v) for v in (given.flatten().tolist() if isinstance(given, Tensor) else given)]


def refuse_training(a: Attributes, name: str) -> None:
    """Opset 6 trains unless ``is_test`` says otherwise."""
    if a["opset"] < 7 and not a.get("is_test"):
        raise _refusal(name, "no is_test")


def _refusal(name: str, found: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected the ONNX operator {name} as we know it, got {found}: "
        "export with standard operators, or save the state dict and pass --arch"
    )
