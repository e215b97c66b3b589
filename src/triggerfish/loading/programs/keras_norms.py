"""Keras layers that shift and scale: batch norm, and the preprocessing that a model carries."""

from __future__ import annotations

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
    layer,
)

PREPARING = ("Rescaling", "Normalization")
"""Layers that scale and shift pictures."""
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
    # One mean for all is an axis of None, which Keras writes as no axes.
    axis = -1 if config.get("axis", -1) in (None, []) else _one_axis(config.get("axis", -1))
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


class _LayerNorm(nn.Module):
    """Normalization of each image over Keras's last axis, or over all."""

    def __init__(self, gamma: Tensor, beta: Tensor, axes: list[int], epsilon: float) -> None:
        super().__init__()
        turned = (v.permute(2, 0, 1) if v.ndim == 3 else v for v in (gamma, beta))
        self.gamma, self.beta = (nn.Parameter(value.contiguous()) for value in turned)
        self.axes, self.epsilon = axes, epsilon

    def forward(self, x: Tensor) -> Tensor:
        axes = [axis_of(axis, x.ndim) for axis in self.axes]
        if len(axes) != 1 and len(axes) != x.ndim - 1:
            raise UnsupportedModelError(f"expected the last axis or all, got {self.axes}")
        shape = [1] * x.ndim
        for axis in axes:
            shape[axis] = x.shape[axis]
        mean, variance = x.mean(axes, True), x.var(axes, unbiased=False, keepdim=True)
        normal = (x - mean) * torch.rsqrt(variance + self.epsilon)
        return normal * self.gamma.reshape(shape) + self.beta.reshape(shape)


def _layer_norm(config: Config, weights: Weights) -> nn.Module:
    axis = config.get("axis", -1)
    axes = [int(axis)] if isinstance(axis, int) else sorted(int(a) for a in axis)
    gamma, beta = _gamma_beta(weights)
    return _LayerNorm(gamma, beta, axes, float(config.get("epsilon", 1e-3)))


def _gamma_beta(weights: Weights) -> tuple[Tensor, Tensor]:
    one = torch.ones(1) if not weights else torch.ones_like(next(iter(weights.values())))
    return weights.get("gamma", one), weights.get("beta", torch.zeros_like(one))


def _group_norm(config: Config, weights: Weights) -> nn.Module:
    if config.get("axis", -1) not in (-1, 3):
        raise UnsupportedModelError(f"expected groups of channels, got axis {config['axis']}")
    groups, epsilon = int(config["groups"]), float(config.get("epsilon", 1e-3))

    def run(x: Tensor) -> Tensor:
        return F.group_norm(x, x.shape[1] if groups == -1 else groups, eps=epsilon)

    if not weights:
        return Function(run)
    gamma, beta = _gamma_beta(weights)
    return nn.Sequential(Function(run), Affine(gamma, beta, -1))


def _affine_weights(config: Config) -> Names:
    gamma: Names = (("gamma",),) if config.get("scale", True) else ()
    beta: Names = (("beta",),) if config.get("center", True) else ()
    return (*gamma, *beta)


def _layer_scale(_: Config, weights: Weights) -> nn.Module:
    gamma = weights["gamma"]
    return Affine(gamma, torch.zeros_like(gamma), -1)


def _unit_norm(config: Config, _: Weights) -> nn.Module:
    axis = _one_axis(config.get("axis", -1))
    smallest = 1e-12
    return Function(
        lambda x: x * torch.rsqrt(x.square().sum(axis_of(axis, x.ndim), True).clamp(min=smallest))
    )


_AFFINE = (
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer "
    "gamma_regularizer beta_constraint gamma_constraint"
)

NORM_LAYERS: dict[str, Layer] = {
    "BatchNormalization": layer(
        _batch_norm,
        # Renormalization has options even where it is off.
        "axis momentum epsilon center scale fused synchronized renorm_momentum renorm_clipping "
        "beta_initializer gamma_initializer moving_mean_initializer moving_variance_initializer "
        "beta_regularizer gamma_regularizer beta_constraint gamma_constraint",
        _batch_norm_weights,
    ),
    "LayerNormalization": layer(_layer_norm, _AFFINE, _affine_weights),
    "GroupNormalization": layer(_group_norm, f"{_AFFINE} groups", _affine_weights),
    "UnitNormalization": layer(_unit_norm, "axis"),
    "LayerScale": layer(
        _layer_scale, "init_values projection_dim", lambda _: (("gamma", "variable"),)
    ),
    "Rescaling": layer(_rescaling, "scale offset"),
    "Normalization": layer(_normalization, "axis mean variance invert", _normalization_weights),
}
