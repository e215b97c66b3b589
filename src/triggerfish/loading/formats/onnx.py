"""ONNX models: parsed with the onnx package, run as steps of PyTorch functions.

Only operators of our table exist: no custom domains, no functions, no subgraphs. External data is
read from the model's own folder only.
"""

from __future__ import annotations

import importlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.guards.files import refuse_pointers_and_text
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.graph import GraphNetwork, Ref, Step, without_head
from triggerfish.loading.programs.onnx_operators import OPERATORS
from triggerfish.loading.weights.state_dict import as_state_dict

NAME = "ONNX model"
MAX_BYTES = 2 << 30  # of a protocol buffer
_IR_VERSION, _NEXT_FIELDS = b"\x08", b"\x12\x3a\x42\x1a\x22\x28\x32"


def _matches(path: Path, head: bytes) -> bool:
    # A model begins with its ir_version (field 1, a small number) and goes on with another field.
    looks_so = head[:1] == _IR_VERSION and head[1:2] < b"\x20" and head[2:3] in _NEXT_FIELDS
    return path.suffix == ".onnx" or (len(head) > 8 and looks_so)


def _read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    refuse_pointers_and_text(path, head)
    onnx = _import_onnx()
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError("expected an ONNX model below 2 GiB, got a larger file")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise CheckpointError(f"expected a whole ONNX model, got: {one_line(error)}") from error
    try:
        return _contents(model, path.parent)
    except (
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
        OSError,
        RuntimeError,
    ) as error:
        raise CheckpointError(
            f"expected a valid ONNX model, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _import_onnx() -> Any:  # noqa: ANN401 - the optional package
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise UnsupportedModelError(
            "expected the onnx package for an ONNX model, got none: pip install triggerfish[onnx]"
        ) from error


def _contents(model: Any, folder: Path) -> Contents:  # noqa: ANN401
    graph = model.graph
    _refuse_foreign(model)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    constants = {item.name: _tensor(item, folder) for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1 or not graph.output:
        raise UnsupportedModelError(
            f"expected a model from one image batch to logits, got {len(inputs)} inputs"
        )
    shape, channels_last, fixed_batch = _input(inputs[0])
    steps = []
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node, folder)
        else:
            steps.append(_step(node, folder, {"opset": opset, "fixed_batch": fixed_batch}))
    steps, output = without_head(steps, graph.output[0].name)
    network = GraphNetwork(inputs[0].name, as_state_dict(constants), steps, output)
    hints = Hints(f"{NAME} (file)", input_shape=shape, channels_last=channels_last or None)
    return Contents(hints, network=network)


def _refuse_foreign(model: Any) -> None:  # noqa: ANN401
    names = [node.op_type for node in model.graph.node if node.op_type != "Constant"]
    unknown = sorted({name for name in names if name not in OPERATORS})
    foreign = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if model.functions or foreign or unknown or model.graph.sparse_initializer:
        found = ", ".join(foreign + unknown) or "functions or sparse tensors"
        raise UnsupportedModelError(
            f"expected standard ONNX operators of an image classifier, got {found}: "
            "export with standard operators, or save the state dict"
        )


def _input(value: Any) -> tuple[tuple[int, int, int] | None, bool, bool]:  # noqa: ANN401
    """Shape (C, H, W) where the file says it, whether channels come last, whether N is fixed."""
    sizes = [d.dim_value for d in value.type.tensor_type.shape.dim]
    if len(sizes) != 4 or min(sizes[1:]) < 1:
        return None, False, bool(sizes) and sizes[0] == 1
    channels_last = sizes[3] <= 4 < sizes[1]
    shape = (sizes[3], sizes[1], sizes[2]) if channels_last else (sizes[1], sizes[2], sizes[3])
    return shape, channels_last, sizes[0] == 1


def _step(node: Any, folder: Path, context: dict[str, object]) -> Step:  # noqa: ANN401
    attributes = {**context, "outputs": len(node.output)}
    for attribute in node.attribute:
        value = _import_onnx().helper.get_attribute_value(attribute)
        attributes[attribute.name] = _tensor(value, folder) if hasattr(value, "raw_data") else value
    # Optional inputs are left out by an empty name.
    arguments = tuple(Ref(name) if name else None for name in node.input)
    run = partial(OPERATORS[node.op_type], attributes)
    outputs = tuple(node.output) if node.op_type == "Split" else (node.output[0],)
    return Step(node.op_type, run, arguments, outputs)


def _constant(node: Any, folder: Path) -> Tensor:  # noqa: ANN401
    value = _import_onnx().helper.get_attribute_value(node.attribute[0])
    return _tensor(value, folder) if hasattr(value, "raw_data") else torch.tensor(value)


def _tensor(item: Any, folder: Path) -> Tensor:  # noqa: ANN401
    """A tensor of the file; raises when it declares more than it holds."""
    onnx = _import_onnx()
    count = math.prod(item.dims)
    if min(item.dims, default=0) < 0:
        raise CheckpointError(f"expected sizes of {item.name} from 0 up, got {list(item.dims)}")
    if item.data_location == onnx.TensorProto.EXTERNAL:
        item.raw_data = _external(item, folder)
        item.data_location = onnx.TensorProto.DEFAULT
    held = len(item.raw_data) or item.ByteSize()
    if count > 8 * held:
        raise CheckpointError(f"expected {count} values of {item.name}, got {held} bytes")
    array = np.array(onnx.numpy_helper.to_array(item))
    return torch.from_numpy(array)


def _external(item: Any, folder: Path) -> bytes:  # noqa: ANN401
    """The bytes of a tensor that lies in another file, which must be in the model's folder."""
    entries = {entry.key: entry.value for entry in item.external_data}
    location = entries.get("location", "")
    path = (folder / location).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise CheckpointError(
            f"expected external data inside the model's folder, got {location!r}: copy it there"
        )
    with path.open("rb") as stream:
        stream.seek(int(entries.get("offset", 0)))
        length = int(entries.get("length", path.stat().st_size))
        data: bytes = stream.read(max(0, min(length, path.stat().st_size)))
    return data


FORMAT = Format(NAME, _matches, _read, program=True)
