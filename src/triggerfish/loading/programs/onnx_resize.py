"""ONNX's Resize: every axis on its own, as a sum of neighbours with the weights of the mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_operator import Attributes, integers

_Weight = Callable[[Tensor], Tensor]


def resize(a: Attributes, x: Tensor, *given: Tensor | None) -> Tensor:
    """Resize to ``sizes`` or by ``scales``, in any of ONNX's modes but ``tf_crop_and_resize``."""
    old = a["opset"] < 11  # without a region, and with the coordinates of those days
    _, scales, sizes = (None, *given, None) if old else (*given, *[None] * (3 - len(given)))
    axes = [axis % x.ndim for axis in a.get("axes", range(x.ndim))]
    lengths = [x.shape[axis] for axis in axes]
    if scales is not None and scales.numel():
        factors = [float(value) for value in scales.tolist()]
        outputs = [math.floor(n * f) for n, f in zip(lengths, factors, strict=True)]
    else:
        outputs, factors = _by_sizes(a, lengths, integers(sizes) or [])
    for axis, output, factor in zip(axes, outputs, factors, strict=True):
        if output != x.shape[axis] or factor != 1.0:
            x = _along(a, x, axis, output, factor, old)
    return x


def _by_sizes(
    a: Attributes, lengths: Sequence[int], sizes: Sequence[int]
) -> tuple[list[int], list[float]]:
    factors = [size / n for n, size in zip(lengths, sizes, strict=True)]
    policy = a.get("keep_aspect_ratio_policy", b"stretch").decode()
    if policy == "stretch":
        return list(sizes), factors
    if policy not in ("not_larger", "not_smaller"):
        raise _unknown(policy)
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(n * factor + 0.5) for n in lengths], [factor] * len(lengths)


def _along(a: Attributes, x: Tensor, axis: int, output: int, factor: float, old: bool) -> Tensor:
    places = _places(a, x.shape[axis], output, factor, old)
    mode = a.get("mode", b"nearest").decode()
    if mode == "nearest":
        rule = "floor" if old else a.get("nearest_mode", b"round_prefer_floor").decode()
        if rule not in _NEAREST:
            raise _unknown(rule)
        index = _NEAREST[rule](places).long().clamp(0, x.shape[axis] - 1)
        return x.index_select(axis, index.to(x.device))
    if mode not in ("linear", "cubic"):
        raise _unknown(mode)
    cubic = float(a.get("cubic_coeff_a", -0.75))
    weight: _Weight = _linear if mode == "linear" else lambda d: _cubic(d, cubic)
    reach = 1 if mode == "linear" else 2
    narrow = min(factor, 1.0) if a.get("antialias") else 1.0
    matrix = _matrix(places, x.shape[axis], weight, reach, narrow, bool(a.get("exclude_outside")))
    moved = x.movedim(axis, -1) @ matrix.T.to(x)
    return moved.movedim(-1, axis)


def _places(a: Attributes, length: int, output: int, factor: float, old: bool) -> Tensor:
    """Where each of the output's points lies in the input, whose points are at 0, 1, 2, ..."""
    y = torch.arange(output, dtype=torch.float64)
    half = (y + 0.5) / factor - 0.5
    mode = "asymmetric" if old else a.get("coordinate_transformation_mode", b"half_pixel").decode()
    match mode:
        case "half_pixel":
            return half
        case "pytorch_half_pixel":
            return half if output > 1 else torch.zeros_like(half)
        case "asymmetric":
            return y / factor
        case "align_corners":
            return y * ((length - 1) / (output - 1)) if output > 1 else torch.zeros_like(y)
        case "half_pixel_symmetric":
            return length / 2 * (1 - output / (factor * length)) + half
    raise _unknown(mode)


_NEAREST: dict[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda places: (places - 0.5).ceil(),
    "round_prefer_ceil": lambda places: (places + 0.5).floor(),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def _matrix(
    places: Tensor, length: int, weight: _Weight, reach: int, narrow: float, exclude: bool
) -> Tensor:
    """Weights (outputs, inputs); ``narrow`` below 1 widens the window, so that nothing is missed.

    Points outside are those at the border, or have no weight with ``exclude``.
    """
    span = math.ceil(reach / narrow)
    taps = places.floor()[:, None] + torch.arange(1 - span, span + 1, dtype=torch.float64)
    weights = weight((taps - places[:, None]) * narrow)
    if exclude:
        weights = weights * ((taps >= 0) & (taps <= length - 1))
    weights = weights / weights.sum(1, keepdim=True)
    matrix = torch.zeros(len(places), length, dtype=torch.float64)
    return matrix.scatter_add(1, taps.clamp(0, length - 1).long(), weights)


def _linear(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp_min(0)


def _cubic(distance: Tensor, a: float) -> Tensor:
    """Keys' cubic convolution (1981), with its parameter ``a``."""
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = a * (((d - 5) * d + 8) * d - 4)
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _unknown(mode: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected a mode of ONNX's Resize that images need, got {mode!r}: "
        "export with another interpolation"
    )
