"""ONNX operators as PyTorch functions: attributes and tensors in, tensor out.

From the specification at https://onnx.ai/onnx/operators/, opsets 7 to 23, as far as image
classifiers go. Axes, shapes and bounds come as attributes in old opsets and as tensors in new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from triggerfish.loading.programs.onnx_windows import (
    average_pool,
    conv,
    conv_transpose,
    max_pool,
    pad,
)

Attributes = Mapping[str, Any]
Operator = Callable[..., object]


def _ints(given: Tensor | Sequence[int] | None) -> list[int] | None:
    """Axes or sizes, as a list, from a tensor or an attribute."""
    if given is None:
        return None
    return [int(v) for v in (given.flatten().tolist() if isinstance(given, Tensor) else given)]


def _gemm(a: Attributes, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
    x = x.T if a.get("transA") else x
    y = y.T if a.get("transB") else y
    product = (x @ y) * float(a.get("alpha", 1.0))
    return product if bias is None else product + bias * float(a.get("beta", 1.0))


def _batch_norm(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, var, scale, bias, training=False, eps=a.get("epsilon", 1e-5))


def _layer_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[a.get("axis", -1) :]
    return F.layer_norm(x, shape, scale.expand(shape), bias, eps=a.get("epsilon", 1e-5))


def _reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(_ints(shape) or [])]
    if a.get("fixed_batch") and sizes and sizes[0] == 1:
        # Exported for one image: the first axis is the batch all the same.
        sizes[0] = x.shape[0]
    return x.reshape(sizes)


def _flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1) % (x.ndim + 1)
    return x.reshape(x.shape[:axis].numel(), -1)


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def run(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor:
        axes = _ints(a.get("axes") if given is None else given) or list(range(x.ndim))
        return function(x, dim=axes, keepdim=bool(a.get("keepdims", 1)))

    return run


def _squeeze(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor:
    axes = _ints(a.get("axes") if given is None else given)
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor:
    axes = _ints(a.get("axes") if given is None else given) or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(a: Attributes, x: Tensor, *given: Tensor | None) -> Tensor:
    values = [_ints(v) for v in (*given, *[None] * (4 - len(given)))]
    starts, ends = values[0] or a["starts"], values[1] or a["ends"]
    axes = values[2] or a.get("axes") or list(range(len(starts)))
    for start, end, axis, step in zip(
        starts, ends, axes, values[3] or [1] * len(axes), strict=True
    ):
        if step < 1:
            raise ValueError(f"expected a positive step in Slice, got {step}")
        index = [slice(None)] * x.ndim
        index[axis] = slice(start, end, step)
        x = x[tuple(index)]
    return x


def _gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0) % x.ndim
    picked = x.index_select(axis, index.flatten().long() % x.shape[axis])
    return picked.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _split(a: Attributes, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = a.get("axis", 0)
    sizes = _ints(a.get("split") if given is None else given)
    count = int(a.get("num_outputs", a["outputs"]))
    return torch.split(x, sizes, axis) if sizes else torch.chunk(x, count, axis)


def _cast(a: Attributes, x: Tensor, *_: Tensor) -> Tensor:
    # Between floating types the network's own precision stays.
    if a.get("to") in (1, 10, 11, 16, None):
        return x if x.is_floating_point() else x.float()
    return x.bool() if a["to"] == 9 else x.long()


def _clip(
    a: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None
) -> Tensor:
    smallest = a.get("min") if low is None else float(low)
    largest = a.get("max") if high is None else float(high)
    return x if smallest is largest is None else x.clamp(smallest, largest)


def _softmax(function: Callable[..., Tensor]) -> Operator:
    def run(a: Attributes, x: Tensor) -> Tensor:
        return function(x, dim=a.get("axis", -1 if a["opset"] >= 13 else 1))

    return run


def _constant_of_shape(a: Attributes, shape: Tensor) -> Tensor:
    value = a.get("value")
    fill = value.flatten()[0] if value is not None else torch.tensor(0.0)
    return fill.expand(_ints(shape) or [])


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def run(_: Attributes, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = function(first, other)
        return first

    return run


def _plain(function: Callable[..., Tensor]) -> Operator:
    return lambda _, *inputs: function(*inputs)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


OPERATORS: dict[str, Operator] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "Pad": pad,
    "Gemm": _gemm,
    "MatMul": _plain(torch.matmul),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": lambda a, x, s, b: F.instance_norm(
        x, weight=s, bias=b, eps=a.get("epsilon", 1e-5)
    ),
    "LayerNormalization": _layer_norm,
    "LRN": lambda a, x: F.local_response_norm(
        x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    ),
    "GlobalAveragePool": lambda _, x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda _, x: x.amax(dim=tuple(range(2, x.ndim)), keepdim=True),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "ReduceL2": _reduce(torch.linalg.vector_norm),
    "Relu": _plain(F.relu),
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "PRelu": lambda _, x, slope: torch.where(x >= 0, x, slope * x),
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Selu": _plain(F.selu),
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", b"none").decode()),
    "Sigmoid": _plain(torch.sigmoid),
    "HardSigmoid": lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": _plain(F.hardswish),
    "Tanh": _plain(torch.tanh),
    "Softplus": _plain(F.softplus),
    "Softsign": _plain(F.softsign),
    "Mish": _plain(F.mish),
    "Erf": _plain(torch.erf),
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
    "Clip": _clip,
    "Add": _plain(torch.add),
    "Sub": _plain(torch.sub),
    "Mul": _plain(torch.mul),
    "Div": _plain(_divide),
    "Pow": _plain(torch.pow),
    "Sqrt": _plain(torch.sqrt),
    "Exp": _plain(torch.exp),
    "Log": _plain(torch.log),
    "Neg": _plain(torch.neg),
    "Abs": _plain(torch.abs),
    "Reciprocal": _plain(torch.reciprocal),
    "Floor": _plain(torch.floor),
    "Ceil": _plain(torch.ceil),
    "Min": _many(torch.minimum),
    "Max": _many(torch.maximum),
    "Sum": _many(torch.add),
    "Equal": _plain(torch.eq),
    "Where": _plain(torch.where),
    "Concat": lambda a, *inputs: torch.cat(inputs, dim=a["axis"]),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": lambda a, x: x.permute(a.get("perm", tuple(range(x.ndim))[::-1])),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "Expand": lambda _, x, shape: x * torch.ones(_ints(shape) or [], dtype=x.dtype),
    "Tile": lambda _, x, repeats: x.repeat(_ints(repeats) or []),
    "Shape": lambda _, x: torch.tensor(x.shape),
    "ConstantOfShape": _constant_of_shape,
    "Cast": _cast,
    "Identity": _plain(lambda x: x),
    "Dropout": lambda _, x, *__: x,
    "DepthToSpace": lambda a, x: F.pixel_shuffle(x, a["blocksize"]),
}
