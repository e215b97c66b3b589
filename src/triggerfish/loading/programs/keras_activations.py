"""Keras activations: functions by name, and those that are layers with a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.keras_layer import (
    Config,
    Function,
    Layer,
    Names,
    Weights,
    axis_of,
    is_keras_3,
    layer,
)


def _softmax(x: Tensor) -> Tensor:
    return x.softmax(axis_of(-1, x.ndim))


def _log_softmax(x: Tensor) -> Tensor:
    return x.log_softmax(axis_of(-1, x.ndim))


def _old_hard_sigmoid(x: Tensor) -> Tensor:
    """Keras 2's; Keras 3 has another function under the same name."""
    return (0.2 * x + 0.5).clamp(0, 1)


_FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: Function(_softmax),
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "swish": nn.SiLU,
    "silu": nn.SiLU,
    "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    "log_softmax": lambda: Function(_log_softmax),
    "exponential": lambda: Function(torch.exp),
}


def activation(layer_config: Config) -> nn.Module:
    """The activation that a layer's config names: a string, or the config of a layer.

    Raises `UnsupportedModelError` for any other.
    """
    value = layer_config.get("activation")
    if isinstance(value, Mapping):
        kind, config = value.get("class_name"), value.get("config")
        if kind in ACTIVATION_LAYERS and isinstance(config, Mapping):
            ACTIVATION_LAYERS[kind].check(kind, config)
            return ACTIVATION_LAYERS[kind].make(config, {})
        if kind != "function" or not isinstance(config, str):
            raise _unknown(kind)
        value = config
    name = value or "linear"
    if name == "hard_sigmoid":
        return nn.Hardsigmoid() if is_keras_3(layer_config) else Function(_old_hard_sigmoid)
    if not isinstance(name, str) or name not in _FUNCTIONS:
        raise _unknown(name)
    return _FUNCTIONS[name]()


def _unknown(name: object) -> UnsupportedModelError:
    return UnsupportedModelError(f"expected a Keras activation we know, got {name!r}: use ONNX")


def _relu(config: Config, _: Weights) -> nn.Module:
    """``max_value`` above it, ``negative_slope * (x - threshold)`` below ``threshold``."""
    slope, threshold = float(config.get("negative_slope") or 0), float(config.get("threshold") or 0)
    high = config.get("max_value")
    ceiling = float("inf") if high is None else float(high)

    def run(x: Tensor) -> Tensor:
        return torch.where(x >= threshold, x.clamp(max=ceiling), slope * (x - threshold))

    return (
        Function(run)
        if threshold
        else Function(lambda x: F.leaky_relu(x, slope).clamp(max=ceiling))
    )


def _leaky_relu(config: Config, _: Weights) -> nn.Module:
    return nn.LeakyReLU(float(config.get("negative_slope", config.get("alpha", 0.3))))


def _softmax_layer(config: Config, _: Weights) -> nn.Module:
    axis = int(config.get("axis", -1))
    return Function(lambda x: x.softmax(axis_of(axis, x.ndim)))


def _prelu(config: Config, weights: Weights) -> nn.Module:
    return _PReLU(weights["alpha"])


class _PReLU(nn.Module):
    """One slope per place, or for all along shared axes, whose size is one."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope.permute(2, 0, 1) if slope.ndim == 3 else slope)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, self.slope * x)


def _slopes(_: Config) -> Names:
    return (("alpha",),)


ACTIVATION_LAYERS: dict[str, Layer] = {
    "ReLU": layer(_relu, "max_value negative_slope threshold"),
    "LeakyReLU": layer(_leaky_relu, "negative_slope alpha"),
    "ELU": layer(lambda config, _: nn.ELU(float(config.get("alpha", 1.0))), "alpha"),
    "Softmax": layer(_softmax_layer, "axis"),
    "PReLU": layer(
        _prelu,
        "shared_axes alpha_initializer alpha_regularizer alpha_constraint",
        _slopes,
    ),
    "Activation": layer(lambda config, _: activation(config), "activation"),
}
