"""A Keras config -> a network: layers built one by one, and wired as the config says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.keras_layer import Names, Weights
from triggerfish.loading.programs.keras_layers import GEOMETRY, LAYERS, TRAINING
from triggerfish.loading.programs.keras_norms import PREPARING, Affine
from triggerfish.loading.programs.keras_operations import Operation, operation
from triggerfish.loading.programs.keras_wires import Call, Wires, read_wires

LayerConfig = Mapping[str, Any]

_HEADS = ("softmax", "sigmoid")
_MODELS = ("Sequential", "Functional", "Model")
_HOMES = (None, "keras.layers", "keras.src.applications.convnext")
# Layers after which pictures have the range that they had before.
_TRANSPARENT = frozenset({"InputLayer", "ZeroPadding2D", "Reshape", *TRAINING, *GEOMETRY})
MAX_DEPTH = 8


class Store(Protocol):
    """Where a file holds the weights of a model's layers."""

    def weights(self, kind: str, name: str, names: Names) -> Weights:
        """Those of the next layer of that class; asked once per layer, in order.

        ``name`` is the layer's, ``names`` are those of its weights.
        """

    def nested(self, kind: str, name: str) -> Store:
        """The store of a model among the layers."""


class KerasNetwork(nn.Module):
    """Layers wired as in a Keras functional model, with one input and one output."""

    def __init__(self, layers: Mapping[str, nn.Module], wires: Wires) -> None:
        super().__init__()
        self._names = {name: f"layer_{i}" for i, name in enumerate(layers)}
        for name, layer in layers.items():
            self.add_module(self._names[name], layer)
        self._order, self._wires = _order(wires), wires
        self._ends = _ends(self._order, wires)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the output layer's answer."""
        values: dict[Call, Tensor] = {}
        for call in self._order:
            inputs = [
                values[source] if isinstance(source, tuple) else source
                for source in self._wires.sources[call]
            ]
            values[call] = getattr(self, self._names[call[0]])(*(inputs or [x]))
            del inputs
            for done in self._ends[call]:
                del values[done]
        return values[self._wires.output]


def _ends(order: Sequence[Call], wires: Wires) -> dict[Call, list[Call]]:
    """Per call the values that no later one needs: kept, all of a network's are there at once."""
    last: dict[Call, Call] = {}
    for call in order:
        last |= {source: call for source in wires.sources[call] if isinstance(source, tuple)}
    last.pop(wires.output, None)
    ends: dict[Call, list[Call]] = {call: [] for call in order}
    for source, call in last.items():
        ends[call].append(source)
    return ends


@dataclass(frozen=True)
class KerasModel:
    """A model's network, and what its pictures meet first: layers with their classes.

    ``logits`` says that nothing comes after the last product.
    """

    network: KerasNetwork
    entrance: tuple[tuple[str, nn.Module], ...]
    logits: bool


def read_model(
    model: LayerConfig, store: Store, *, head: bool = False, depth: int = 0
) -> KerasModel:
    """Build a model of our layers; a final softmax or sigmoid is left out unless ``head``.

    Raises `UnsupportedModelError` for a layer, an option or a wire that is not understood.
    """
    if depth > MAX_DEPTH:
        raise UnsupportedModelError(
            f"expected Keras models at most {MAX_DEPTH} deep in each other, got deeper ones"
        )
    if model.get("class_name") not in _MODELS:
        raise UnsupportedModelError(
            f"expected a sequential or functional Keras model, got {model.get('class_name')!r}: "
            "a model with code of its own needs model.export to ONNX"
        )
    wires = read_wires(model, inert=frozenset({*GEOMETRY, *PREPARING}))
    modules: dict[str, nn.Module] = {}
    entrances: dict[str, tuple[tuple[str, nn.Module], ...]] = {}
    logits = False
    for layer in layer_configs(model):
        name = layer_name(layer)
        if name in modules:
            raise UnsupportedModelError(f"expected distinct Keras layers, got {name!r} twice")
        if layer["class_name"] in _MODELS:
            inner = read_model(
                layer, store.nested(layer["class_name"], name), head=True, depth=depth + 1
            )
            modules[name], entrances[name] = inner.network, inner.entrance
            continue
        bare = layer
        if name == wires.output[0] and not head and len(_calls_of(name, wires)) == 1:
            bare, logits = _without_head(layer), _is_bare(_without_head(layer))
        numbers = any(
            not isinstance(source, tuple)
            for call in _calls_of(name, wires)
            for source in wires.sources[call]
        )
        modules[name] = _layer(bare, store, name, numbers=numbers)
        if layer["class_name"] not in _TRANSPARENT:
            entrances[name] = ((layer["class_name"], modules[name]),)
    _check_numbers(wires, modules)
    return KerasModel(KerasNetwork(modules, wires), _entrance(wires, entrances), logits)


def _calls_of(name: str, wires: Wires) -> list[Call]:
    return [call for call in wires.sources if call[0] == name]


def _check_numbers(wires: Wires, modules: Mapping[str, nn.Module]) -> None:
    """Only operations take numbers."""
    for call, sources in wires.sources.items():
        numbers = [source for source in sources if not isinstance(source, tuple)]
        if numbers and not isinstance(modules.get(call[0]), Operation):
            raise UnsupportedModelError(
                f"expected Keras layers fed by layers alone, got {numbers[0]} for {call[0]}: "
                "convert the model to ONNX with model.export"
            )


def _entrance(
    wires: Wires, entrances: Mapping[str, tuple[tuple[str, nn.Module], ...]]
) -> tuple[tuple[str, nn.Module], ...]:
    """The layers that the pictures meet first, through layers that leave their range alone."""
    found: list[tuple[str, nn.Module]] = []
    left = [call for call, sources in wires.sources.items() if not sources]
    seen: set[Call] = set()
    while left:
        call = left.pop()
        if call in seen:
            continue
        seen.add(call)
        numbers = [number for number in wires.sources[call] if not isinstance(number, tuple)]
        if call[0] in entrances:
            found += [(kind, _affine(layer, numbers)) for kind, layer in entrances[call[0]]]
        else:
            left += [other for other, sources in wires.sources.items() if call in sources]
    return tuple(found)


def _affine(layer: nn.Module, numbers: list[float]) -> nn.Module:
    """A layer, or what an operation with a number does to its tensor."""
    if not isinstance(layer, Operation) or len(numbers) != 1 or not numbers[0]:
        return layer
    scale = {"TrueDivide": 1 / numbers[0], "Divide": 1 / numbers[0], "Multiply": numbers[0]}
    factor = torch.tensor(scale.get(layer.kind, 1.0))
    return Affine(factor, torch.zeros(()), -1) if layer.kind in scale else layer


def layer_configs(model: LayerConfig) -> Sequence[LayerConfig]:
    """A model's layers, in the notations of Keras 1 to 3."""
    config = model["config"]
    layers = config["layers"] if isinstance(config, Mapping) else config
    if not layers:
        raise UnsupportedModelError("expected Keras layers, got none: the file is damaged")
    return layers  # type: ignore[no-any-return]


def layer_name(layer: LayerConfig) -> str:
    """A layer's name in its model."""
    return str(layer.get("name") or layer["config"]["name"])


def _layer(layer: LayerConfig, store: Store, name: str, *, numbers: bool) -> nn.Module:
    kind = str(layer["class_name"])
    if (operates := operation(layer, numbers=numbers)) is not None:
        operates.check(kind, layer["config"])
        return operates.make(layer["config"], {})
    if kind not in LAYERS or not _is_keras(layer):
        raise UnsupportedModelError(
            f"expected Keras layers of a convolutional network, got "
            f"{layer.get('registered_name') or kind}: "
            "convert the model to ONNX with model.export or tf2onnx"
        )
    known, config = LAYERS[kind], layer["config"]
    known.check(kind, config)
    return known.make(config, store.weights(kind, name, known.weights(config)))


def _is_keras(layer: LayerConfig) -> bool:
    """Whether a class is Keras's own, where the config says so."""
    module, registered = layer.get("module"), layer.get("registered_name")
    return module in _HOMES and registered in (None, layer["class_name"])


def _without_head(layer: LayerConfig) -> LayerConfig:
    """The output layer without its softmax or sigmoid."""
    config = layer["config"]
    softmax = layer["class_name"] == "Softmax" and config.get("axis", -1) in (-1, 1)
    if softmax:
        return {**layer, "class_name": "Activation", "config": {"activation": "linear"}}
    if config.get("activation") in _HEADS:
        return {**layer, "config": {**config, "activation": "linear"}}
    return layer


def _is_bare(layer: LayerConfig) -> bool:
    """Whether a layer ends in a product, or is what is left of a head."""
    linear = layer["config"].get("activation") in ("linear", None)
    return linear and layer["class_name"] in ("Dense", "Conv2D", "Activation")


def _order(wires: Wires) -> tuple[Call, ...]:
    graph = {
        call: [source for source in sources if isinstance(source, tuple)]
        for call, sources in wires.sources.items()
    }
    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UnsupportedModelError("expected Keras layers in order, got a circle") from error
    unknown = {*order, wires.output} - wires.sources.keys()
    if unknown:
        raise UnsupportedModelError(f"expected known Keras layers, got wires from {unknown}")
    needed = {wires.output}
    for call in reversed(order):
        needed |= set(graph[call]) if call in needed else set()
    return tuple(call for call in order if call in needed)
