"""Keras weights without their model (``model.save_weights``): a state dict in PyTorch's terms.

Kernels become (M, C, H, W) and (out, in). The first dense layer after convolutions takes their
values in Keras's order (H, W, C), and is turned to PyTorch's (C, H, W). The names are Keras's, so a
network is filled in the order of its layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.contents import Contents
from triggerfish.loading.guards.hdf5 import read_datasets
from triggerfish.loading.hints import Hints
from triggerfish.loading.programs.keras_products import depthwise_kernel, from_hwio
from triggerfish.loading.weights.state_dict import StateDict, as_state_dict

NAME = "Keras weights"

Layers = dict[str, dict[str, Tensor]]

# What Keras adds to a variance, and what PyTorch does.
_KERAS_EPSILON, _EPSILON = 1e-3, 1e-5
_NUMBERED = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def weights_alone(file: Any, file_size: int) -> Contents:  # noqa: ANN401
    """The state dict of an open HDF5 file that holds no config."""
    group = file.get("model_weights", file)
    names = group.attrs.get("layer_names")
    if names is None:
        layers = _numbered(read_datasets(group, file_size))
    else:
        order = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
        layers = _named(read_datasets(group, file_size), order)
    state = chain_state(layers)
    return Contents(Hints(f"{NAME} (file)"), state=as_state_dict(state), ordered=True)


def _named(datasets: Mapping[tuple[str, ...], Tensor], order: list[str]) -> Layers:
    layers: Layers = {name: {} for name in order}
    for path, value in datasets.items():
        short = path[-1].partition(":")[0]
        if path[0] not in layers or short in layers[path[0]]:
            raise _no_chain(f"the weights {'/'.join(path)}")
        layers[path[0]][short] = value
    return {name: weights for name, weights in layers.items() if weights}


def _numbered(datasets: Mapping[tuple[str, ...], Tensor]) -> Layers:
    """Keras 3's layers, which stand under their class: kernels in order, norms where they fit."""
    layers: Layers = {}
    for path, value in datasets.items():
        match path:
            case ("layers" | "_layer_checkpoint_dependencies", name, "vars", str(number)):
                names = _NUMBERED.get(re.sub(r"_\d+$", "", name), ())
                if not number.isdigit() or int(number) >= len(names):
                    raise _no_chain(f"the layer {name}")
                layers.setdefault(name, {})[names[int(number)]] = value
            case (("layers" | "_layer_checkpoint_dependencies"), *_) if value.is_floating_point():
                raise _no_chain(f"the weights {'/'.join(path)}")
    return _in_order(layers)


def _in_order(layers: Layers) -> Layers:
    def number(name: str) -> tuple[bool, int]:
        match = re.search(r"_(\d+)$", name)
        return name.startswith("dense"), int(match[1]) if match else 0

    norms = sorted((name for name in layers if name.startswith("batch")), key=number)
    kernels = sorted((name for name in layers if name not in norms), key=number)
    if any(name.startswith("depthwise") for name in kernels):
        raise _no_chain("depthwise layers, whose order it does not tell")
    ordered: Layers = {}
    for name in kernels:
        ordered[name] = layers[name]
        width = layers[name]["kernel"].shape[-1] if "kernel" in layers[name] else 0
        if norms and layers[norms[0]].get("gamma", torch.empty(0)).numel() == width:
            norm = norms.pop(0)
            ordered[norm] = layers[norm]
    if norms:
        raise _no_chain("batch norms, whose places it does not tell")
    return ordered


def chain_state(layers: Layers) -> StateDict:
    """Weights by layer, in order, as PyTorch has those of a plain chain.

    Raises `UnsupportedModelError` for layers that are no such chain.
    """
    state: StateDict = {}
    channels = 0
    for layer, weights in layers.items():
        name = layer.replace(".", "_").replace("/", "_")
        kernel = weights.get("kernel", weights.get("depthwise_kernel"))
        if "moving_mean" in weights:
            state |= {f"{name}.{key}": value for key, value in _batch_norm(layer, weights).items()}
            continue
        if kernel is None or kernel.ndim not in (2, 4) or len(weights) > 2:
            raise _no_chain(f"the layer {layer} with {', '.join(weights)}")
        if kernel.ndim == 4:
            turned = from_hwio(kernel) if "kernel" in weights else depthwise_kernel(kernel)
            channels = turned.shape[0]
        else:
            turned = _dense(layer, kernel, channels)
            channels = 0
        state[f"{name}.weight"] = turned
        if "bias" in weights:
            state[f"{name}.bias"] = weights["bias"]
    if not state:
        raise CheckpointError("expected Keras weights, got an HDF5 file without any")
    return state


def _dense(layer: str, kernel: Tensor, channels: int) -> Tensor:
    """(out, in), the inputs turned from (H, W, C) to (C, H, W) where they are such."""
    matrix = kernel.T.contiguous()
    if not channels:
        return matrix
    if matrix.shape[1] % channels:
        raise _no_chain(f"{matrix.shape[1]} inputs of {layer} after {channels} channels")
    return matrix.view(matrix.shape[0], -1, channels).transpose(1, 2).flatten(1).contiguous()


def _batch_norm(layer: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In PyTorch's terms, its smaller epsilon made up for."""
    if not weights.keys() <= {"gamma", "beta", "moving_mean", "moving_variance"}:
        raise _no_chain(f"the layer {layer} with {', '.join(weights)}")
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    return {
        "weight": weights.get("gamma", torch.ones_like(mean)),
        "bias": weights.get("beta", torch.zeros_like(mean)),
        "running_mean": mean,
        "running_var": variance + (_KERAS_EPSILON - _EPSILON),
    }


def _no_chain(found: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected the weights of a plain chain of Keras layers, got {found}: weights alone do not "
        "tell the network, save the whole model with model.save('model.keras')"
    )
