"""TensorFlow Lite's operators as PyTorch functions, pictures as (N, H, W, C).

Sources: the schema's comments and the operators' documented semantics; checked against the runtime
(tests/tflite_cases.py). Kernels come as PyTorch has them; integers are real numbers here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs import onnx_windows
from triggerfish.loading.programs.resizing import resize

Options = Mapping[str, Any]

_PADDING = {0: b"SAME_UPPER", 1: b"VALID"}
_FUSED: dict[int, Callable[[Tensor], Tensor]] = {
    0: lambda x: x,
    1: F.relu,
    2: lambda x: x.clamp(-1, 1),
    3: F.relu6,
    4: torch.tanh,
}


@dataclass(frozen=True)
class Operator:
    """``run(options, *inputs)``; ``inputs`` is how few and how many there are.

    ``kernel`` is the input that is a kernel, and how it is turned into PyTorch's. ``constants``
    are inputs that must be known. ``head`` is the name of a head of probabilities.
    """

    run: Callable[..., Tensor | Sequence[Tensor]]
    inputs: tuple[int, int] = (1, 1)
    kernel: tuple[int, tuple[int, ...]] | None = None
    constants: tuple[int, ...] = ()
    head: str | None = None


def fused(o: Options, x: Tensor) -> Tensor:
    """The activation that an operator ends in."""
    kind = int(o.get("FusedActivationFunction", 0))
    if kind not in _FUSED:
        raise UnsupportedModelError(f"expected a fused activation of TensorFlow Lite, got {kind}")
    return _FUSED[kind](x)


def _first(x: Tensor) -> Tensor:
    """(N, H, W, C) to (N, C, H, W)."""
    return x.permute(0, 3, 1, 2)


def _last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _window(o: Options) -> dict[str, Any]:
    """A window's options in ONNX's words."""
    return {
        "strides": [o["StrideH"], o["StrideW"]],
        "dilations": [o.get("DilationHFactor", 1), o.get("DilationWFactor", 1)],
        "auto_pad": _PADDING[o["Padding"]],
    }


def _conv(o: Options, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    x = _first(x)
    a = {**_window(o), "group": x.shape[1] // kernel.shape[1]}
    return fused(o, _last(onnx_windows.conv(a, x, kernel, bias)))


def _depthwise(o: Options, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """The kernel (1, H, W, C * multiplier) comes as (C * multiplier, 1, H, W)."""
    a = {**_window(o), "group": x.shape[3]}
    return fused(o, _last(onnx_windows.conv(a, _first(x), kernel, bias)))


def _transpose_conv(
    o: Options, size: Tensor, kernel: Tensor, x: Tensor, bias: Tensor | None = None
) -> Tensor:
    """The kernel (O, H, W, I) comes as (I, O, H, W)."""
    a = {**_window(o), "output_shape": [int(n) for n in size[1:3]]}
    return fused(o, _last(onnx_windows.conv_transpose(a, _first(x), kernel, bias)))


def _fully_connected(o: Options, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if o.get("WeightsFormat", 0) != 0:
        raise UnsupportedModelError("expected plain weights of FULLY_CONNECTED, got shuffled ones")
    if not o.get("KeepNumDims"):
        x = x.reshape(-1, weight.shape[1])
    return fused(o, F.linear(x, weight, bias))


def _pool(pool: Callable[[Any, Tensor], Tensor]) -> Callable[[Options, Tensor], Tensor]:
    def run(o: Options, x: Tensor) -> Tensor:
        a = {**_window(o), "kernel_shape": [o["FilterHeight"], o["FilterWidth"]]}
        return fused(o, _last(pool(a, _first(x))))

    return run


def _binary(f: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return Operator(lambda o, x, y: fused(o, f(x, y)), (2, 2))


def _unary(f: Callable[[Tensor], Tensor]) -> Operator:
    return Operator(lambda _, x: f(x))


def _reshape(o: Options, x: Tensor, _shape: Tensor | None = None) -> Tensor:
    """To the shape that the file declares of the result, whose first axis has the images."""
    wanted = [int(n) for n in o["out_shape"]]
    if min(wanted[1:], default=0) < 0:
        raise UnsupportedModelError(f"expected one open size of a RESHAPE, got {wanted}")
    return x.reshape(-1, *wanted[1:])


def _axes(values: Tensor, rank: int) -> list[int]:
    """Axes from 0 up, none of them that of the images."""
    axes = sorted({int(axis) % rank for axis in values.reshape(-1)})
    if 0 in axes:
        raise UnsupportedModelError("expected operators on each image alone, got one on axis 0")
    return axes


def _reduce(f: Callable[..., Tensor]) -> Operator:
    def run(o: Options, x: Tensor, axes: Tensor) -> Tensor:
        return f(x, _axes(axes, x.ndim), keepdim=bool(o.get("KeepDims")))

    return Operator(run, (2, 2), constants=(1,))


def _concatenation(o: Options, *parts: Tensor) -> Tensor:
    (axis,) = _axes(torch.tensor([o["Axis"]]), parts[0].ndim)
    return fused(o, torch.cat(_for_all(parts), axis))


def _for_all(parts: Sequence[Tensor]) -> list[Tensor]:
    """A constant, as a class token, is there for each image of the batch."""
    count = max(part.shape[0] for part in parts)
    return [part.expand(count, *part.shape[1:]) for part in parts]


def _pad(o: Options, x: Tensor, pads: Tensor, value: Tensor | None = None) -> Tensor:
    pairs = [[int(n) for n in pair] for pair in pads]
    if pairs[0] != [0, 0] or min(min(pair) for pair in pairs) < 0:
        raise UnsupportedModelError(f"expected padding of images, got {pairs}")
    flat = [n for pair in reversed(pairs) for n in pair]
    return F.pad(x, flat, value=0.0 if value is None else float(value))


def _mirror_pad(o: Options, x: Tensor, pads: Tensor) -> Tensor:
    """Reflections: without the border itself (mode 0), or with it (1)."""
    for axis, (before, after) in enumerate(pads.tolist()):
        held, own = x.shape[axis], int(o.get("Mode", 0)) == 0
        if axis == 0 and (before or after):
            raise UnsupportedModelError("expected padding of images, got more images")
        places = torch.arange(-before, held + after)
        low, high = (
            (-places, 2 * (held - 1) - places) if own else (-1 - places, 2 * held - 1 - places)
        )
        places = torch.where(places < 0, low, torch.where(places >= held, high, places))
        x = x.index_select(axis, places.to(x.device)) if before or after else x
    return x


def _transpose(_: Options, x: Tensor, order: Tensor) -> Tensor:
    axes = [int(axis) for axis in order]
    if axes[0] != 0:
        raise UnsupportedModelError(
            f"expected a TRANSPOSE that leaves the images first, got {axes}"
        )
    return x.permute(axes)


def _squeeze(o: Options, x: Tensor) -> Tensor:
    return x.reshape(-1, *[int(n) for n in o["out_shape"][1:]]) if o["out_shape"] else x


def _strided_slice(o: Options, x: Tensor, begin: Tensor, end: Tensor, strides: Tensor) -> Tensor:
    if o.get("EllipsisMask") or o.get("NewAxisMask") or o.get("Offset"):
        raise UnsupportedModelError("expected a plain STRIDED_SLICE, got one with new axes")
    index: list[Any] = []
    for axis, (first, last, step) in enumerate(
        zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)
    ):
        whole_begin, whole_end = (bool(o.get(n, 0) >> axis & 1) for n in ("BeginMask", "EndMask"))
        if axis == 0:
            # One image, or all: the batch is ours to choose.
            if step != 1 or not (whole_begin or first == 0) or o.get("ShrinkAxisMask", 0) & 1:
                raise UnsupportedModelError("expected a slice of each image, got one of the batch")
            index.append(slice(None))
        elif o.get("ShrinkAxisMask", 0) >> axis & 1:
            index.append(first)
        elif step < 1:
            raise UnsupportedModelError(f"expected steps forward in a STRIDED_SLICE, got {step}")
        else:
            index.append(slice(None if whole_begin else first, None if whole_end else last, step))
    return x[tuple(index)]


def _slice(_: Options, x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    index = [slice(None)]
    if int(begin[0]) != 0:
        raise UnsupportedModelError("expected a slice of each image, got one of the batch")
    for first, count in zip(begin.tolist()[1:], size.tolist()[1:], strict=True):
        index.append(slice(first, None if count < 0 else first + count))
    return x[tuple(index)]


def _split(o: Options, axis: Tensor, x: Tensor) -> Sequence[Tensor]:
    (place,) = _axes(axis, x.ndim)
    return x.chunk(int(o["NumSplits"]), place)


def _pack(o: Options, *parts: Tensor) -> Tensor:
    (axis,) = _axes(torch.tensor([o["Axis"]]), parts[0].ndim + 1)
    return torch.stack(_for_all(parts), axis)


def _resize(linear: bool) -> Callable[[Options, Tensor, Tensor], Tensor]:
    def run(o: Options, x: Tensor, size: Tensor) -> Tensor:
        if o.get("AlignCorners") and o.get("HalfPixelCenters"):
            raise UnsupportedModelError("expected one way to resize, got two")
        coordinates = "half_pixel" if o.get("HalfPixelCenters") else "asymmetric"
        coordinates = "align_corners" if o.get("AlignCorners") else coordinates
        wanted = [int(n) for n in size]
        return _last(resize(_first(x), wanted, linear=linear, coordinates=coordinates))

    return run


def _softmax(o: Options, x: Tensor) -> Tensor:
    return torch.softmax(x * float(o["Beta"]), -1)


def _prelu(_: Options, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * slope)


def _gelu(o: Options, x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh" if o.get("Approximate") else "none")


def _batch_matmul(o: Options, x: Tensor, y: Tensor) -> Tensor:
    x = x.transpose(-1, -2) if o.get("AdjX") else x
    return x @ (y.transpose(-1, -2) if o.get("AdjY") else y)


def _local_response(o: Options, x: Tensor) -> Tensor:
    radius = int(o["Radius"])
    sums = F.avg_pool1d(
        F.pad(x.square().flatten(0, 2).unsqueeze(1), (radius, radius)), 2 * radius + 1, 1
    ).reshape(x.shape) * (2 * radius + 1)
    return x / (float(o["Bias"]) + float(o["Alpha"]) * sums) ** float(o["Beta"])


def _depth_to_space(o: Options, x: Tensor) -> Tensor:
    size, (n, h, w, c) = int(o["BlockSize"]), x.shape
    x = x.reshape(n, h, w, size, size, c // size**2).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * size, w * size, c // size**2)


def _space_to_depth(o: Options, x: Tensor) -> Tensor:
    size, (n, h, w, c) = int(o["BlockSize"]), x.shape
    x = x.reshape(n, h // size, size, w // size, size, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // size, w // size, c * size**2)


def _l2(o: Options, x: Tensor) -> Tensor:
    return fused(o, x / x.square().sum(-1, keepdim=True).clamp_min(1e-12).sqrt())


IDENTITIES = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST"})
"""Between numbers and the same numbers stored otherwise; real numbers stay what they are."""

OPERATORS: dict[str, Operator] = {
    "CONV_2D": Operator(_conv, (2, 3), (1, (0, 3, 1, 2))),
    "DEPTHWISE_CONV_2D": Operator(_depthwise, (2, 3), (1, (3, 0, 1, 2))),
    "TRANSPOSE_CONV": Operator(_transpose_conv, (3, 4), (1, (3, 0, 1, 2)), (0,)),
    "FULLY_CONNECTED": Operator(_fully_connected, (2, 3), (1, (0, 1))),
    "AVERAGE_POOL_2D": Operator(_pool(onnx_windows.average_pool)),
    "MAX_POOL_2D": Operator(_pool(onnx_windows.max_pool)),
    "ADD": _binary(torch.add),
    "SUB": _binary(torch.sub),
    "MUL": _binary(torch.mul),
    "DIV": _binary(torch.div),
    "MAXIMUM": _binary(torch.maximum),
    "MINIMUM": _binary(torch.minimum),
    "POW": _binary(torch.pow),
    "SQUARED_DIFFERENCE": _binary(lambda x, y: (x - y).square()),
    "RELU": _unary(F.relu),
    "RELU6": _unary(F.relu6),
    "RELU_N1_TO_1": _unary(lambda x: x.clamp(-1, 1)),
    "RELU_0_TO_1": _unary(lambda x: x.clamp(0, 1)),
    "TANH": _unary(torch.tanh),
    "HARD_SWISH": _unary(F.hardswish),
    "ELU": _unary(F.elu),
    "EXP": _unary(torch.exp),
    "LOG": _unary(torch.log),
    "SQRT": _unary(torch.sqrt),
    "RSQRT": _unary(torch.rsqrt),
    "SQUARE": _unary(torch.square),
    "ABS": _unary(torch.abs),
    "NEG": _unary(torch.neg),
    "GELU": Operator(_gelu),
    "LEAKY_RELU": Operator(lambda o, x: F.leaky_relu(x, float(o["Alpha"]))),
    "PRELU": Operator(_prelu, (2, 2)),
    "LOGISTIC": Operator(lambda _, x: torch.sigmoid(x), head="Sigmoid"),
    "SOFTMAX": Operator(_softmax, head="Softmax"),
    "LOG_SOFTMAX": Operator(lambda _, x: torch.log_softmax(x, -1), head="LogSoftmax"),
    "L2_NORMALIZATION": Operator(_l2),
    "LOCAL_RESPONSE_NORMALIZATION": Operator(_local_response),
    "MEAN": _reduce(torch.mean),
    "SUM": _reduce(torch.sum),
    "REDUCE_MAX": _reduce(torch.amax),
    "REDUCE_MIN": _reduce(torch.amin),
    "RESHAPE": Operator(_reshape, (1, 2)),
    "SQUEEZE": Operator(_squeeze),
    "EXPAND_DIMS": Operator(_reshape, (2, 2)),
    "TRANSPOSE": Operator(_transpose, (2, 2), constants=(1,)),
    "CONCATENATION": Operator(_concatenation, (1, math.inf)),  # type: ignore[arg-type]
    "PACK": Operator(_pack, (1, math.inf)),  # type: ignore[arg-type]
    "SPLIT": Operator(_split, (2, 2), constants=(0,)),
    "PAD": Operator(_pad, (2, 2), constants=(1,)),
    "PADV2": Operator(_pad, (3, 3), constants=(1, 2)),
    "MIRROR_PAD": Operator(_mirror_pad, (2, 2), constants=(1,)),
    "SLICE": Operator(_slice, (3, 3), constants=(1, 2)),
    "STRIDED_SLICE": Operator(_strided_slice, (4, 4), constants=(1, 2, 3)),
    "RESIZE_BILINEAR": Operator(_resize(True), (2, 2), constants=(1,)),
    "RESIZE_NEAREST_NEIGHBOR": Operator(_resize(False), (2, 2), constants=(1,)),
    "BATCH_MATMUL": Operator(_batch_matmul, (2, 2)),
    "DEPTH_TO_SPACE": Operator(_depth_to_space),
    "SPACE_TO_DEPTH": Operator(_space_to_depth),
}
