"""Operations that stand in a Keras model as layers: ``x / 255``, ``relu6(x + 3)``, means.

Keras 3 names the class and its module, Keras 2 the TensorFlow function. Numbers are operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.keras_layer import Config, Layer, Weights, axis_of, layer

MODULES = ("keras.src.ops.numpy", "keras.src.ops.nn", "keras.ops")
TENSORFLOW = "TFOpLambda"


class Operation(nn.Module):
    """An operation of tensors of one rank, and numbers."""

    def __init__(self, function: Callable[..., Tensor], count: int, kind: str = "") -> None:
        super().__init__()
        self.function, self.count, self.kind = function, count, kind

    def forward(self, *operands: Tensor | float) -> Tensor:
        """Apply it."""
        ranks = {operand.ndim for operand in operands if isinstance(operand, Tensor)}
        if len(operands) != self.count or len(ranks) != 1:
            raise UnsupportedModelError(
                f"expected {self.count} operands of one rank in a Keras model, got {len(operands)}"
            )
        like = next(operand for operand in operands if isinstance(operand, Tensor))
        tensors = [
            operand if isinstance(operand, Tensor) else torch.tensor(operand).to(like)
            for operand in operands
        ]
        return self.function(*tensors)


def _operation(kind: str, function: Callable[..., Tensor], count: int) -> Layer:
    return layer(lambda _config, _weights: Operation(function, count, kind), "function")


def _mean(config: Config, _: Weights) -> nn.Module:
    axes, keep = config.get("axis"), bool(config.get("keepdims", False))
    listed = [axes] if isinstance(axes, int) else list(axes or ())
    if not listed or 0 in listed:
        raise UnsupportedModelError(f"expected a mean over an image's axes, got {axes}")

    def run(x: Tensor) -> Tensor:
        y = x.mean([axis_of(axis, x.ndim) for axis in listed], keepdim=keep)
        if x.ndim == 4 and not keep and len(listed) == 1:
            raise UnsupportedModelError("expected a mean over rows and columns, got one axis")
        return y

    return Operation(run, 1)


_BINARY: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Subtract": torch.sub,
    "Multiply": torch.mul,
    "TrueDivide": torch.div,
    "Divide": torch.div,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
}
_UNARY: dict[str, Callable[..., Tensor]] = {
    "Negative": torch.neg,
    "Square": torch.square,
    "Sqrt": torch.sqrt,
    "Exp": torch.exp,
    "Absolute": torch.abs,
    "Relu": F.relu,
    "Relu6": F.relu6,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Silu": F.silu,
    "HardSilu": F.hardswish,
    "HardSigmoid": F.hardsigmoid,
}
OPERATIONS: dict[str, Layer] = {
    **{name: _operation(name, function, 2) for name, function in _BINARY.items()},
    **{name: _operation(name, function, 1) for name, function in _UNARY.items()},
    "Mean": layer(_mean, "axis keepdims"),
}
_LAYERS_TOO = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
_FUNCTIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.truediv": "TrueDivide",
    "math.divide": "Divide",
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "math.sigmoid": "Sigmoid",
}


def operation(config: Mapping[str, Any], *, numbers: bool) -> Layer | None:
    """The operation that a layer's config stands for, None where it is a layer.

    HDF5 files leave the module out: only with ``numbers`` among the operands is ``Add`` no layer.
    """
    kind, module = str(config.get("class_name")), config.get("module")
    if kind == TENSORFLOW:
        function = config["config"].get("function")
        if function not in _FUNCTIONS:
            raise UnsupportedModelError(f"expected an operation that we know, got {function!r}")
        return OPERATIONS[_FUNCTIONS[function]]
    if module in MODULES and kind not in OPERATIONS:
        raise UnsupportedModelError(
            f"expected a Keras operation that we know, got {kind!r}: "
            "convert the model to ONNX with model.export"
        )
    if module in MODULES or (module is None and (numbers or kind not in _LAYERS_TOO)):
        return OPERATIONS.get(kind)
    return None
