"""Small TensorFlow Lite files, written with the schema's own package."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {
    np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2,
    np.dtype(np.uint8): 3, np.dtype(np.int64): 4, np.dtype(np.int8): 9,
}  # fmt: skip


@dataclass
class T:
    """A tensor: an array is a constant, a shape is computed."""

    value: NDArray[Any] | Sequence[int]
    scale: Sequence[float] = ()
    zero: Sequence[int] = ()
    axis: int = 0
    dtype: Any = np.float32


@dataclass
class Op:
    """An operator on tensors by their numbers."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    kind: str = "NONE"
    options: Mapping[str, Any] = field(default_factory=dict)


def tflite_file(
    tensors: Sequence[T], operators: Sequence[Op], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """The bytes of a model with one graph."""
    flatbuffers = importlib.import_module("flatbuffers")
    b = flatbuffers.Builder(1024)
    codes = [op.name for op in operators]
    held = [_offsets(b, [_code(b, name) for name in codes])]
    graph = _table(
        b,
        "SubGraph",
        Tensors=_offsets(b, [_tensor(b, i, t) for i, t in enumerate(tensors)]),
        Inputs=_ints(b, inputs),
        Outputs=_ints(b, outputs),
        Operators=_offsets(b, [_operator(b, i, op) for i, op in enumerate(operators)]),
    )
    buffers = [_table(b, "Buffer")]
    for t in tensors:
        data = t.value.tobytes() if isinstance(t.value, np.ndarray) else b""
        vector = b.CreateByteVector(data) if data else None
        buffers.append(_table(b, "Buffer", **({"Data": vector} if data else {})))
    made = {"Subgraphs": _offsets(b, [graph]), "Buffers": _offsets(b, buffers)}
    root = _table(b, "Model", Version=3, OperatorCodes=held[0], **made)
    b.Finish(root, file_identifier=b"TFL3")
    return bytes(b.Output())


def _table(b: Any, kind: str, **values: Any) -> int:
    module = importlib.import_module(f"tflite.{kind}")
    getattr(module, f"{kind}Start")(b)
    for name, value in values.items():
        getattr(module, f"{kind}Add{name}")(b, value)
    return int(getattr(module, f"{kind}End")(b))


def _offsets(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _ints(b: Any, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.array(values, np.int32)))


def _code(b: Any, name: str) -> int:
    number = getattr(importlib.import_module("tflite").BuiltinOperator, name)
    return _table(
        b, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, Version=1
    )


def _operator(b: Any, index: int, op: Op) -> int:
    values: dict[str, Any] = {}
    if op.kind != "NONE":
        options = {
            key: _ints(b, value) if isinstance(value, (list, tuple)) else value
            for key, value in op.options.items()
        }
        kinds = importlib.import_module("tflite").BuiltinOptions
        values["BuiltinOptionsType"] = getattr(kinds, op.kind)
        values["BuiltinOptions"] = _table(b, op.kind, **options)
    return _table(
        b, "Operator", OpcodeIndex=index, Inputs=_ints(b, op.inputs),
        Outputs=_ints(b, op.outputs), **values,
    )  # fmt: skip


def _tensor(b: Any, index: int, t: T) -> int:
    constant = isinstance(t.value, np.ndarray)
    shape = t.value.shape if isinstance(t.value, np.ndarray) else t.value
    dtype = t.value.dtype if isinstance(t.value, np.ndarray) else np.dtype(t.dtype)
    values: dict[str, Any] = {}
    if t.scale:
        scale = b.CreateNumpyVector(np.array(t.scale, np.float32))
        zero = b.CreateNumpyVector(np.array(t.zero or [0] * len(t.scale), np.int64))
        values["Quantization"] = _table(
            b, "QuantizationParameters", Scale=scale, ZeroPoint=zero, QuantizedDimension=t.axis
        )
    name = b.CreateString(f"t{index}")
    return _table(
        b, "Tensor", Shape=_ints(b, shape), Type=TYPES[dtype], Name=name,
        Buffer=index + 1 if constant else 0, **values,
    )  # fmt: skip
