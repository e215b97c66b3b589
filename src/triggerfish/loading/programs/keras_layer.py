"""What a Keras layer of ours understands of its config; a layer that asks for more is refused.

A network's values are (N, C, H, W) where Keras has (N, H, W, C), and as in Keras elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError

Config = Mapping[str, Any]
Weights = Mapping[str, Tensor]
Names = tuple[tuple[str, ...], ...]
"""A layer's weights in the order in which Keras 3 stores them, each by its possible names."""

# What only matters in training, or says again what the weights' shapes say.
_HARMLESS_NAMES = """
    name trainable dtype autocast batch_input_shape batch_shape input_shape input_dtype
    activity_regularizer kernel_initializer kernel_regularizer kernel_constraint bias_initializer
    bias_regularizer bias_constraint depthwise_initializer depthwise_regularizer
    depthwise_constraint pointwise_initializer pointwise_regularizer pointwise_constraint
"""
_HARMLESS = frozenset(_HARMLESS_NAMES.split())
# Options that exist, at the one value at which we know the layer.
_ONLY: Mapping[str, tuple[object, ...]] = {
    "data_format": ("channels_last", None),
    "sparse": (False,),
    "ragged": (False,),
    "optional": (False,),
    "renorm": (False,),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "rank": (2,),
    "crop_to_aspect_ratio": (False,),
    "pad_to_aspect_ratio": (False,),
    "antialias": (False,),
    "output_padding": (None,),
    "rms_scaling": (False,),
}


def no_weights(_: Config) -> Names:
    """The names of a layer's weights, where it has none."""
    return ()


@dataclass(frozen=True)
class Layer:
    """A layer: ``build(config, weights)``, and the config's keys that it obeys or may ignore.

    ``weights`` are the names that a config leads to; each must be there, and no other.
    """

    build: Callable[[Config, Weights], nn.Module]
    keys: frozenset[str] = frozenset()
    weights: Callable[[Config], Names] = no_weights
    only: Mapping[str, tuple[object, ...]] = field(default_factory=lambda: _ONLY)

    def check(self, kind: str, config: Config) -> None:
        """Refuse what is not understood."""
        for key, value in config.items():
            if key in self.keys or key in _HARMLESS:
                continue
            if key not in self.only or value not in self.only[key]:
                raise UnsupportedModelError(
                    f"expected a Keras layer {kind} as we know it, got {key} = "
                    f"{str(value)[:60]!r}: convert the model to ONNX with model.export"
                )

    def make(self, config: Config, weights: Weights) -> nn.Module:
        """The layer of a checked config; raises `CheckpointError` for weights missing or left."""
        found: dict[str, Tensor] = {}
        left = dict(weights)
        for names in self.weights(config):
            name = next((name for name in names if name in left), None)
            if name is None or not left[name].is_floating_point():
                raise CheckpointError(
                    f"expected floating-point weights {names[0]!r} of the Keras layer "
                    f"{config.get('name')}, got {', '.join(weights) or 'none'}"
                )
            found[names[0]] = left.pop(name)
        if left:
            raise CheckpointError(
                f"expected no more weights of the Keras layer {config.get('name')}, "
                f"got {', '.join(left)}"
            )
        return self.build(config, found)


def layer(
    build: Callable[[Config, Weights], nn.Module],
    keys: str = "",
    weights: Callable[[Config], Names] = no_weights,
) -> Layer:
    """A `Layer`; ``keys`` are names with spaces between."""
    return Layer(build, frozenset(keys.split()), weights)


class Function(nn.Module):
    """A function without weights as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply it."""
        return self.function(*inputs)


def is_keras_3(config: Config) -> bool:
    """Whether Keras 3 wrote a layer's config: it names a policy where Keras 2 names a type."""
    return isinstance(config.get("dtype"), Mapping)


def axis_of(axis: int, ndim: int) -> int:
    """The axis of our values for one of Keras's."""
    if not -ndim <= axis < ndim:
        raise UnsupportedModelError(f"expected an axis of {ndim}, got {axis}")
    return [0, 2, 3, 1][axis % 4] if ndim == 4 else axis % ndim


def from_last(x: Tensor) -> Tensor:
    """(N, H, W, C) as (N, C, H, W); other values as they are."""
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def to_last(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H, W, C); other values as they are."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x
