"""TensorFlow.js layers models: Keras's own config, and weights that may be quantised.

A manifest alone is a state dict, in the order of its weights. Graph models are named elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from triggerfish.errors import CheckpointError, TriggerfishError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats.keras_input import contents_of
from triggerfish.loading.formats.keras_weights import chain_state
from triggerfish.loading.guards.keras_config import parse_config
from triggerfish.loading.guards.tfjs_weights import read_json, read_weights
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.keras_layer import Names, Weights
from triggerfish.loading.weights.state_dict import as_state_dict

NAME = "TensorFlow.js layers model"


class _ByLayer:
    """Weights as ``layer/kernel`` or ``model/layer/kernel``: the last name but one is a layer's."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self._values = values

    def weights(self, kind: str, name: str, names: Names) -> Weights:
        """A layer's weights by their short names."""
        del kind, names
        found: dict[str, Tensor] = {}
        for key, value in self._values.items():
            layer, _, short = key.rpartition("/")
            if layer != name and not layer.endswith(f"/{name}"):
                continue
            if short in found:
                raise CheckpointError(f"expected weights once, got {short} of {name} twice")
            found[short] = value
        return as_state_dict(found)

    def nested(self, kind: str, name: str) -> _ByLayer:
        """The layers of a model among the layers, which a manifest may list without its name."""
        del kind
        inside = {k: v for k, v in self._values.items() if k.startswith(f"{name}/")}
        return _ByLayer(inside or self._values)


def read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    try:
        return _contents(read_json(path), path.parent)
    except TriggerfishError:
        raise
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"expected a whole TensorFlow.js model, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _contents(data: object, folder: Path) -> Contents:
    topology = data.get("modelTopology") if isinstance(data, Mapping) else None
    manifest = data.get("weightsManifest") if isinstance(data, Mapping) else data
    if not topology:
        return _weights_alone(read_weights(manifest, folder))
    config = topology.get("model_config", topology)
    if not isinstance(config, Mapping) or "class_name" not in config:
        raise UnsupportedModelError(
            "expected a TensorFlow.js layers model, got a graph model: convert the Keras model "
            "that it was made from, or the graph to ONNX"
        )
    config = parse_config(json.dumps(config), "model.json")  # lists what would run
    return contents_of(NAME, config, _ByLayer(read_weights(manifest, folder)))


def _weights_alone(values: Mapping[str, Tensor]) -> Contents:
    layers: dict[str, dict[str, Tensor]] = {}
    for key, value in values.items():
        layer, _, short = key.rpartition("/")
        layers.setdefault(layer, {})[short] = value
    state = chain_state(layers)
    return Contents(Hints("TensorFlow.js weights"), state=as_state_dict(state), ordered=True)
