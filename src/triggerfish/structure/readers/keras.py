"""Keras files -> a graph of layers: one node a layer, wired as the config says.

A layer is one node however much it computes; what Keras 3 calls operations (``GreaterEqual``,
``Where``, ``Add``, slices) are nodes of their own names.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.guards.hdf5 import import_h5py
from triggerfish.loading.guards.keras_config import parse_config
from triggerfish.loading.guards.pytorch_archive import open_archive, read_entry
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers.builder import Builder, check_depth

NAME = "Keras model"
_CONFIG_BYTES = 16 << 20
_MODELS = ("Sequential", "Functional", "Model")
_LAYERS = {
    "Conv2D": "convolution",
    "Conv1D": "convolution",
    "DepthwiseConv2D": "convolution",
    "SeparableConv2D": "convolution",
    "Conv2DTranspose": "convolution",
    "Dense": "linear",
    "EinsumDense": "linear",
    "Embedding": "embedding",
    "MultiHeadAttention": "linear",
    "Multiply": "mul",
    "Add": "add",
    "Subtract": "sub",
    "Concatenate": "cat",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Greater": "gt",
    "GreaterEqual": "ge",
    "Less": "lt",
    "LessEqual": "le",
    "Equal": "eq",
    "NotEqual": "ne",
    "LogicalAnd": "logical_and",
    "LogicalOr": "logical_or",
    "LogicalNot": "logical_not",
    "GetItem": "slice",
    "Where": "where",
    "Cast": "to",
    "ReLU": "relu",
    "MaxPooling2D": "max_pool2d",
    "GlobalMaxPooling2D": "amax",
    "GlobalAveragePooling2D": "mean",
    "AveragePooling2D": "avg_pool2d",
}


def read_keras(path: Path) -> Graph:
    """The graph of a Keras archive or HDF5 file; raises `CheckpointError` for a damaged one."""
    config = _config(path)
    try:
        builder = Builder()
        shape = _shape(config)
        ends = _model(config, ["input"], builder, "", 0)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"expected a Keras config, got one without {one_line(error)}"
        ) from error
    return Graph(NAME, tuple(builder.nodes), {}, "input", ends[0], shape, channels_last=True)


def _config(path: Path) -> dict[str, Any]:
    if zipfile.is_zipfile(path):
        with open_archive(path) as archive:
            return parse_config(read_entry(archive, "config.json", _CONFIG_BYTES), "config.json")
    h5py = import_h5py()
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        raise UnsupportedModelError("expected a Keras model with its config, got weights alone")
    return parse_config(text, "the file")


def _shape(config: Mapping[str, Any]) -> tuple[int, int, int] | None:
    for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
        for found in re.findall(rf'"{key}": (\[[^\]]*\])', json.dumps(config)):
            sizes = json.loads(found)
            if len(sizes) == 4 and all(isinstance(n, int) for n in sizes[1:]):
                return (sizes[3], sizes[1], sizes[2])
    return None


def _model(
    model: Mapping[str, Any], given: list[str], builder: Builder, prefix: str, depth: int
) -> list[str]:
    """Read a model's layers; the values of its outputs."""
    check_depth(depth)
    config = model["config"]
    layers = config["layers"] if isinstance(config, Mapping) else config
    values: dict[str, str] = {}
    last = given
    inputs = list(given)
    for layer in layers:
        name = str(layer.get("name") or layer["config"]["name"])
        if layer["class_name"] == "InputLayer":
            values[name] = inputs.pop(0) if inputs else given[0]
            last = [values[name]]
            continue
        if model["class_name"] == "Sequential":
            sources = last
        else:
            sources = [values[n] for n in _sources(layer.get("inbound_nodes") or []) if n in values]
        if layer["class_name"] in _MODELS:
            last = _model(layer, sources or given, builder, f"{prefix}{name}/", depth + 1)
        else:
            last = [_layer(layer, name, sources or given, builder, prefix)]
        values[name] = last[0]
    if model["class_name"] == "Sequential":
        return last
    return [values[n] for n in _ends(config["output_layers"]) if n in values]


def _layer(
    layer: Mapping[str, Any], name: str, sources: list[str], builder: Builder, prefix: str
) -> str:
    kind = str(layer["class_name"])
    op = _LAYERS.get(kind, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower())
    arguments: list[object] = [Ref(source) for source in sources]
    numbers = list(_numbers(layer.get("inbound_nodes") or []))
    output = builder.fresh(prefix + name)
    builder.add(Node(op, prefix + name, (*arguments, *numbers), (output,), {"kind": kind}))
    return output


def _sources(nodes: object) -> Iterator[str]:
    """Names of the layers that feed a layer, in the notations of Keras 2 and 3."""
    match nodes:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [str(name), *_]}}:
            yield name
        case [str(name), int(), int(), *_]:
            yield name
        case dict():
            for item in nodes.values():
                yield from _sources(item)
        case list():
            for item in nodes:
                yield from _sources(item)


def _numbers(nodes: object) -> Iterator[float]:
    match nodes:
        case [{"args": [*arguments], **_rest}, *_]:
            yield from (float(n) for n in arguments if isinstance(n, (int, float)))


def _ends(value: object) -> list[str]:
    match value:
        case [str(name), int(), int()]:
            return [name]
        case list():
            return [name for item in value for name in _ends(item)]
        case dict():
            return [name for item in value.values() for name in _ends(item)]
    return []
