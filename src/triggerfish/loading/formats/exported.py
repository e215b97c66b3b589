"""``torch.export`` programs (``.pt2``), read without PyTorch's own reader.

That reader evaluates shape expressions in the file as Python code (through sympy) and unpickles
sample inputs. A program is a flat list of operators in JSON beside raw tensors: both are read here,
and only operators of the allow-list are run.
"""

from __future__ import annotations

import json
import math
import operator
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.guards.pytorch_archive import (
    archive_root,
    open_archive,
    read_entry,
)
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.batches import FixedBatch
from triggerfish.loading.programs.graph_network import GraphNetwork, as_single, in_single_precision
from triggerfish.loading.programs.operators import PURE_OPERATORS
from triggerfish.loading.programs.steps import Ref, Step
from triggerfish.loading.weights.state_dict import checked

NAME = "torch.export program"
PROGRAM, OLD_PROGRAM = "models/model.json", "serialized_exported_program.json"
"""Ends of the names of the entry with the graph."""

MAX_BATCH = 256
_UINT8 = 1
# torch._export.serde.schema.ScalarType
_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
_MEMORY_FORMATS = {1: torch.contiguous_format, 4: torch.preserve_format}
_PYTHON = {
    name: getattr(operator, name)
    for name in ("add", "sub", "mul", "floordiv", "eq", "ne", "lt", "le", "gt", "ge", "getitem")
}
# torch._export.serde.schema.ArgumentKind
_POSITIONAL, _KEYWORD = 1, 2
# Batch norms in training mode count; that does not enter the output.
_OUTPUTS = {"user_output", "buffer_mutation"}
_PLAIN = ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string")


def read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    with open_archive(path) as archive:
        root = archive_root(archive, PROGRAM)
        if root is None:
            raise UnsupportedModelError(
                "expected a program exported by PyTorch 2.8 or newer, got an older layout: if you "
                'trust the file, convert it with python -c "import torch; torch.export.save('
                f"torch.export.load({str(path)!r}), 'new.pt2')\"; where it is too old for that, "
                "save the state dict with the PyTorch that wrote it"
            )
        program = _json(archive, f"{root}{PROGRAM}")
        try:
            tensors = _tensors(archive, root)
            network, hints = _network(program, tensors)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise CheckpointError(
                f"expected a torch.export program, got one without {error}: the file is damaged"
            ) from error
    return Contents(hints, network=network)


def _json(archive: zipfile.ZipFile, name: str) -> Any:  # noqa: ANN401 - JSON is untyped
    try:
        return json.loads(read_entry(archive, name))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"expected JSON in {name}, got: {one_line(error)}") from error


def _tensors(archive: zipfile.ZipFile, root: str) -> dict[str, Tensor]:
    """Weights and constants by their name in the program."""
    found = {}
    for kind in ("weights", "constants"):
        config = _json(archive, f"{root}data/{kind}/model_{kind}_config.json")
        for name, entry in config["config"].items():
            if entry["use_pickle"]:
                raise UnsupportedModelError(
                    f"expected raw tensors, got {name} as a pickle: export the program again"
                )
            data = read_entry(archive, f"{root}data/{kind}/{entry['path_name']}", limit=8 << 30)
            found[name] = _tensor(name, data, entry["tensor_meta"])
    return checked(found)


def _tensor(name: str, data: bytes, meta: Mapping[str, Any]) -> Tensor:
    dtype = _DTYPES[meta["dtype"]]
    sizes, strides = ([int(v["as_int"]) for v in meta[key]] for key in ("sizes", "strides"))
    offset = int(meta["storage_offset"]["as_int"])
    if min([*sizes, *strides, offset], default=0) < 0:
        raise CheckpointError(f"expected sizes of {name} from 0 up, got a negative one")
    needed = offset + 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if math.prod(sizes) and needed * dtype.itemsize > len(data):
        raise CheckpointError(
            f"expected {needed * dtype.itemsize} bytes for {name}, got {len(data)}: "
            "the file is damaged"
        )
    if not math.prod(sizes):
        return torch.empty(sizes, dtype=dtype)
    flat = torch.frombuffer(bytearray(data), dtype=dtype)
    return flat.as_strided(sizes, strides, offset).contiguous()


def _network(program: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[nn.Module, Hints]:
    graph, signature = program["graph_module"]["graph"], program["graph_module"]["signature"]
    constants, inputs = {}, []
    for spec in signature["input_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            inputs.append(value["arg"]["as_tensor"]["name"])
            continue
        key = next((str(v) for k, v in value.items() if k.endswith("_name")), "")
        if key not in tensors:
            raise UnsupportedModelError(
                f"expected a tensor for {key!r}, got a {kind}: no image model"
            )
        constants[value["arg"]["name"]] = tensors[key]
    kinds = {kind for spec in signature["output_specs"] for kind in spec}
    if not kinds <= _OUTPUTS:
        raise UnsupportedModelError(
            f"expected a program that only answers, got {', '.join(sorted(kinds - _OUTPUTS))}: "
            "export the model in evaluation mode"
        )
    answers = [s["user_output"]["arg"] for s in signature["output_specs"] if "user_output" in s]
    outputs = {
        name: arg["as_tensor"]["name"]
        for name, arg in zip(_answer_names(program, len(answers)), answers, strict=True)
        if "as_tensor" in arg
    }
    if len(inputs) != 1 or not outputs:
        raise UnsupportedModelError(
            f"expected a program from one image batch to logits, got {len(inputs)} inputs and "
            f"{len(outputs)} outputs"
        )
    steps = [step for node in graph["nodes"] if (step := _step(node)) is not None]
    network = GraphNetwork(inputs[0], in_single_precision(constants), steps, outputs)
    if len(outputs) == 1:
        network = network.only(next(iter(outputs)))
    value = graph["tensor_values"][inputs[0]]
    batch = value["sizes"][0].get("as_int", 0) if value["sizes"] else 0
    hints = Hints(
        f"{NAME} (file)",
        input_shape=_input_shape(value["sizes"]),
        input_range=(0.0, 255.0) if value["dtype"] == _UINT8 else None,
    )
    return FixedBatch(network, batch) if 0 < batch <= MAX_BATCH else network, hints


def _answer_names(program: Mapping[str, Any], count: int) -> list[str]:
    """Names of the outputs, from the structure that the network answered in: ``aux``, ``0``."""
    calls = program["graph_module"].get("module_call_graph") or [{}]
    try:
        structure = json.loads((calls[0].get("signature") or {}).get("out_spec", ""))[1]
        names = list(_leaf_names(structure, ""))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        names = []
    return names if len(set(names)) == len(names) == count else [str(i) for i in range(count)]


def _leaf_names(structure: Mapping[str, Any], name: str) -> Iterator[str]:
    kind, children = structure["type"], structure["children_spec"]
    if kind is None:
        yield name
        return
    keys = json.loads(structure["context"]) if "dict" in str(kind).lower() else None
    keys = keys if isinstance(keys, list) and len(keys) == len(children) else range(len(children))
    for key, child in zip(keys, children, strict=True):
        yield from _leaf_names(child, f"{name}.{key}" if name else str(key))


def _input_shape(sizes: list[Mapping[str, int]]) -> tuple[int, int, int] | None:
    values = [size.get("as_int") for size in sizes[1:]]
    if len(values) != 3 or any(value is None for value in values):
        return None
    return (int(values[0] or 0), int(values[1] or 0), int(values[2] or 0))


def _step(node: Mapping[str, Any]) -> Step | None:
    """One node as a step; None for assertions, which do not enter the output."""
    target = str(node["target"])
    if "_assert" in target or "_guards_fn" in target:
        return None
    name, run = _operator(target)
    positional, options = [], {}
    for item in node["inputs"]:
        # A program exported in training mode is still judged as it predicts.
        value = False if item["name"] in ("train", "training") else _argument(item["arg"])
        kind = item.get("kind")
        if kind == _KEYWORD:
            options[str(item["name"])] = value
        elif kind in (None, _POSITIONAL) and not options:
            positional.append(value)
        else:
            raise UnsupportedModelError(f"expected arguments in order, got {kind!r} in {target}")
    outputs = [out for value in node["outputs"] for out in _output_names(value)]
    if len(outputs) == 1 and "as_tensors" in node["outputs"][0]:
        run = partial(_only_one, run)
    # A softmax over something else than the classes is no head.
    axis = next((v for v in (*positional[1:2], options.get("dim")) if isinstance(v, int)), 1)
    return Step(
        name if axis in (1, -1) else f"{name} on {axis}",
        run,
        tuple(positional),
        tuple(outputs),
        options,
    )


def _only_one(run: Callable[..., Any], *arguments: object, **options: object) -> object:
    """The value of an operator that answers with a list of one."""
    (value,) = run(*arguments, **options)
    return value


def _strided(x: Tensor, size: list[int], stride: list[int], offset: int = 0) -> Tensor:
    """A view of memory as the exporter saw it: without gaps."""
    return x.contiguous().as_strided(size, stride, offset or 0)


def _operator(target: str) -> tuple[str, Callable[..., object]]:
    parts = target.split(".")
    match parts:
        case ["torch", "ops", "aten", "view" | "_unsafe_view", "default"]:
            # The same in every layout of memory, which is not the one of the export.
            return "reshape", torch.ops.aten.reshape.default
        case ["torch", "ops", "aten", "as_strided", "default"]:
            return "as_strided", _strided
        case ["torch", "ops", "aten", name, overload] if name in PURE_OPERATORS:
            run = getattr(getattr(torch.ops.aten, name), overload)
            if isinstance(run, torch._ops.OpOverload):
                return name, run
        case ["_operator", name] if name in _PYTHON:
            return name, _PYTHON[name]
    raise UnsupportedModelError(
        f"expected operators of the allow-list, got {target!r}: save the state dict and pass --arch"
    )


def _argument(argument: Mapping[str, Any]) -> object:
    ((kind, value),) = argument.items()
    if kind == "as_float":
        return float(value)  # infinity is written as a text
    if kind in _PLAIN:
        return value
    if kind == "as_none":
        return None
    if kind == "as_scalar_type":
        return as_single(_DTYPES[value])
    if kind == "as_memory_format":
        return _MEMORY_FORMATS.get(value, torch.preserve_format)
    if kind in ("as_device", "as_layout"):
        return torch.device("cpu") if kind == "as_device" else torch.strided
    if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        return _reference(value)
    if kind in ("as_tensors", "as_sym_ints", "as_optional_tensors"):
        return [_reference(item) for item in value]
    raise UnsupportedModelError(f"expected tensors and numbers as arguments, got {kind}")


def _reference(value: Mapping[str, Any]) -> object:
    if "name" in value:
        return Ref(value["name"])
    ((kind, inner),) = value.items()
    if kind == "as_name":
        return Ref(inner)
    return Ref(inner["name"]) if kind == "as_tensor" else None if kind == "as_none" else inner


def _output_names(argument: Mapping[str, Any]) -> list[str]:
    ((kind, value),) = argument.items()
    values = value if isinstance(value, list) else [value]
    return [str(item.get("name", item.get("as_name", ""))) for item in values] if kind else []
