"""ONNX operators that slide a window: convolutions, pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_operator import Attributes

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@dataclass(frozen=True)
class _Window:
    """A window's geometry, one number per spatial axis.

    ``pads`` are (before, after) as declared; ``beyond`` is what the last window of ``ceil_mode``
    needs after that.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[tuple[int, int]]
    beyond: list[int]

    def padded(self, x: Tensor, value: float) -> Tensor:
        """``x`` with all its padding."""
        both = [(b, e + more) for (b, e), more in zip(self.pads, self.beyond, strict=True)]
        return F.pad(x, _for_pad(both), value=value)


def conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Conv: ``x`` (N, C, ...), ``weight`` (M, C / group, ...)."""
    window = _window(a, x, _kernel_of(a, weight))
    return _CONV[len(window.kernel)](
        window.padded(x, 0.0),
        weight,
        bias,
        stride=window.strides,
        dilation=window.dilations,
        groups=a.get("group", 1),
    )


def conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """ConvTranspose: everything is computed, then what ``pads`` names is cut off."""
    kernel = _kernel_of(a, weight)
    rank = len(kernel)
    extra = list(a.get("output_padding", [0] * rank))
    strides, dilations = _each(a, "strides", rank), _each(a, "dilations", rank)
    whole = [
        stride * (size - 1) + more + (k - 1) * dilation + 1
        for stride, size, more, k, dilation in zip(
            strides, x.shape[2:], extra, kernel, dilations, strict=True
        )
    ]
    y = _CONV_TRANSPOSE[rank](x, weight, None, strides, 0, extra, a.get("group", 1), dilations)
    cut = _transposed_pads(a, x, whole, strides)
    y = F.pad(y, _for_pad([(-b, -e) for b, e in cut]))
    return y if bias is None else y + bias.view(1, -1, *[1] * rank)


def max_pool(a: Attributes, x: Tensor) -> Tensor:
    """MaxPool; padding never wins."""
    window = _window(a, x, list(a["kernel_shape"]))
    smallest = float("-inf") if x.is_floating_point() else torch.iinfo(x.dtype).min
    return _MAX_POOL[len(window.kernel)](
        window.padded(x, smallest), window.kernel, window.strides, dilation=window.dilations
    )


def average_pool(a: Attributes, x: Tensor) -> Tensor:
    """AveragePool; padding counts only with ``count_include_pad``, beyond it nothing does."""
    window = _window(a, x, list(a["kernel_shape"]))
    sums = _window_sums(window, window.padded(x, 0.0))
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    if a.get("count_include_pad"):
        ones = F.pad(ones, _for_pad(window.pads), value=1.0)
        counted = F.pad(ones, _for_pad([(0, more) for more in window.beyond]))
    else:
        counted = window.padded(ones, 0.0)
    return sums / _window_sums(window, counted)


def _window_sums(window: _Window, x: Tensor) -> Tensor:
    if max(window.dilations) == 1:
        pool = _AVERAGE_POOL[len(window.kernel)]
        return pool(x, window.kernel, window.strides) * math.prod(window.kernel)
    flat = x.flatten(0, 1).unsqueeze(1)
    ones = torch.ones((1, 1, *window.kernel), dtype=x.dtype, device=x.device)
    y = _CONV[len(window.kernel)](flat, ones, None, window.strides, 0, window.dilations)
    return y.view(*x.shape[:2], *y.shape[2:])


def _kernel_of(a: Attributes, weight: Tensor) -> list[int]:
    kernel = list(weight.shape[2:])
    if list(a.get("kernel_shape", kernel)) != kernel:
        raise UnsupportedModelError(
            f"expected a kernel_shape of {kernel}, as the weights have it, got {a['kernel_shape']}"
        )
    return kernel


def _window(a: Attributes, x: Tensor, kernel: list[int]) -> _Window:
    rank = len(kernel)
    strides, dilations = _each(a, "strides", rank), _each(a, "dilations", rank)
    pads = _pads(a, x, kernel, strides, dilations)
    beyond = [0] * rank
    if a.get("ceil_mode"):
        for i, size in enumerate(x.shape[2:]):
            reach = dilations[i] * (kernel[i] - 1) + 1
            whole = size + sum(pads[i])
            outputs = -(-(whole - reach) // strides[i]) + 1
            # A window that would begin in the padding after the input is left out.
            outputs -= (outputs - 1) * strides[i] >= size + pads[i][0]
            beyond[i] = max(0, (outputs - 1) * strides[i] + reach - whole)
    return _Window(kernel, strides, dilations, pads, beyond)


def _pads(
    a: Attributes, x: Tensor, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[tuple[int, int]]:
    mode = a.get("auto_pad", b"NOTSET").decode()
    if mode == "VALID":
        return [(0, 0)] * len(kernel)
    if mode == "NOTSET":
        return _declared_pads(a, len(kernel))
    lower = _is_lower(mode)
    return same_pads(x.shape[2:], kernel, strides, dilations, extra_first=lower)


def _transposed_pads(
    a: Attributes, x: Tensor, whole: list[int], strides: list[int]
) -> list[tuple[int, int]]:
    """What is cut off from the ``whole`` output, before and after."""
    mode = a.get("auto_pad", b"NOTSET").decode()
    if mode == "VALID":
        return [(0, 0)] * len(whole)
    wanted = a.get("output_shape")
    if wanted is None and mode == "NOTSET":
        return _declared_pads(a, len(whole))
    upper = mode != "NOTSET" and not _is_lower(mode)
    sizes = wanted or [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
    total = [full - size for full, size in zip(whole, sizes, strict=True)]
    return [(n // 2, n - n // 2) if upper else (n - n // 2, n // 2) for n in total]


def _is_lower(mode: str) -> bool:
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedModelError(f"expected an auto_pad of ONNX, got {mode!r}")
    return mode == "SAME_LOWER"


def _declared_pads(a: Attributes, rank: int) -> list[tuple[int, int]]:
    pads = list(a.get("pads", [0] * 2 * rank))
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _each(a: Attributes, name: str, rank: int) -> list[int]:
    values = list(a.get(name, [1] * rank))
    if len(values) != rank or min(values) < 1:
        raise UnsupportedModelError(f"expected {rank} positive {name}, got {values[:8]}")
    return values


def _for_pad(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Pairs as `F.pad` wants them: the last axis first."""
    return [n for pair in reversed(pads) for n in pair]


def same_pads(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    *,
    extra_first: bool = False,
) -> list[tuple[int, int]]:
    """Padding (before, after) with which an axis of n has ceil(n / stride) outputs.

    As TensorFlow and ONNX define "same"; an odd pixel goes to the end, or to the beginning with
    ``extra_first``.
    """
    pads = []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        before = (total + extra_first) // 2
        pads.append((before, total - before))
    return pads


def same_padding(
    x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """`same_pads` of an image batch (N, C, H, W), for `F.pad`."""
    return _for_pad(same_pads(x.shape[2:], kernel, strides, dilations))
