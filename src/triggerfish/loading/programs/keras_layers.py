"""Keras layers as PyTorch modules that compute on (N, C, H, W).

From the documentation at https://keras.io/api/layers/. A factory takes the layer's config and its
weights by their short names (``kernel``, ``gamma``, ...), as Keras stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_windows import same_padding

Config = Mapping[str, Any]
Weights = Mapping[str, Tensor]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: nn.Softmax(1),
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "swish": nn.SiLU,
    "silu": nn.SiLU,
}


class _Same(nn.Module):
    """TensorFlow's "same" padding before a window."""

    def __init__(self, kernel: Sequence[int], strides: Sequence[int], value: float = 0.0) -> None:
        super().__init__()
        self.kernel, self.strides, self.value = kernel, strides, value

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, same_padding(x, self.kernel, self.strides, [1, 1]), value=self.value)


class _Function(nn.Module):
    """A function without weights as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def activation(name: object) -> nn.Module:
    """The activation called ``name`` in a config; raises `UnsupportedModelError`."""
    key = name.get("class_name") if isinstance(name, Mapping) else name or "linear"
    if str(key).lower() not in ACTIVATIONS:
        raise UnsupportedModelError(f"expected a Keras activation we know, got {key!r}: use ONNX")
    return ACTIVATIONS[str(key).lower()]()


def channels_last_flat(x: Tensor) -> Tensor:
    """Flatten in Keras's order (H, W, C)."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x.flatten(1)


def _convolution(config: Config, kernel: Tensor, bias: Tensor | None, groups: int) -> nn.Module:
    """``kernel`` (M, C / groups, H, W), as PyTorch has it."""
    if config.get("data_format") == "channels_first":
        raise UnsupportedModelError("expected channels_last Keras layers, got channels_first")
    strides, dilation = config.get("strides", (1, 1)), config.get("dilation_rate", (1, 1))
    same = config["padding"] == "same"
    if same and max(dilation) > 1 and max(strides) > 1:
        raise UnsupportedModelError("expected strides or dilation in a Keras layer, got both")
    conv = nn.Conv2d(
        kernel.shape[1] * groups,
        kernel.shape[0],
        tuple(kernel.shape[2:]),  # type: ignore[arg-type]
        stride=tuple(strides),
        padding="same" if same and max(strides) == 1 else 0,
        dilation=tuple(dilation),
        groups=groups,
        bias=bias is not None,
    )
    conv.weight = nn.Parameter(kernel)
    if bias is not None:
        conv.bias = nn.Parameter(bias)
    return (
        nn.Sequential(_Same(kernel.shape[2:], strides), conv) if same and max(strides) > 1 else conv
    )


def _conv(config: Config, weights: Weights) -> nn.Module:
    kernel = weights["kernel"].permute(3, 2, 0, 1).contiguous()
    conv = _convolution(config, kernel, weights.get("bias"), int(config.get("groups", 1)))
    return nn.Sequential(conv, activation(config.get("activation")))


def _depthwise_kernel(kernel: Tensor) -> Tensor:
    height, width, channels, multiplier = kernel.shape
    return kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)


def _depthwise(config: Config, weights: Weights) -> nn.Module:
    stored = weights.get("depthwise_kernel", weights.get("kernel"))
    if stored is None:
        raise KeyError("depthwise_kernel")
    conv = _convolution(config, _depthwise_kernel(stored), weights.get("bias"), stored.shape[2])
    return nn.Sequential(conv, activation(config.get("activation")))


def _separable(config: Config, weights: Weights) -> nn.Module:
    stored = weights["depthwise_kernel"]
    depthwise = _convolution(config, _depthwise_kernel(stored), None, stored.shape[2])
    kernel = weights["pointwise_kernel"].permute(3, 2, 0, 1).contiguous()
    pointwise = _convolution({"padding": "valid"}, kernel, weights.get("bias"), 1)
    return nn.Sequential(depthwise, pointwise, activation(config.get("activation")))


def _dense(config: Config, weights: Weights) -> nn.Module:
    kernel = weights["kernel"]
    linear = nn.Linear(kernel.shape[0], kernel.shape[1], bias="bias" in weights)
    linear.weight = nn.Parameter(kernel.T.contiguous())
    if "bias" in weights:
        linear.bias = nn.Parameter(weights["bias"])
    return nn.Sequential(linear, activation(config.get("activation")))


class _BatchNorm(nn.Module):
    """Inference-time batch normalisation over axis 1."""

    def __init__(self, config: Config, weights: Weights) -> None:
        super().__init__()
        scale = 1 / torch.sqrt(weights["moving_variance"] + config.get("epsilon", 1e-3))
        scale = scale * weights.get("gamma", torch.ones_like(scale))
        self.register_buffer("scale", scale)
        shift = weights.get("beta", torch.zeros_like(scale)) - weights["moving_mean"] * scale
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (x.ndim - 2))
        return x * self.get_buffer("scale").view(shape) + self.get_buffer("shift").view(shape)


def _pool(function: Callable[..., Tensor], value: float) -> Callable[[Config, Weights], nn.Module]:
    def make(config: Config, _: Weights) -> nn.Module:
        size = list(config["pool_size"])
        strides = list(config.get("strides") or size)
        if config["padding"] != "same":
            return _Function(lambda x: function(x, size, strides))
        pad = _Same(size, strides, value)
        if value:
            return nn.Sequential(pad, _Function(lambda x: function(x, size, strides)))
        # Padding does not count in an average.
        return _Function(
            lambda x: (
                function(pad(x), size, strides)
                / function(pad(torch.ones_like(x[:1, :1])), size, strides)
            )
        )

    return make


def _reshape(config: Config, _: Weights) -> nn.Module:
    target = list(config["target_shape"])

    def run(x: Tensor) -> Tensor:
        y = channels_last_flat(x).reshape(x.shape[0], *target)
        return y.permute(0, 3, 1, 2) if len(target) == 3 else y

    return _Function(run)


def _zero_padding(config: Config, _: Weights) -> nn.Module:
    (top, bottom), (left, right) = config["padding"]
    return nn.ZeroPad2d((left, right, top, bottom))


def _function(function: Callable[..., Tensor]) -> Callable[[Config, Weights], nn.Module]:
    return lambda _config, _weights: _Function(function)


def _identity(_config: Config, _weights: Weights) -> nn.Module:
    return nn.Identity()


def _total(*inputs: Tensor) -> Tensor:
    return torch.stack(inputs).sum(0)


def _leaky_relu(config: Config, _: Weights) -> nn.Module:
    return nn.LeakyReLU(float(config.get("negative_slope", config.get("alpha", 0.3))))


def _relu(config: Config, _: Weights) -> nn.Module:
    low, high = config.get("negative_slope") or 0.0, config.get("max_value")
    ceiling = float("inf") if high is None else float(high)
    return _Function(lambda x: F.leaky_relu(x, float(low)).clamp(max=ceiling))


LAYERS: dict[str, Callable[[Config, Weights], nn.Module]] = {
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _BatchNorm,
    "MaxPooling2D": _pool(F.max_pool2d, float("-inf")),
    "AveragePooling2D": _pool(F.avg_pool2d, 0.0),
    "GlobalAveragePooling2D": _function(lambda x: x.mean((2, 3))),
    "GlobalMaxPooling2D": _function(lambda x: x.amax((2, 3))),
    "Flatten": _function(channels_last_flat),
    "Reshape": _reshape,
    "ZeroPadding2D": _zero_padding,
    "Activation": lambda config, _: activation(config["activation"]),
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": lambda config, _: nn.ELU(config.get("alpha", 1.0)),
    "Softmax": lambda _config, _weights: nn.Softmax(1),
    "Rescaling": lambda c, _: _Function(lambda x: x * float(c["scale"]) + float(c["offset"])),
    "Add": _function(_total),
    "Concatenate": _function(lambda *inputs: torch.cat(inputs, 1)),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "InputLayer"), _identity
    ),
}
