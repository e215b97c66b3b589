"""The Keras layers that we know, and all that we understand of each.

From the documentation at https://keras.io/api/layers/. A factory takes the layer's config and its
weights by their short names (``kernel``, ``gamma``, ...), as Keras stores them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.keras_activations import ACTIVATION_LAYERS
from triggerfish.loading.programs.keras_layer import (
    Config,
    Function,
    Layer,
    Weights,
    axis_of,
    from_last,
    layer,
    to_last,
)
from triggerfish.loading.programs.keras_norms import NORM_LAYERS
from triggerfish.loading.programs.keras_products import PRODUCT_LAYERS, Same, is_same
from triggerfish.loading.programs.resizing import resize


def _pool(function: Callable[..., Tensor], value: float) -> Callable[[Config, Weights], nn.Module]:
    def make(config: Config, _: Weights) -> nn.Module:
        size = list(config["pool_size"])
        strides = list(config.get("strides") or size)
        if not is_same(config):
            return Function(lambda x: function(x, size, strides))
        pad = Same(size, strides, value)
        if value:
            return nn.Sequential(pad, Function(lambda x: function(x, size, strides)))
        # Padding does not count in an average.
        return Function(
            lambda x: (
                function(pad(x), size, strides)
                / function(pad(torch.ones_like(x[:1, :1])), size, strides)
            )
        )

    return make


def _global_pool(function: Callable[..., Tensor]) -> Callable[[Config, Weights], nn.Module]:
    def make(config: Config, _: Weights) -> nn.Module:
        keep = bool(config.get("keepdims", False))
        return Function(lambda x: function(x, (2, 3), keepdim=keep))

    return make


def _reshape(config: Config, _: Weights) -> nn.Module:
    target = [int(n) for n in config["target_shape"]]
    return Function(lambda x: from_last(to_last(x).reshape(x.shape[0], *target)))


def _zero_padding(config: Config, _: Weights) -> nn.Module:
    match config["padding"]:
        case int(n):
            return nn.ZeroPad2d(n)
        case [int(rows), int(columns)]:
            return nn.ZeroPad2d((columns, columns, rows, rows))
    (top, bottom), (left, right) = config["padding"]
    return nn.ZeroPad2d((left, right, top, bottom))


def _merge(function: Callable[[Tensor, Tensor], Tensor], *, mean: bool = False) -> Layer:
    """A layer of several inputs of one rank, which broadcast."""

    def run(*inputs: Tensor) -> Tensor:
        if len({x.ndim for x in inputs}) != 1:
            raise UnsupportedModelError("expected inputs of one rank in a Keras layer, got several")
        merged = reduce(function, inputs)
        return merged / len(inputs) if mean else merged

    return layer(lambda _config, _weights: Function(run))


def _subtract(x: Tensor, y: Tensor) -> Tensor:
    return x - y


def _concatenate(config: Config, _: Weights) -> nn.Module:
    axis = int(config.get("axis", -1))
    return Function(lambda *inputs: torch.cat(inputs, axis_of(axis, inputs[0].ndim)))


def _identity(_config: Config, _weights: Weights) -> nn.Module:
    return nn.Identity()


def _simple(function: Callable[..., Tensor]) -> Layer:
    return layer(lambda _config, _weights: Function(function))


def _resizing(config: Config, _: Weights) -> nn.Module:
    """To one size; upsampling is by whole factors."""
    linear = _is_linear(config)
    size = [int(config["height"]), int(config["width"])]
    return Function(lambda x: resize(x, size, linear=linear, coordinates="half_pixel"))


def _upsampling(config: Config, _: Weights) -> nn.Module:
    linear = _is_linear(config)
    rows, columns = _pair(config.get("size", 2))

    def run(x: Tensor) -> Tensor:
        size = [x.shape[2] * rows, x.shape[3] * columns]
        return resize(x, size, linear=linear, coordinates="half_pixel")

    return Function(run)


def _is_linear(config: Config) -> bool:
    method = config.get("interpolation", "nearest")
    if method not in ("bilinear", "nearest"):
        raise UnsupportedModelError(f"expected bilinear or nearest pixels in Keras, got {method!r}")
    return bool(method == "bilinear")


def _center_crop(config: Config, _: Weights) -> nn.Module:
    height, width = int(config["height"]), int(config["width"])

    def run(x: Tensor) -> Tensor:
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        if min(top, left) < 0:
            raise UnsupportedModelError(f"expected images above {height}x{width} to crop")
        return x[:, :, top : top + height, left : left + width]

    return Function(run)


def _cropping(config: Config, _: Weights) -> nn.Module:
    value = config["cropping"]
    sides = [value, value] if isinstance(value, int) else value
    (top, bottom), (left, right) = ([n, n] if isinstance(n, int) else n for n in sides)
    return Function(lambda x: x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right])


def _permute(config: Config, _: Weights) -> nn.Module:
    order = [0, *(int(axis) for axis in config["dims"])]
    return Function(lambda x: from_last(to_last(x).permute(order)))


def _pair(value: object) -> tuple[int, int]:
    match value:
        case int(n):
            return n, n
        case [int(rows), int(columns)]:
            return rows, columns
    raise UnsupportedModelError(f"expected one or two sizes in a Keras layer, got {value!r}")


_POOL = "pool_size strides padding"
# Layers that do nothing when a network predicts, with all of their options.
_AUGMENTATION = (
    "factor fill_mode fill_value interpolation seed mode height_factor width_factor value_range"
)
TRAINING: dict[str, Layer] = {
    **dict.fromkeys(
        ("Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout", "GaussianNoise"),
        layer(_identity, "rate seed noise_shape stddev"),
    ),
    **dict.fromkeys(
        ("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
         "RandomBrightness"),
        layer(_identity, _AUGMENTATION),
    ),
    "StochasticDepth": layer(_identity, "drop_path_rate"),
    "ActivityRegularization": layer(_identity, "l1 l2"),
}  # fmt: skip

GEOMETRY: dict[str, Layer] = {
    "Resizing": layer(_resizing, "height width interpolation fill_mode fill_value"),
    "CenterCrop": layer(_center_crop, "height width"),
    "Cropping2D": layer(_cropping, "cropping"),
    "UpSampling2D": layer(_upsampling, "size interpolation"),
}
"""Layers that only change a picture's size."""

LAYERS: dict[str, Layer] = {
    **GEOMETRY,
    **PRODUCT_LAYERS,
    **NORM_LAYERS,
    **ACTIVATION_LAYERS,
    **TRAINING,
    "InputLayer": layer(_identity),
    "MaxPooling2D": layer(_pool(F.max_pool2d, float("-inf")), _POOL),
    "AveragePooling2D": layer(_pool(F.avg_pool2d, 0.0), _POOL),
    "GlobalAveragePooling2D": layer(_global_pool(torch.mean), "keepdims"),
    "GlobalMaxPooling2D": layer(_global_pool(torch.amax), "keepdims"),
    "Flatten": _simple(lambda x: to_last(x).flatten(1)),
    "Reshape": layer(_reshape, "target_shape"),
    "Permute": layer(_permute, "dims"),
    "ZeroPadding2D": layer(_zero_padding, "padding"),
    "Add": _merge(torch.add),
    "Average": _merge(torch.add, mean=True),
    "Multiply": _merge(torch.mul),
    "Maximum": _merge(torch.maximum),
    "Minimum": _merge(torch.minimum),
    "Subtract": _simple(_subtract),
    "Concatenate": layer(_concatenate, "axis"),
}
