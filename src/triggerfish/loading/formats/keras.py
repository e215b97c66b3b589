"""Keras HDF5 files (``model.save("model.h5")``): config and weights, translated layer by layer."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, TriggerfishError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.guards.pytorch_archive import MAX_COMPRESSION, entry_names
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.keras_layers import LAYERS
from triggerfish.loading.weights.state_dict import as_state_dict

NAME = "Keras HDF5 model"
_MAGIC = b"\x89HDF\r\n\x1a\n"
_HEADS = ("softmax", "sigmoid")


class KerasNetwork(nn.Module):
    """Layers wired as in a Keras functional model, with one input and one output."""

    def __init__(self, layers: Mapping[str, nn.Module], wires: Mapping[str, list[str]]) -> None:
        super().__init__()
        self._names = {name: f"layer_{i}" for i, name in enumerate(layers)}
        for name, layer in layers.items():
            self.add_module(self._names[name], layer)
        self._wires = dict(wires)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the last layer's answer."""
        values: dict[str, Tensor] = {}
        for name, sources in self._wires.items():
            inputs = [values[source] for source in sources] or [x]
            x_out = getattr(self, self._names[name])(*inputs)
            values[name] = x_out
        return values[name]


def _matches(path: Path, head: bytes) -> bool:
    return head.startswith(_MAGIC) or "model.weights.h5" in entry_names(path, head)


def _read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    if not head.startswith(_MAGIC):
        raise UnsupportedModelError(
            "expected a Keras model in HDF5, got the .keras format: convert it with "
            "keras.saving.load_model(path).save('model.h5')"
        )
    h5py = _import_h5py()
    try:
        with h5py.File(path, "r") as file:
            return _contents(file, path.stat().st_size)
    except TriggerfishError:
        raise
    except Exception as error:  # HDF5 and a strange config raise anything
        raise CheckpointError(
            f"expected a whole Keras model, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _import_h5py() -> Any:  # noqa: ANN401 - the optional package
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise UnsupportedModelError(
            "expected the h5py package for a Keras model, got none: pip install triggerfish[keras]"
        ) from error


def _contents(file: Any, file_size: int) -> Contents:  # noqa: ANN401
    text = file.attrs.get("model_config")
    if text is None:
        raise UnsupportedModelError(
            "expected a Keras model with its config, got weights only: save it with "
            "model.save('model.h5')"
        )
    config = json.loads(text)
    weights = _all_weights(file["model_weights"], file_size)
    layers = config["config"]["layers"] if isinstance(config["config"], dict) else config["config"]
    sequential = config["class_name"] == "Sequential"
    modules: dict[str, nn.Module] = {}
    wires: dict[str, list[str]] = {}
    previous: list[str] = []
    for layer in _without_head(layers):
        name = str(layer["config"]["name"])
        if layer["class_name"] not in LAYERS:
            raise UnsupportedModelError(
                f"expected Keras layers of a convolutional network, got {layer['class_name']}: "
                "convert the model to ONNX with tf2onnx"
            )
        modules[name] = LAYERS[layer["class_name"]](layer["config"], weights.get(name, {}))
        wires[name] = previous if sequential else _sources(layer.get("inbound_nodes"))
        previous = [name]
    hints = Hints(f"{NAME} (its config)", input_shape=_input_shape(layers))
    return Contents(hints, network=KerasNetwork(modules, wires))


def _without_head(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers without a final softmax or sigmoid, which is the last layer's activation."""
    last = layers[-1]
    if last["class_name"] == "Softmax" or (
        last["class_name"] == "Activation" and last["config"]["activation"] in _HEADS
    ):
        return layers[:-1]
    if last["config"].get("activation") in _HEADS:
        return [*layers[:-1], {**last, "config": {**last["config"], "activation": "linear"}}]
    return layers


def _sources(nodes: object) -> list[str]:
    """Names of the layers that feed a layer, in the notations of Keras 2 and Keras 3."""
    match nodes:
        case {"keras_history": [str(name), *_]} | [str(name), int(), int(), *_]:
            return [name]
        case dict():
            return [source for value in nodes.values() for source in _sources(value)]
        case list():
            return [source for value in nodes for source in _sources(value)]
    return []


def _input_shape(layers: list[dict[str, Any]]) -> tuple[int, int, int] | None:
    config = layers[0]["config"]
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    if not shape or len(shape) != 4 or None in shape[1:]:
        return None
    return (int(shape[3]), int(shape[1]), int(shape[2]))


def _all_weights(group: Any, file_size: int) -> dict[str, dict[str, Tensor]]:  # noqa: ANN401
    h5py = _import_h5py()
    found: dict[str, dict[str, Tensor]] = {}
    for layer in group:
        if not isinstance(group.get(layer, getlink=True), h5py.HardLink):
            raise CheckpointError(f"expected weights in the file itself, got a link at {layer}")
        tensors: dict[str, Tensor] = {}
        for path, dataset in _datasets(group[layer], h5py):
            short = path.rsplit("/", 1)[-1].partition(":")[0]
            tensors[short] = _tensor(path, dataset, file_size)
        found[layer] = as_state_dict(tensors)
    return found


def _datasets(group: Any, h5py: Any, depth: int = 0) -> list[tuple[str, Any]]:  # noqa: ANN401
    """Datasets below a group; links out of the file, and groups in circles, are refused."""
    if depth > 8:
        raise CheckpointError("expected weights a few groups deep, got deeper ones")
    found = []
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise CheckpointError(f"expected weights in the file itself, got a link at {name}")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            found.append((item.name, item))
        else:
            found.extend(_datasets(item, h5py, depth + 1))
    return found


def _tensor(path: str, dataset: Any, file_size: int) -> Tensor:  # noqa: ANN401
    if dataset.external or dataset.is_virtual:
        raise CheckpointError(f"expected weights in the file itself, got other files for {path}")
    if dataset.dtype.kind != "f" or dataset.nbytes > MAX_COMPRESSION * file_size:
        raise CheckpointError(
            f"expected floating-point weights that fit the file, got {path} with "
            f"{dataset.nbytes} bytes of {dataset.dtype}"
        )
    return torch.from_numpy(np.asarray(dataset, dtype=np.float32))


# A fuzzed file kept the HDF5 library busy for minutes over one attribute.
FORMAT = Format(NAME, _matches, _read, program=True, fragile=True)
