"""A Keras config -> a network: layers built one by one, and wired as the config says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.keras_layer import Names, Weights
from triggerfish.loading.programs.keras_layers import LAYERS
from triggerfish.loading.programs.keras_wires import Wires, read_wires

LayerConfig = Mapping[str, Any]

_HEADS = ("softmax", "sigmoid")
_MODELS = ("Sequential", "Functional", "Model")
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

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the output layer's answer."""
        values: dict[str, Tensor] = {}
        for name in self._order:
            inputs = [values[source] for source in self._wires.sources[name]] or [x]
            values[name] = getattr(self, self._names[name])(*inputs)
        return values[self._wires.output]


@dataclass(frozen=True)
class KerasModel:
    """A model's network, and its layers with their classes, nested ones too, in order."""

    network: KerasNetwork
    layers: tuple[tuple[str, nn.Module], ...]


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
    wires = read_wires(model)
    modules: dict[str, nn.Module] = {}
    seen: list[tuple[str, nn.Module]] = []
    for layer in layer_configs(model):
        name = layer_name(layer)
        bare = layer if head or name != wires.output else _without_head(layer)
        if name in modules:
            raise UnsupportedModelError(f"expected distinct Keras layers, got {name!r} twice")
        if layer["class_name"] in _MODELS:
            inner = read_model(
                layer, store.nested(layer["class_name"], name), head=True, depth=depth + 1
            )
            modules[name] = inner.network
            seen += inner.layers
        else:
            modules[name] = _layer(bare, store, name)
            seen.append((layer["class_name"], modules[name]))
    return KerasModel(KerasNetwork(modules, wires), tuple(seen))


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


def _layer(layer: LayerConfig, store: Store, name: str) -> nn.Module:
    kind = str(layer["class_name"])
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
    """Whether a class is Keras's own, where the config says so; operations are no layers."""
    module, registered = layer.get("module"), layer.get("registered_name")
    return module in (None, "keras.layers") and registered in (None, layer["class_name"])


def _without_head(layer: LayerConfig) -> LayerConfig:
    """The output layer without its softmax or sigmoid."""
    config = layer["config"]
    softmax = layer["class_name"] == "Softmax" and config.get("axis", -1) in (-1, 1)
    if softmax:
        return {**layer, "class_name": "Activation", "config": {"activation": "linear"}}
    if config.get("activation") in _HEADS:
        return {**layer, "config": {**config, "activation": "linear"}}
    return layer


def _order(wires: Wires) -> tuple[str, ...]:
    try:
        order = tuple(TopologicalSorter(wires.sources).static_order())
    except CycleError as error:
        raise UnsupportedModelError("expected Keras layers in order, got a circle") from error
    unknown = set(order) - wires.sources.keys()
    if unknown:
        raise UnsupportedModelError(f"expected known Keras layers, got wires from {unknown}")
    return order
