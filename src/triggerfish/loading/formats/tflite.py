"""TensorFlow Lite models: the graph in the file, run as steps of PyTorch functions.

Weights are dequantised, whether all of a tensor or each channel has a scale; activations stay real
numbers, kept within what their integers can hold, not rounded. Operators are those of our table.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats.keras_input import OtherRank
from triggerfish.loading.guards.tflite_file import (
    OperatorInfo,
    Program,
    Quantization,
    TensorInfo,
    read_program,
)
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.graph_network import GraphNetwork, without_head
from triggerfish.loading.programs.steps import Ref, Step
from triggerfish.loading.programs.tflite_operators import IDENTITIES, OPERATORS
from triggerfish.loading.weights.state_dict import checked

NAME = "TensorFlow Lite model"
MAGIC, MAGIC_AT = b"TFL3", 4
MAX_BYTES = 2 << 30
_USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-128.0, 127.0))
_MOST_CHANNELS = 4
_FLOATS = (0, 1, 10)  # of the schema's types
# How many inputs of an operator are values; what follows is a shape that its result declares, too.
_VALUES = {"RESHAPE": 1, "EXPAND_DIMS": 1, "SQUEEZE": 1}
_ALIKE = 0.01  # of a range: calibration ends at the largest value that it saw


def read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError("expected a TensorFlow Lite model below 2 GiB, got a larger file")
    try:
        return _contents(read_program(path.read_bytes()))
    except (
        struct.error,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
        OverflowError,
        RuntimeError,
    ) as error:
        raise CheckpointError(
            f"expected a whole TensorFlow Lite model, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _contents(program: Program) -> Contents:
    shapes = [program.tensors[i].shape for i in program.inputs]
    if len(shapes) != 1 or len(program.outputs) != 1:
        raise UnsupportedModelError(
            f"expected one image batch and one output, got {len(shapes)} and {len(program.outputs)}"
        )
    needed = _needed(program)
    unknown = sorted({o.name for o in needed if o.name not in OPERATORS.keys() | IDENTITIES})
    if unknown:
        raise UnsupportedModelError(
            f"expected operators of an image classifier, got {', '.join(unknown)}: "
            "convert the model to ONNX with python -m tf2onnx.convert --tflite"
        )
    builder = _Builder(program, needed)
    source, output = str(program.inputs[0]), str(program.outputs[0])
    steps, output = without_head(builder.steps, builder.alias.get(output, output))
    network: nn.Module = GraphNetwork(source, checked(builder.constants), steps, output)
    rank, hints = _hints(program.tensors[program.inputs[0]])
    return Contents(hints, network=network if rank == 4 else OtherRank(network, rank))


def _needed(program: Program) -> tuple[OperatorInfo, ...]:
    """The operators that the output depends on, shapes that are only computed left out."""
    wanted, kept = set(program.outputs), []
    for item in reversed(program.operators):
        if wanted & set(item.outputs):
            kept.append(item)
            wanted |= set(item.inputs[: _VALUES.get(item.name)])
    return tuple(reversed(kept))


class _Builder:
    """Steps and constants of a graph; ``alias`` names what is only stored otherwise."""

    def __init__(self, program: Program, operators: Sequence[OperatorInfo]) -> None:
        self.tensors = program.tensors
        self.constants: dict[str, Tensor] = {}
        self.alias: dict[str, str] = {}
        self.steps: list[Step] = []
        self._heads: set[str] = set()
        for item in operators:
            if item.name in IDENTITIES:
                self._identity(item)
            else:
                self._add(item)

    def _add(self, item: OperatorInfo) -> None:
        operator = OPERATORS[item.name]
        given = item.inputs[: _VALUES.get(item.name)]
        least, most = operator.inputs
        if not least <= len(item.inputs) <= most or min(given[:least], default=0) < 0:
            raise CheckpointError(f"expected the inputs of {item.name}, got {len(item.inputs)}")
        arguments: list[object] = []
        for place, number in enumerate(given):
            if operator.kernel and operator.kernel[0] == place:
                arguments.append(self._kernel(item.name, number, operator.kernel[1]))
            elif place in operator.constants:
                arguments.append(self._known(item.name, number))
            else:
                arguments.append(Ref(self._value(number)) if number >= 0 else None)
        info = self.tensors[item.outputs[0]]
        options = {**item.options, "out_shape": info.shape}
        name = operator.head or item.name
        if item.name == "SOFTMAX" and item.options.get("Beta") != 1.0:
            name = item.name
        limits = None if operator.head or len(item.outputs) > 1 else _limits(info)
        run = partial(_limited, operator.run, options, limits)
        self.steps.append(Step(name, run, tuple(arguments), tuple(map(str, item.outputs))))
        if operator.head:
            self._heads.add(str(item.outputs[0]))

    def _identity(self, item: OperatorInfo) -> None:
        number, output = item.inputs[0], item.outputs[0]
        before, after = self.tensors[number], self.tensors[output]
        if before.data is not None:
            self.constants[str(output)] = _constant(before)
            return
        if item.name == "CAST" and after.kind not in _FLOATS and after.kind != before.kind:
            raise UnsupportedModelError("expected real numbers, got a CAST to whole ones")
        source = self._value(number)
        limits = _limits(after)
        if item.name != "QUANTIZE" or limits is None or source in self._heads:
            self.alias[str(output)] = source
            return
        run = partial(_limited, lambda _, x: x, {}, limits)
        self.steps.append(Step(item.name, run, (Ref(source),), (str(output),)))

    def _value(self, number: int) -> str:
        name = self.alias.get(str(number), str(number))
        info = self.tensors[number]
        if info.data is not None and name not in self.constants:
            self.constants[name] = _constant(info)
        return name

    def _kernel(self, operator: str, number: int, order: tuple[int, ...]) -> Ref:
        value = self.constants[self._value(number)] if number >= 0 else torch.empty(0)
        if value.ndim != len(order):
            raise UnsupportedModelError(f"expected a constant kernel of {operator}, got none")
        name = f"{number} as {order}"
        self.constants[name] = value.permute(order).contiguous()
        return Ref(name)

    def _known(self, operator: str, number: int) -> Tensor:
        info = self.tensors[number]
        if info.data is None:
            raise UnsupportedModelError(f"expected constant arguments of {operator}, got others")
        return _constant(info)


def _limited(
    run: Callable[..., object],
    options: Mapping[str, object],
    limits: tuple[float, float] | None,
    *values: object,
) -> object:
    found = run(options, *values)
    return found if limits is None or not isinstance(found, Tensor) else found.clamp(*limits)


def _limits(info: TensorInfo) -> tuple[float, float] | None:
    """What the integers of a tensor that is computed can hold; None of real numbers."""
    span, quantization = info.integer_range, info.quantization
    if span is None or quantization is None or len(quantization.scale) != 1:
        return None
    scale, zero = float(quantization.scale[0]), int(quantization.zero_point[0])
    return scale * (span[0] - zero), scale * (span[1] - zero)


def _constant(info: TensorInfo) -> Tensor:
    """Real numbers of a constant; whole ones where it has no scale."""
    data, quantization = info.data, info.quantization
    assert data is not None
    if quantization is None:
        return torch.from_numpy(data.astype(np.float32 if data.dtype.kind == "f" else np.int64))
    return torch.from_numpy(_dequantised(data.astype(np.float64), quantization, info.name))


def _dequantised(data: NDArray[np.float64], q: Quantization, name: str) -> NDArray[np.float32]:
    shape = [1] * data.ndim
    if len(q.scale) > 1:
        if not 0 <= q.axis < data.ndim or data.shape[q.axis] != len(q.scale):
            raise CheckpointError(f"expected a scale for each channel of {name}, got {q.axis}")
        shape[q.axis] = len(q.scale)
    zero = np.broadcast_to(q.zero_point, q.scale.shape).reshape(shape)
    return ((data - zero) * q.scale.reshape(shape)).astype(np.float32)


def _hints(image: TensorInfo) -> tuple[int, Hints]:
    """The input's rank, and what the file says of pictures."""
    sizes = [size if size > 0 else None for size in image.shape]
    shape: tuple[int, int, int] | None = None
    first = False
    match sizes[1:]:
        case [int(a), int(b), int(c)]:
            first = a <= _MOST_CHANNELS < c
            shape = (a, b, c) if first else (c, a, b)
        case [int(height), int(width)]:
            shape = (1, height, width)
        case [int(values)] if math.isqrt(values) ** 2 == values:
            shape = (1, math.isqrt(values), math.isqrt(values))
        case [_, _, _]:
            pass
        case _:
            raise UnsupportedModelError(f"expected a batch of pictures, got {list(image.shape)}")
    span = _range(image)
    return len(sizes), Hints(
        f"{NAME} (file)",
        input_shape=shape,
        mean=(0.0,) if span else None,
        std=(1.0,) if span else None,
        input_range=span,
        channels_last=True if len(sizes) == 4 and not first else None,
    )


def _range(image: TensorInfo) -> tuple[float, float] | None:
    """The range of the input, where whole numbers stand for a usual one of pictures."""
    limits = _limits(image)
    if limits is None:
        return (0.0, 255.0) if image.integer_range == (0, 255) else None
    span = limits[1] - limits[0]
    for low, high in _USUAL_RANGES:
        if max(abs(limits[0] - low), abs(limits[1] - high)) < _ALIKE * span:
            return (low, high)
    return None
