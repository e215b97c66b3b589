"""Which layer feeds which in a Keras config, in the notations of Keras 2 and Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triggerfish.errors import UnsupportedModelError


@dataclass(frozen=True)
class Wires:
    """The layers that feed each layer, none where it is the input, and the output layer."""

    sources: Mapping[str, tuple[str, ...]]
    output: str


def read_wires(model: Mapping[str, Any]) -> Wires:
    """The wires of a sequential or functional model; raises for what is not one in and one out."""
    config = model["config"]
    layers = config["layers"] if isinstance(config, Mapping) else config
    names = [str(layer.get("name") or layer["config"]["name"]) for layer in layers]
    if model["class_name"] == "Sequential":
        before = [(), *[(name,) for name in names[:-1]]]
        return Wires(dict(zip(names, before, strict=True)), names[-1])
    inputs, outputs = (_ends(config[key]) for key in ("input_layers", "output_layers"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise UnsupportedModelError(
            f"expected a Keras model with one input and one output, got {len(inputs)} and "
            f"{len(outputs)}"
        )
    sources = {
        name: _sources(layer.get("inbound_nodes") or [], name)
        for name, layer in zip(names, layers, strict=True)
    }
    free = [name for name, found in sources.items() if not found]
    if free != inputs:
        raise UnsupportedModelError(f"expected inputs for all Keras layers, got none for {free}")
    return Wires(sources, outputs[0])


def _ends(value: object) -> list[str]:
    """Names of the layers in ``input_layers`` and ``output_layers``."""
    match value:
        case [str(name), 0, 0]:
            return [name]
        case list():
            return [name for item in value for name in _ends(item)]
        case dict():
            return [name for item in value.values() for name in _ends(item)]
    raise _refusal("its ends", value)


def _sources(nodes: list[object], layer: str) -> tuple[str, ...]:
    if len(nodes) > 1:
        raise UnsupportedModelError(
            f"expected every Keras layer once, got the shared layer {layer}: convert to ONNX"
        )
    found = [name for node in nodes for name in _node(node, layer)]
    if nodes and not found:
        raise _refusal(layer, nodes[0])
    return tuple(found)


def _node(node: object, layer: str) -> list[str]:
    match node:
        case {"args": list(arguments), "kwargs": dict(options)}:
            _refuse_options(options, layer)
            return [name for argument in arguments for name in _tensors(argument, layer)]
        case [str(name), 0, 0]:
            return [name]
        case [str(name), 0, 0, dict(options)]:
            _refuse_options(options, layer)
            return [name]
        case list():
            return [name for item in node for name in _node(item, layer)]
    raise _refusal(layer, node)


def _tensors(argument: object, layer: str) -> list[str]:
    match argument:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [str(name), 0, 0]}}:
            return [name]
        case list():
            return [name for item in argument for name in _tensors(item, layer)]
    raise _refusal(layer, argument)


def _refuse_options(options: Mapping[str, object], layer: str) -> None:
    """A call's own options, as ``training=True``, would change what the layer computes."""
    if any(value not in (None, False) for value in options.values()):
        raise _refusal(layer, options)


def _refusal(layer: str, found: object) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected Keras layers fed by layers alone, got {str(found)[:80]!r} for {layer}: "
        "convert the model to ONNX with model.export"
    )
