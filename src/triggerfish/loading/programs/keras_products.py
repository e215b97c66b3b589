"""Keras layers with kernels: convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.programs.keras_activations import activation
from triggerfish.loading.programs.keras_layer import (
    Config,
    Layer,
    Names,
    Weights,
    from_last,
    layer,
    to_last,
)
from triggerfish.loading.programs.onnx_windows import conv_transpose, same_padding


class Same(nn.Module):
    """TensorFlow's "same" padding before a window."""

    def __init__(self, kernel: Sequence[int], strides: Sequence[int], value: float = 0.0) -> None:
        super().__init__()
        self.kernel, self.strides, self.value = kernel, strides, value

    def forward(self, x: Tensor) -> Tensor:
        """Pad (N, C, H, W)."""
        return F.pad(x, same_padding(x, self.kernel, self.strides, [1, 1]), value=self.value)


def is_same(config: Config) -> bool:
    """Whether a window is padded; raises `UnsupportedModelError` for neither "same" nor "valid"."""
    if config["padding"] not in ("same", "valid"):
        raise UnsupportedModelError(
            f"expected Keras padding 'same' or 'valid', got {config['padding']!r}: use ONNX"
        )
    return bool(config["padding"] == "same")


def _convolution(
    config: Config, kernel: Tensor, bias: Tensor | None, groups: int, *, padded: bool
) -> nn.Module:
    """``kernel`` (M, C / groups, H, W), as PyTorch has it."""
    strides, dilation = config.get("strides", (1, 1)), config.get("dilation_rate", (1, 1))
    size = list(config.get("kernel_size", kernel.shape[2:]))
    if size != list(kernel.shape[2:]):
        raise CheckpointError(f"expected a kernel of {size}, got {list(kernel.shape[2:])}")
    if padded and max(dilation) > 1 and max(strides) > 1:
        raise UnsupportedModelError("expected strides or dilation in a Keras layer, got both")
    conv = nn.Conv2d(
        kernel.shape[1] * groups,
        kernel.shape[0],
        tuple(kernel.shape[2:]),  # type: ignore[arg-type]
        stride=tuple(strides),
        padding="same" if padded and max(strides) == 1 else 0,
        dilation=tuple(dilation),
        groups=groups,
        bias=bias is not None,
    )
    conv.weight = nn.Parameter(kernel)
    if bias is not None:
        conv.bias = nn.Parameter(bias)
    if padded and max(strides) > 1:
        return nn.Sequential(Same(kernel.shape[2:], strides), conv)
    return conv


def _conv(config: Config, weights: Weights) -> nn.Module:
    kernel, bias = from_hwio(weights["kernel"]), weights.get("bias")
    if int(config.get("filters", kernel.shape[0])) != kernel.shape[0]:
        raise CheckpointError(f"expected {config['filters']} filters, got {kernel.shape[0]}")
    groups = int(config.get("groups", 1))
    conv = _convolution(config, kernel, bias, groups, padded=is_same(config))
    return nn.Sequential(conv, activation(config))


def _depthwise(config: Config, weights: Weights) -> nn.Module:
    stored = weights["depthwise_kernel"]
    kernel = depthwise_kernel(stored)
    conv = _convolution(
        config, kernel, weights.get("bias"), stored.shape[2], padded=is_same(config)
    )
    return nn.Sequential(conv, activation(config))


def _separable(config: Config, weights: Weights) -> nn.Module:
    stored = weights["depthwise_kernel"]
    depthwise = _convolution(
        config, depthwise_kernel(stored), None, stored.shape[2], padded=is_same(config)
    )
    pointwise = _convolution(
        {}, from_hwio(weights["pointwise_kernel"]), weights.get("bias"), 1, padded=False
    )
    return nn.Sequential(depthwise, pointwise, activation(config))


def _transposed(config: Config, weights: Weights) -> nn.Module:
    """The kernel (H, W, M, C); "same" gives the input's size times the strides."""
    kernel, bias = weights["kernel"].permute(3, 2, 0, 1).contiguous(), weights.get("bias")
    strides = list(config.get("strides", (1, 1)))
    a: dict[str, object] = {
        "strides": strides,
        "auto_pad": b"SAME_UPPER" if is_same(config) else b"VALID",
    }
    if min(size - step for size, step in zip(kernel.shape[2:], strides, strict=True)) < 0:
        raise UnsupportedModelError("expected strides up to the kernel's size, got larger ones")
    if max(config.get("dilation_rate", (1, 1))) > 1 or config.get("groups", 1) != 1:
        raise UnsupportedModelError(
            "expected a plain transposed convolution, got another: use ONNX"
        )
    return nn.Sequential(_Transposed(a, kernel, bias), activation(config))


class _Transposed(nn.Module):
    def __init__(self, a: dict[str, object], kernel: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.a, self.kernel = a, nn.Parameter(kernel)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose(self.a, x, self.kernel, self.bias)


class _Dense(nn.Linear):
    """A matrix on the last axis as Keras has it, which is our second one of pictures."""

    def forward(self, x: Tensor) -> Tensor:
        return from_last(super().forward(to_last(x)))


def _dense(config: Config, weights: Weights) -> nn.Module:
    kernel = weights["kernel"]
    if int(config.get("units", kernel.shape[1])) != kernel.shape[1]:
        raise CheckpointError(f"expected {config['units']} units, got {kernel.shape[1]}")
    linear = _Dense(kernel.shape[0], kernel.shape[1], bias="bias" in weights)
    linear.weight = nn.Parameter(kernel.T.contiguous())
    if "bias" in weights:
        linear.bias = nn.Parameter(weights["bias"])
    return nn.Sequential(linear, activation(config))


def from_hwio(kernel: Tensor) -> Tensor:
    """(H, W, C, M), as Keras has it, to (M, C, H, W)."""
    return kernel.permute(3, 2, 0, 1).contiguous()


def depthwise_kernel(kernel: Tensor) -> Tensor:
    """(H, W, C, multiplier), as Keras has it, to (C * multiplier, 1, H, W)."""
    height, width, channels, multiplier = kernel.shape
    return kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)


def _bias(config: Config) -> Names:
    return (("bias",),) if config.get("use_bias", True) else ()


_WINDOW = "kernel_size strides padding dilation_rate groups activation use_bias"

PRODUCT_LAYERS: dict[str, Layer] = {
    "Conv2D": layer(_conv, f"{_WINDOW} filters", lambda c: (("kernel",), *_bias(c))),
    "Conv2DTranspose": layer(_transposed, f"{_WINDOW} filters", lambda c: (("kernel",), *_bias(c))),
    "DepthwiseConv2D": layer(
        _depthwise,
        f"{_WINDOW} depth_multiplier filters",
        lambda c: (("depthwise_kernel", "kernel"), *_bias(c)),
    ),
    "SeparableConv2D": layer(
        _separable,
        f"{_WINDOW} depth_multiplier filters",
        lambda c: (("depthwise_kernel",), ("pointwise_kernel",), *_bias(c)),
    ),
    "Dense": layer(_dense, "units activation use_bias", lambda c: (("kernel",), *_bias(c))),
}
