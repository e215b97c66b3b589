"""What every Keras format does with a config: the network, its input, its own preprocessing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.contents import Contents
from triggerfish.loading.hints import Hints
from triggerfish.loading.programs.keras_network import Store, layer_configs, read_model
from triggerfish.loading.programs.keras_norms import PREPARING, Affine

Shape = tuple[int, int, int]

# A layer that multiplies by less expects whole bytes: 1/255, or 1 / a deviation of some 60, there;
# 1, 2, or 1 / a deviation of some 0.25, where pictures lie in [0, 1].
_BYTE_SCALE = 0.1
_PREPARING = (*PREPARING, "TrueDivide", "Divide", "Multiply")


class OtherRank(nn.Module):
    """A network whose pictures are (H, W), or (H * W,), as Keras examples for MNIST have them."""

    def __init__(self, network: nn.Module, rank: int) -> None:
        super().__init__()
        self.network, self.rank = network, rank

    def forward(self, x: Tensor) -> object:
        """Run the network on a batch of pictures (N, 1, H, W)."""
        return self.network(x[:, 0] if self.rank == 3 else x.flatten(1))


def contents_of(name: str, config: Mapping[str, Any], store: Store) -> Contents:
    """The network of a config, its weights from ``store``."""
    model = read_model(config, store)
    rank, shape = _input(config)
    network = model.network if rank == 4 else OtherRank(model.network, rank)
    prepares = _own_preprocessing(model.entrance)
    return Contents(
        Hints(
            f"{name} (its config)",
            input_shape=shape,
            mean=(0.0,) if prepares else None,
            std=(1.0,) if prepares else None,
            input_range=prepares,
            output="logits" if model.logits else None,
        ),
        network=network,
    )


def _input(config: Mapping[str, Any]) -> tuple[int, Shape | None]:
    """The rank of the input with its batch axis, and the shape (C, H, W) where it is said."""
    sizes = _sizes(config)
    match sizes[1:]:
        case [int(height), int(width), int(channels)]:
            return 4, (channels, height, width)
        case [int(height), int(width)]:
            return 3, (1, height, width)
        case [int(values)] if math.isqrt(values) ** 2 == values:
            return 2, (1, math.isqrt(values), math.isqrt(values))
        case [_, _, _] | []:
            return 4, None
    raise UnsupportedModelError(
        f"expected a Keras model of images (height, width, channels), got inputs of {sizes[1:]}"
    )


def _sizes(config: Mapping[str, Any]) -> Sequence[object]:
    """The input's sizes with the batch's, empty where no layer says them."""
    first = layer_configs(config)[0]
    while first["class_name"] in ("Sequential", "Functional", "Model"):
        first = layer_configs(first)[0]
    for source in (first["config"], config["config"]):
        for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
            if isinstance(source, Mapping) and isinstance(source.get(key), list):
                return list(source[key])
    return []


def _own_preprocessing(entrance: Sequence[tuple[str, nn.Module]]) -> tuple[float, float] | None:
    """The range of the pictures that a Rescaling or Normalization layer at the input is made for.

    None where there is none, or two say something else.
    """
    ranges = {
        _range(layer)
        for kind, layer in entrance
        if kind in _PREPARING and isinstance(layer, Affine)
    }
    return ranges.pop() if len(ranges) == 1 else None


def _range(layer: Affine) -> tuple[float, float]:
    return (0.0, 255.0) if float(layer.scale.abs().max()) < _BYTE_SCALE else (0.0, 1.0)
