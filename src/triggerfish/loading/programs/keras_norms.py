"""Keras layers that shift and scale: batch norm, and the preprocessing that a model carries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.keras_layer import (
    Config,
    Layer,
    Names,
    Weights,
    axis_of,
    layer,
)

_SMALLEST = 1e-7  # keras.config.epsilon(), which Normalization divides by at least


class Affine(nn.Module):
    """``x * scale + shift``, one pair for all or one for each place along ``axis`` (Keras's)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor, axis: int) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Map values of any rank."""
        scale, shift = self.scale, self.shift
        if scale.numel() == 1:
            return x * scale.reshape(()) + shift.reshape(())
        shape = [1] * x.ndim
        shape[axis_of(self.axis, x.ndim)] = -1
        return x * scale.view(shape) + shift.view(shape)


def _batch_norm(config: Config, weights: Weights) -> nn.Module:
    scale = 1 / torch.sqrt(weights["moving_variance"] + float(config.get("epsilon", 1e-3)))
    scale = scale * weights.get("gamma", torch.ones_like(scale))
    shift = weights.get("beta", torch.zeros_like(scale)) - weights["moving_mean"] * scale
    return Affine(scale, shift, _one_axis(config.get("axis", -1)))


def _batch_norm_weights(config: Config) -> Names:
    gamma: Names = (("gamma",),) if config.get("scale", True) else ()
    beta: Names = (("beta",),) if config.get("center", True) else ()
    return (*gamma, *beta, ("moving_mean",), ("moving_variance",))


def _rescaling(config: Config, _: Weights) -> nn.Module:
    scale, offset = (_numbers(config[key]) for key in ("scale", "offset"))
    size = max(scale.numel(), offset.numel())
    return Affine(scale.expand(size).clone(), offset.expand(size).clone(), -1)


def _statistics(config: Config, weights: Weights) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a Normalization layer, from its config or its weights."""
    given = config.get("mean") is not None
    mean, variance = (
        _numbers(config[key]) if given else weights[key].flatten() for key in ("mean", "variance")
    )
    return mean, variance.sqrt().clamp(min=_SMALLEST)


def _normalization(config: Config, weights: Weights) -> nn.Module:
    mean, std = _statistics(config, weights)
    axis = -1 if config.get("axis", -1) is None else _one_axis(config.get("axis", -1))
    if config.get("invert"):
        return Affine(std, mean, axis)
    return Affine(1 / std, -mean / std, axis)


def _normalization_weights(config: Config) -> Names:
    return (("mean",), ("variance",)) if config.get("mean") is None else ()


def _one_axis(axis: object) -> int:
    match axis:
        case int() | [int()]:
            return axis if isinstance(axis, int) else int(axis[0])
    raise UnsupportedModelError(f"expected one axis in a Keras layer, got {axis!r}: use ONNX")


def _numbers(value: object) -> Tensor:
    """Numbers of a config, which Keras also writes as nested lists of one."""
    return torch.as_tensor(value, dtype=torch.float32).flatten()


NORM_LAYERS: dict[str, Layer] = {
    "BatchNormalization": layer(
        _batch_norm,
        # Renormalization has options even where it is off.
        "axis momentum epsilon center scale fused synchronized renorm_momentum renorm_clipping "
        "beta_initializer gamma_initializer moving_mean_initializer moving_variance_initializer "
        "beta_regularizer gamma_regularizer beta_constraint gamma_constraint",
        _batch_norm_weights,
    ),
    "Rescaling": layer(_rescaling, "scale offset"),
    "Normalization": layer(_normalization, "axis mean variance invert", _normalization_weights),
}
