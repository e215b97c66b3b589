"""How an ONNX operator is run here: a function of PyTorch, else the reference evaluator of onnx."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triggerfish.loading.programs.onnx_operators import OPERATORS

Attributes = Mapping[str, Any]
# onnx.TensorProto.DataType
_DTYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32,
    7: torch.int64, 9: torch.bool, 10: torch.float32, 11: torch.float64, 16: torch.float32,
}  # fmt: skip


def _cast(a: Attributes, x: Tensor) -> Tensor:
    wanted = _DTYPES[int(a["to"])]
    return x if x.is_floating_point() and wanted.is_floating_point else x.to(wanted)


def _argmax(function: Callable[..., Tensor], a: Attributes, x: Tensor) -> Tensor:
    return function(x, dim=a.get("axis", 0), keepdim=bool(a.get("keepdims", 1)))


def _topk(a: Attributes, x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.topk(x, int(k), dim=a.get("axis", -1), largest=bool(a.get("largest", 1)))
    return found.values, found.indices


def _prod(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    given = a.get("axes") if axes is None else axes.tolist()
    keep = bool(a.get("keepdims", 1))
    for axis in sorted((int(v) % x.ndim for v in (given or range(x.ndim))), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _scatter_nd(_: Attributes, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    return x.index_put(tuple(indices.unbind(-1)), updates.to(x.dtype))


def _gather_nd(a: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    if a.get("batch_dims", 0):
        raise NotImplementedError("batch_dims")
    return x[tuple(indices.unbind(-1))]


def _gather(a: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis = int(a.get("axis", 0)) % max(x.ndim, 1)
    places = torch.where(indices < 0, indices + x.shape[axis], indices)
    rows = x.index_select(axis, places.flatten().long())
    return rows.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def _nonzero(_: Attributes, x: Tensor) -> Tensor:
    return x.nonzero().T


def _mod(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return torch.fmod(x, y) if a.get("fmod") else torch.remainder(x, y)


def _resize(a: Attributes, x: Tensor, *given: Tensor | None) -> Tensor:
    """Nearest and linear resizing of the last two axes, near enough to look at values."""
    scales, sizes = (*given, None, None, None)[1:3]
    mode = a.get("mode", b"nearest").decode()
    align = a.get("coordinate_transformation_mode", b"half_pixel") == b"align_corners"
    ways: dict[str, dict[str, Any]] = {
        "nearest": {"mode": "nearest"},
        "linear": {"mode": "bilinear", "align_corners": align},
        "cubic": {"mode": "bicubic", "align_corners": align},
    }
    size = (
        [int(v) for v in sizes.tolist()[2:]]
        if sizes is not None and sizes.numel()
        else [int(n * s) for n, s in zip(x.shape[2:], scales.tolist()[2:], strict=True)]  # type: ignore[union-attr]
    )
    return torch.nn.functional.interpolate(x, size, **ways[mode])


def _two(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda _, *given: function(*given)


def _grouped_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return torch.nn.functional.group_norm(x, a["num_groups"], scale, bias, a.get("epsilon", 1e-5))


RUNS: Mapping[str, Callable[..., object]] = {
    "Cast": _cast,
    "CastLike": lambda _, x, y: x.to(y.dtype),
    "Greater": _two(torch.gt),
    "Less": _two(torch.lt),
    "GreaterOrEqual": _two(torch.ge),
    "LessOrEqual": _two(torch.le),
    "And": _two(torch.logical_and),
    "Or": _two(torch.logical_or),
    "Xor": _two(torch.logical_xor),
    "Not": _two(torch.logical_not),
    "IsNaN": _two(torch.isnan),
    "IsInf": _two(torch.isinf),
    "Sign": _two(torch.sign),
    "Round": _two(torch.round),
    "Sin": _two(torch.sin),
    "Cos": _two(torch.cos),
    "ArgMax": partial(_argmax, torch.argmax),
    "ArgMin": partial(_argmax, torch.argmin),
    "TopK": _topk,
    "ReduceProd": _prod,
    "ScatterND": _scatter_nd,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "GatherElements": lambda a, x, i: torch.gather(x, a.get("axis", 0), i),
    "ScatterElements": lambda a, x, i, u: torch.scatter(x, a.get("axis", 0), i, u),
    "NonZero": _nonzero,
    "Mod": _mod,
    "Resize": _resize,
    "Size": lambda _, x: torch.tensor(x.numel()),
    "Range": lambda _, low, high, step: torch.arange(low.item(), high.item(), step.item()),
    "GroupNormalization": _grouped_norm,
    "Trilu": lambda a, x, k=None: (torch.triu if a.get("upper", 1) else torch.tril)(
        x, 0 if k is None else int(k)
    ),
    "Einsum": lambda a, *x: torch.einsum(a["equation"].decode(), *x),
    "CumSum": lambda a, x, axis: torch.cumsum(x, int(axis)),
    "Celu": lambda a, x: torch.celu(x, a.get("alpha", 1.0)),
    "BitwiseAnd": _two(torch.bitwise_and),
    "BitwiseOr": _two(torch.bitwise_or),
    "BitwiseNot": _two(torch.bitwise_not),
    "BitwiseXor": _two(torch.bitwise_xor),
    "Sqrt": _two(torch.sqrt),
    "Mean": lambda _, *x: sum(x[1:], x[0]) / len(x),
}


def runner(
    node: Any,  # noqa: ANN401
    attributes: Attributes,
    opset: int,
    used: int,
) -> Callable[..., object] | None:
    """How to run a node of the standard domain, of whose outputs the first ``used`` are named."""
    name = node.op_type
    context = {**attributes, "opset": opset, "outputs": used, "fixed_batch": False}
    if name in RUNS:
        return partial(RUNS[name], context)
    if name in OPERATORS and (used == 1 or name == "Split"):
        return partial(OPERATORS[name].run, context)
    if name in ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"):
        return None
    return partial(_reference, node, opset, used)


def _reference(node: Any, opset: int, used: int, *given: Tensor | None) -> object:  # noqa: ANN401
    """One node in the reference evaluator of onnx, through numpy and without gradients."""
    onnx = importlib.import_module("onnx")
    reference = importlib.import_module("onnx.reference")
    places = [f"i{i}" if x is not None else "" for i, x in enumerate(given)]
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.input[:], copy.output[:]
    copy.input.extend(places)
    copy.output.extend(f"o{i}" for i in range(used))
    graph = onnx.helper.make_graph(
        [copy],
        "one",
        [onnx.helper.make_tensor_value_info(p, 1, None) for p in places if p],
        [onnx.helper.make_tensor_value_info(o, 1, None) for o in copy.output],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    feeds = {p: np.asarray(x.detach()) for p, x in zip(places, given, strict=True) if x is not None}
    results = reference.ReferenceEvaluator(model).run(None, feeds)
    tensors = tuple(torch.from_numpy(np.array(r)) for r in results)
    return tensors[0] if used == 1 else tensors
