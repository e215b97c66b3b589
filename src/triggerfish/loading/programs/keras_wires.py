"""Which layer feeds which in a Keras config, in the notations of Keras 2 and Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triggerfish.errors import UnsupportedModelError

Call = tuple[str, int]
"""A layer's name, and which of its calls: a layer may be shared by several places."""
MAX_CALLS = 64


@dataclass(frozen=True)
class Wires:
    """What each call takes: results of other calls and numbers; nothing where it is the input."""

    sources: Mapping[Call, tuple[Call | float, ...]]
    output: Call


def read_wires(model: Mapping[str, Any], inert: frozenset[str] = frozenset()) -> Wires:
    """The wires of a sequential or functional model; raises for what is not one in and one out.

    ``inert`` are the classes that do the same in training, whatever a call says of it.
    """
    config = model["config"]
    layers = config["layers"] if isinstance(config, Mapping) else config
    names = [str(layer.get("name") or layer["config"]["name"]) for layer in layers]
    if model["class_name"] == "Sequential":
        before = [(), *[((name, 0),) for name in names[:-1]]]
        calls = [(name, 0) for name in names]
        return Wires(dict(zip(calls, before, strict=True)), calls[-1])
    inputs, outputs = (_ends(config[key]) for key in ("input_layers", "output_layers"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise UnsupportedModelError(
            f"expected a Keras model with one input and one output, got {len(inputs)} and "
            f"{len(outputs)}"
        )
    sources: dict[Call, tuple[Call | float, ...]] = {}
    for name, layer in zip(names, layers, strict=True):
        nodes = layer.get("inbound_nodes") or []
        if layer["class_name"] in inert:
            nodes = [_without_training(node) for node in nodes]
        sources |= _calls(nodes, name)
    sources, outputs = _renumbered(sources, outputs)
    free = [call for call, found in sources.items() if not found]
    if free != inputs:
        raise UnsupportedModelError(f"expected inputs for all Keras layers, got none for {free}")
    return Wires(sources, outputs[0])


def _renumbered(
    sources: dict[Call, tuple[Call | float, ...]], outputs: list[Call]
) -> tuple[dict[Call, tuple[Call | float, ...]], list[Call]]:
    """Calls by their place in the file.

    TensorFlow.js and old Keras count a model's own making as a call, which they do not list.
    """
    used: dict[str, set[int]] = {}
    for name, number in [
        *outputs,
        *(s for found in sources.values() for s in found if isinstance(s, tuple)),
    ]:
        used.setdefault(name, set()).add(number)
    places: dict[Call, Call] = {}
    for name, numbers in used.items():
        listed = sum(call[0] == name for call in sources)
        if max(numbers) >= listed == len(numbers):
            places |= {(name, n): (name, place) for place, n in enumerate(sorted(numbers))}
    turned = {
        call: tuple(places.get(s, s) if isinstance(s, tuple) else s for s in found)
        for call, found in sources.items()
    }
    return turned, [places.get(call, call) for call in outputs]


def _without_training(node: object) -> object:
    """A node without what its call says of training."""
    match node:
        case {"args": arguments, "kwargs": dict(options)}:
            kept = {key: value for key, value in options.items() if key != "training"}
            return {"args": arguments, "kwargs": kept}
    return node


def _ends(value: object) -> list[Call]:
    """The calls in ``input_layers`` and ``output_layers``."""
    match value:
        case [str(name), int(number), 0]:
            return [(name, number)]
        case list():
            return [call for item in value for call in _ends(item)]
        case dict():
            return [call for item in value.values() for call in _ends(item)]
    raise _refusal("its ends", value)


def _calls(nodes: list[object], layer: str) -> dict[Call, tuple[Call | float, ...]]:
    if not nodes:
        return {(layer, 0): ()}
    if len(nodes) > MAX_CALLS:
        raise UnsupportedModelError(f"expected at most {MAX_CALLS} calls of {layer}, got more")
    found = {(layer, i): tuple(_node(node, layer)) for i, node in enumerate(nodes)}
    if not all(any(isinstance(item, tuple) for item in items) for items in found.values()):
        raise _refusal(layer, nodes[0])
    return found


def _node(node: object, layer: str) -> list[Call | float]:
    match node:
        case {"args": list(arguments), "kwargs": dict(options)}:
            _refuse_options(options, layer)
            return [item for argument in arguments for item in _tensors(argument, layer)]
        case [str(name), int(number), 0]:
            return [(name, number)]
        case [str(name), int(number), 0, dict(options)]:
            return [(name, number), *_second(options, layer)]
        case list():
            return [item for inner in node for item in _node(inner, layer)]
    raise _refusal(layer, node)


def _tensors(argument: object, layer: str) -> list[Call | float]:
    match argument:
        case {
            "class_name": "__keras_tensor__",
            "config": {"keras_history": [str(name), int(number), 0]},
        }:
            return [(name, number)]
        case bool():
            raise _refusal(layer, argument)
        case int() | float():
            return [float(argument)]
        case list():
            return [item for inner in argument for item in _tensors(inner, layer)]
    raise _refusal(layer, argument)


def _second(options: Mapping[str, object], layer: str) -> list[Call | float]:
    """The other operand of an operation in Keras 2: ``{"y": 3.0, "name": null}``."""
    others = {key: value for key, value in options.items() if key != "y"}
    _refuse_options(others, layer)
    if options.get("y") is None:
        return []
    match options["y"]:
        case [str(name), int(number), 0]:
            return [(name, number)]
    return _tensors(options["y"], layer)


def _refuse_options(options: Mapping[str, object], layer: str) -> None:
    """A call's own options, as ``training=True``, would change what the layer computes."""
    if any(value not in (None, False) for value in options.values()):
        raise _refusal(layer, options)


def _refusal(layer: str, found: object) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected Keras layers fed by layers alone, got {str(found)[:80]!r} for {layer}: "
        "convert the model to ONNX with model.export"
    )
