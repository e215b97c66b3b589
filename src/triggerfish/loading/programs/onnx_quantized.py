"""ONNX's QuantizeLinear and DequantizeLinear, so that gradients pass.

Quantised values stay floating-point numbers here. Rounding has no slope, so that a search would see
nothing through it: the slope of what is rounded is passed on, as in quantisation-aware training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_operator import Attributes

# onnx.TensorProto.DataType -> the smallest and largest value
_RANGES = {
    2: (0, 255),
    3: (-128, 127),
    4: (0, 65535),
    5: (-32768, 32767),
}
_NUMBERS = {torch.uint8: 2, torch.int8: 3, torch.uint16: 4, torch.int16: 5}


def quantize(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """QuantizeLinear by tensor, channel or block: ``round(x / scale) + zero``, within its type."""
    number = a.get("output_dtype") or (2 if zero is None else _NUMBERS.get(zero.dtype, 0))
    if number not in _RANGES:
        raise UnsupportedModelError(
            f"expected QuantizeLinear to whole numbers of 8 or 16 bits, got {number or zero}: "
            "export the model without its quantisation"
        )
    low, high = _RANGES[number]
    shift = 0.0 if zero is None else _spread(a, x, zero.to(scale.dtype))
    # The order matters: halves are rounded to even before the zero point is added.
    exact = x / _spread(a, x, scale)
    rounded = (exact.round() + shift).clamp(low, high)
    passing = (exact + shift).clamp(low, high)
    return passing + (rounded - passing).detach()


def dequantize(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """DequantizeLinear by tensor, channel or block: ``(x - zero) * scale``."""
    values = x.to(scale.dtype)
    if zero is not None:
        values = values - _spread(a, x, zero.to(scale.dtype))
    return values * _spread(a, x, scale)


def _spread(a: Attributes, x: Tensor, values: Tensor) -> Tensor:
    """One value for all, one a slice along ``axis``, or one a block of it, to multiply ``x`` by."""
    axis, block = a.get("axis", 1), a.get("block_size", 0)
    if values.numel() == 1:
        return values.reshape(())
    axis %= x.ndim
    if block:
        return values.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    return values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
