"""ONNX operators that slide a window: convolutions, pools, padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Attributes = Mapping[str, Any]

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Conv: ``x`` (N, C, ...), ``weight`` (M, C / group, ...)."""
    kernel = list(weight.shape[2:])
    x = F.pad(x, _padding(a, x, kernel))
    strides, dilations = _each(a, "strides", kernel), _each(a, "dilations", kernel)
    return _CONV[len(kernel)](
        x, weight, bias, stride=strides, dilation=dilations, groups=a.get("group", 1)
    )


def conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """ConvTranspose with symmetric padding."""
    kernel = list(weight.shape[2:])
    pads = list(a.get("pads", [0] * 2 * len(kernel)))
    if pads[: len(kernel)] != pads[len(kernel) :] or "output_shape" in a:
        raise ValueError("expected symmetric padding in ConvTranspose, got another kind")
    return _CONV_TRANSPOSE[len(kernel)](
        x,
        weight,
        bias,
        stride=_each(a, "strides", kernel),
        padding=pads[: len(kernel)],
        output_padding=list(a.get("output_padding", [0] * len(kernel))),
        groups=a.get("group", 1),
        dilation=_each(a, "dilations", kernel),
    )


def max_pool(a: Attributes, x: Tensor) -> Tensor:
    """MaxPool; padding never wins."""
    kernel = list(a["kernel_shape"])
    x = F.pad(x, _padding(a, x, kernel), value=torch.finfo(x.dtype).min)
    return _MAX_POOL[len(kernel)](
        x,
        kernel,
        stride=_each(a, "strides", kernel),
        dilation=_each(a, "dilations", kernel),
        ceil_mode=bool(a.get("ceil_mode", 0)),
    )


def average_pool(a: Attributes, x: Tensor) -> Tensor:
    """AveragePool; padding counts only with ``count_include_pad``."""
    kernel = list(a["kernel_shape"])
    padding = _padding(a, x, kernel)
    stride, ceil = _each(a, "strides", kernel), bool(a.get("ceil_mode", 0))
    pooled = F.avg_pool2d(F.pad(x, padding), kernel, stride, ceil_mode=ceil)
    if a.get("count_include_pad") or not any(padding):
        return pooled
    inside = F.pad(torch.ones_like(x[:1, :1]), padding)
    return pooled / F.avg_pool2d(inside, kernel, stride, ceil_mode=ceil)


def pad(
    a: Attributes, x: Tensor, given: Tensor | None = None, value: Tensor | None = None, *_: Tensor
) -> Tensor:
    """Pad, in any of ONNX's modes; axes are all of them."""
    pads = [int(n) for n in (a["pads"] if given is None else given.tolist())]
    mode = _PAD_MODES[a.get("mode", b"constant").decode()]
    padding = _interleaved(pads)
    if mode == "constant":
        fill = a.get("value", 0.0) if value is None else float(value)
        return F.pad(x, padding, value=fill)
    return F.pad(x, padding[: 2 * (x.ndim - 2)], mode=mode)


def _each(a: Attributes, name: str, kernel: list[int]) -> list[int]:
    return list(a.get(name, [1] * len(kernel)))


def _interleaved(pads: list[int]) -> list[int]:
    """ONNX's begins-then-ends as PyTorch's pairs from the last axis."""
    half = len(pads) // 2
    return [n for i in reversed(range(half)) for n in (pads[i], pads[half + i])]


def _padding(a: Attributes, x: Tensor, kernel: list[int]) -> list[int]:
    mode = a.get("auto_pad", b"NOTSET").decode()
    if mode == "VALID":
        return [0] * 2 * len(kernel)
    if mode == "NOTSET":
        return _interleaved(list(a.get("pads", [0] * 2 * len(kernel))))
    strides, dilations = _each(a, "strides", kernel), _each(a, "dilations", kernel)
    return same_padding(x, kernel, strides, dilations, extra_first=mode == "SAME_LOWER")


def same_padding(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    *,
    extra_first: bool = False,
) -> list[int]:
    """Padding (for `F.pad`) after which an axis of n has ceil(n / stride) outputs.

    As TensorFlow and ONNX define "same"; an odd pixel goes to the end, or to the beginning with
    ``extra_first``.
    """
    begins, ends = [], []
    for size, k, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        begins.append((total + extra_first) // 2)
        ends.append(total - begins[-1])
    return _interleaved(begins + ends)
