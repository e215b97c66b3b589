"""A TensorFlow Lite file as plain data: its tensors and operators, within bounds.

The schema is that of the ``tflite`` package: Python over bytes, so a wrong offset raises.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triggerfish.errors import CheckpointError, UnsupportedModelError

MAX_ITEMS = 20_000
"""Tensors, operators and buffers of a network; MobileNets have some two hundred."""
MAX_RANK = 8
MAX_DESCRIBED = 1 << 30
"""Values that a constant may have."""
_DTYPES = {
    0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16,
    9: np.int8, 10: np.float64, 15: np.uint32, 16: np.uint16,
}  # fmt: skip
_INT4 = 17


@dataclass(frozen=True)
class Quantization:
    """``value = scale * (stored - zero_point)``, one of each or one a channel on ``axis``."""

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int


@dataclass(frozen=True)
class TensorInfo:
    """A tensor: ``shape`` with -1 for what is open, ``kind`` its type, ``data`` of a constant."""

    name: str
    shape: tuple[int, ...]
    kind: int
    quantization: Quantization | None
    data: NDArray[Any] | None

    @property
    def integer_range(self) -> tuple[int, int] | None:
        """Smallest and largest stored number of an integer of at most 16 bits."""
        dtype = _DTYPES.get(self.kind)
        if dtype is None or not np.issubdtype(dtype, np.integer) or np.dtype(dtype).itemsize > 2:
            return None
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


@dataclass(frozen=True)
class OperatorInfo:
    """An operator's ``name``, its options by name, and the numbers of its tensors (-1 for none)."""

    name: str
    options: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """The one graph of a file."""

    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_program(data: bytes) -> Program:
    """The graph in a file's bytes.

    Raises `CheckpointError` for a damaged file, `UnsupportedModelError` for one with several
    graphs, sparse tensors, or operators that the schema does not know.
    """
    schema = _schema()
    model = schema.Model.GetRootAs(data, 0)
    if model.Version() != 3:
        raise UnsupportedModelError(f"expected version 3 of the format, got {model.Version()}")
    if model.SubgraphsLength() != 1:
        raise UnsupportedModelError(
            f"expected one graph in the file, got {model.SubgraphsLength()}: "
            "convert the model with one signature and without loops"
        )
    graph = model.Subgraphs(0)
    for count in (graph.TensorsLength(), graph.OperatorsLength(), model.OperatorCodesLength()):
        _bounded(count)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    codes = [_code(model.OperatorCodes(i), names) for i in range(model.OperatorCodesLength())]
    return Program(
        tuple(_tensor(graph.Tensors(i), model) for i in range(graph.TensorsLength())),
        tuple(_operator(graph.Operators(i), codes, schema) for i in range(graph.OperatorsLength())),
        _numbers(graph, "Inputs"),
        _numbers(graph, "Outputs"),
    )


def _schema() -> Any:  # noqa: ANN401 - the optional package
    try:
        return importlib.import_module("tflite")
    except ImportError as error:
        raise UnsupportedModelError(
            "expected the tflite package for a TensorFlow Lite model, got none: "
            "pip install 'triggerfish[tflite]'"
        ) from error


def _bounded(count: int) -> int:
    if not 0 <= count <= MAX_ITEMS:
        raise CheckpointError(f"expected at most {MAX_ITEMS} of a kind, got {count}")
    return count


def _numbers(table: Any, name: str) -> tuple[int, ...]:  # noqa: ANN401
    _bounded(getattr(table, f"{name}Length")())
    values = getattr(table, f"{name}AsNumpy")()
    return () if isinstance(values, int) else tuple(int(value) for value in values)


def _code(code: Any, names: Mapping[int, str]) -> str:  # noqa: ANN401
    # Files from before version 3a of the schema have the number in the deprecated field alone.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    custom = (code.CustomCode() or b"").decode("utf-8", "replace")[:80]
    return f"custom {custom}" if custom else names.get(number, f"number {number}")


def _operator(item: Any, codes: list[str], schema: Any) -> OperatorInfo:  # noqa: ANN401
    if item.BuiltinOptions2Type():
        raise UnsupportedModelError("expected TensorFlow Lite's own operators, got StableHLO's")
    kinds = {v: k for k, v in vars(schema.BuiltinOptions).items() if isinstance(v, int)}
    kind = kinds.get(item.BuiltinOptionsType(), "NONE")
    options: dict[str, Any] = {"kind": kind}
    table = item.BuiltinOptions()
    if kind != "NONE" and table is not None:
        read = getattr(schema, kind)()
        read.Init(table.Bytes, table.Pos)
        options |= _options(read)
    return OperatorInfo(
        codes[item.OpcodeIndex()], options, _numbers(item, "Inputs"), _numbers(item, "Outputs")
    )


def _options(table: Any) -> dict[str, Any]:  # noqa: ANN401
    """All fields of a table of options; vectors are tuples."""
    found: dict[str, Any] = {}
    getters = [name for name in vars(type(table)) if name[0].isupper() and "GetRoot" not in name]
    for name in getters:
        if name.endswith(("AsNumpy", "Length", "IsNone", "HasIdentifier")) or name == "Init":
            continue
        vector = f"{name}AsNumpy" in getters
        found[name] = _numbers(table, name) if vector else getattr(table, name)()
    return found


def _tensor(item: Any, model: Any) -> TensorInfo:  # noqa: ANN401
    name = (item.Name() or b"").decode("utf-8", "replace")[:200]
    shape = _numbers(item, "ShapeSignature") or _numbers(item, "Shape")
    if item.Sparsity() is not None or len(shape) > MAX_RANK:
        raise UnsupportedModelError(f"expected dense tensors of up to {MAX_RANK} axes, got {name}")
    return TensorInfo(name, shape, item.Type(), _quantization(item), _data(item, model, name))


def _quantization(item: Any) -> Quantization | None:  # noqa: ANN401
    found = item.Quantization()
    if found is None or found.ScaleLength() == 0:
        return None
    if found.DetailsType():
        raise UnsupportedModelError("expected TensorFlow Lite's own quantization, got another")
    scale = np.array(found.ScaleAsNumpy(), np.float32)
    zero = np.zeros(len(scale), np.int64)
    if found.ZeroPointLength():
        zero = np.array(found.ZeroPointAsNumpy(), np.int64)
    if len(zero) not in (1, len(scale)) or not (np.isfinite(scale) & (scale >= 0)).all():
        raise CheckpointError("expected scales and zero points of a quantization, got broken ones")
    return Quantization(scale, zero, found.QuantizedDimension())


def _data(item: Any, model: Any, name: str) -> NDArray[Any] | None:  # noqa: ANN401
    """The values of a constant, None of a tensor that is computed."""
    if item.Buffer() >= _bounded(model.BuffersLength()):
        raise CheckpointError(f"expected a buffer of the file for {name}, got {item.Buffer()}")
    buffer = model.Buffers(item.Buffer())
    if buffer.Offset() > 1 or buffer.Size() > 1:
        raise UnsupportedModelError("expected a model below 2 GiB, got weights after its end")
    if buffer.DataLength() == 0:
        return None
    stored, shape = buffer.DataAsNumpy(), _numbers(item, "Shape")
    count = math.prod(shape)
    if item.Type() == _INT4:
        nibbles = np.stack([stored << 4, stored], 1).reshape(-1).view(np.int8) >> 4
        values = nibbles[:count]
    elif item.Type() in _DTYPES:
        values = np.frombuffer(stored.tobytes(), _DTYPES[item.Type()])
    else:
        raise UnsupportedModelError(f"expected numbers in {name}, got type {item.Type()}")
    if not 0 <= count <= MAX_DESCRIBED or min(shape, default=0) < 0 or len(values) != count:
        raise CheckpointError(f"expected {shape} values of {name}, got {len(values)}")
    return values.reshape(shape)
