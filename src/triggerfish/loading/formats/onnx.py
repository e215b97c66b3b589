"""ONNX models: parsed with the onnx package, run as steps of PyTorch functions.

Only operators of our table exist: no custom domains, no functions, no subgraphs. External data is
read from the model's own folder only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.guards.beginnings import refuse_pointers_and_text
from triggerfish.loading.guards.onnx_file import import_onnx, parse_onnx, read_tensor
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.batches import FixedBatch
from triggerfish.loading.programs.graph_network import GraphNetwork, in_single_precision
from triggerfish.loading.programs.onnx_operators import OPERATORS, OPSETS
from triggerfish.loading.programs.steps import Ref, Step
from triggerfish.loading.weights.state_dict import checked

NAME = "ONNX model"
_CONSTANTS = {"value", "value_float", "value_floats", "value_int", "value_ints"}
MAX_BATCH = 256
_UINT8 = 2  # onnx.TensorProto.DataType


def read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    refuse_pointers_and_text(path, head)
    model = parse_onnx(path)
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


def _contents(model: Any, folder: Path) -> Contents:  # noqa: ANN401
    graph = model.graph
    _refuse_foreign(model)
    held = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in held]
    if len(inputs) != 1 or not graph.output:
        raise UnsupportedModelError(
            f"expected a model from one image batch to logits, got {len(inputs)} inputs"
        )
    declared = _input(inputs[0])
    constants, steps = read_steps(graph, folder, opset_of(model))
    names = {item.name: item.name for item in graph.output}
    values = in_single_precision(checked(constants))
    network = GraphNetwork(inputs[0].name, values, steps, names)
    if len(names) == 1:
        network = network.only(next(iter(names)))
    hints = Hints(
        f"{NAME} (file)",
        input_shape=declared.shape,
        channels_last=declared.channels_last or None,
        input_range=(0.0, 255.0) if declared.whole_bytes else None,
    )
    return Contents(
        hints, network=FixedBatch(network, declared.batch) if declared.batch else network
    )


def read_steps(
    graph: Any,  # noqa: ANN401
    folder: Path,
    opset: int,
) -> tuple[dict[str, Tensor], list[Step]]:
    """A graph's constants and steps; raises `UnsupportedModelError` for what is not understood."""
    context = {"opset": opset}
    constants = [(item.name, read_tensor(item, folder)) for item in graph.initializer]
    steps: list[Step] = []
    for node in graph.node:
        if node.op_type == "Constant":
            constants.append((node.output[0], _constant(node, folder)))
        else:
            steps.append(_step(node, folder, context))
    if len(dict(constants)) < len(constants):
        raise UnsupportedModelError("expected distinct names of constants, got one twice")
    return dict(constants), steps


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


def opset_of(model: Any) -> int:  # noqa: ANN401
    """The version of the standard operators; raises `UnsupportedModelError` for an unknown one."""
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise UnsupportedModelError(
            f"expected one ONNX opset from {OPSETS[0]} to {OPSETS[-1]}, got {versions or 'none'}: "
            "convert the model with onnx.version_converter"
        )
    return int(versions[0])


@dataclass(frozen=True)
class _Declared:
    """What a file says of its input; ``batch`` is None where it takes any number of images."""

    shape: tuple[int, int, int] | None
    channels_last: bool
    batch: int | None
    whole_bytes: bool


def _input(value: Any) -> _Declared:  # noqa: ANN401
    kind = value.type.tensor_type
    sizes = [d.dim_value for d in kind.shape.dim]
    batch = sizes[0] if sizes and 0 < sizes[0] <= MAX_BATCH else None
    whole_bytes = kind.elem_type == _UINT8
    if len(sizes) != 4:
        return _Declared(None, False, batch, whole_bytes)
    # Free sizes are 0: three channels at the end, and not second, tell channels all the same.
    channels_last = 0 < sizes[3] <= 4 and not 0 < sizes[1] <= 4
    height, width, channels = sizes[1:] if channels_last else (*sizes[2:], sizes[1])
    whole = min(sizes[1:]) > 0
    return _Declared(
        (channels, height, width) if whole else None, channels_last, batch, whole_bytes
    )


def _step(node: Any, folder: Path, context: Mapping[str, object]) -> Step:  # noqa: ANN401
    operator, name = OPERATORS[node.op_type], node.op_type
    types, values = _attributes(node, folder)
    operator.check(name, types, values)
    operator.check_wires(name, node.input, node.output)
    # Optional inputs are left out by an empty name.
    arguments = tuple(Ref(name) if name else None for name in node.input)
    run = partial(operator.run, {**values, **context, "outputs": len(node.output)})
    outputs = tuple(node.output) if name == "Split" else (node.output[0],)
    # A softmax over something else than the classes is no head.
    axis = values.get("axis", 1)
    return Step(name if axis in (1, -1) else f"{name} on {axis}", run, arguments, outputs)


def _constant(node: Any, folder: Path) -> Tensor:  # noqa: ANN401
    types, values = _attributes(node, folder)
    if len(types) != 1 or node.input or len(node.output) != 1 or not types.keys() <= _CONSTANTS:
        raise UnsupportedModelError(
            f"expected an ONNX Constant of one dense tensor or number, got {', '.join(types)}: "
            "export with standard operators"
        )
    (value,) = values.values()
    if isinstance(value, Tensor):
        return value
    return torch.tensor(value, dtype=torch.float32 if "float" in next(iter(types)) else torch.long)


def _attributes(node: Any, folder: Path) -> tuple[dict[str, str], dict[str, object]]:  # noqa: ANN401
    """Types and values of a node's attributes, by name."""
    onnx = import_onnx()
    types: dict[str, str] = {}
    values: dict[str, object] = {}
    for attribute in node.attribute:
        if attribute.name in types or attribute.ref_attr_name:
            raise UnsupportedModelError(
                f"expected each attribute of {node.op_type} once with its value, "
                f"got another {attribute.name}"
            )
        types[attribute.name] = onnx.AttributeProto.AttributeType.Name(attribute.type)
        value = onnx.helper.get_attribute_value(attribute)
        is_tensor = attribute.type == onnx.AttributeProto.TENSOR
        values[attribute.name] = read_tensor(value, folder) if is_tensor else value
    return types, values
